/**
 * Picks the program and loads it, and nothing else: a CNI call must not pay for the daemons' code, nor for other types'.
 *
 * A known name it was called by wins (links in the CNI bin directory, `flanneld`), then the first argument, then
 * CNI_COMMAND (type `underpod`).
 */

/** A program: takes its arguments, returns its exit code. */
type Program = (args: string[]) => number | Promise<number>;

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<Program>;
  /** It stays for as long as the node does: what its runtime takes counts. See shared/daemon/quiet-runtime.ts. */
  readonly stays?: 'quiet' | 'sparing';
}

/** CNI types, each with what its ADD and DEL need, which is loaded for every pod. */
const cniTypes: Readonly<Record<string, () => Promise<{ run(): Promise<never> }>>> = {
  bandwidth: () => import('#cni/bandwidth'),
  bridge: () => import('#cni/bridge'),
  dhcp: () => import('#cni/dhcp'),
  dummy: () => import('#cni/dummy'),
  firewall: () => import('#cni/firewall'),
  flannel: () => import('#cni/flannel'),
  'host-device': () => import('#cni/host-device'),
  'host-local': () => import('#cni/host-local'),
  ipvlan: () => import('#cni/ipvlan'),
  loopback: () => import('#cni/loopback'),
  macvlan: () => import('#cni/macvlan'),
  portmap: () => import('#cni/portmap'),
  ptp: () => import('#cni/ptp'),
  sbr: () => import('#cni/sbr'),
  static: () => import('#cni/static'),
  tap: () => import('#cni/tap'),
  tuning: () => import('#cni/tuning'),
  underpod: () => import('#cni/underpod'),
  vlan: () => import('#cni/vlan'),
  vrf: () => import('#cni/vrf'),
};

async function cniPlugin(type: string, load: () => Promise<{ run(): Promise<never> }>): Promise<never> {
  const command = process.env['CNI_COMMAND'];
  // These are for every type alike, and rare.
  if (command === 'CHECK' || command === 'GC' || command === 'STATUS')
    return (await import('#cni/all')).run(type);
  return (await load()).run();
}

/** Names other than its own under which a program is known, so that existing manifests work. */
const aliases: Readonly<Record<string, string>> = {
  flanneld: 'agent',
  'kube-proxy': 'proxy',
  // What the init containers of flannel's manifests run, in an image that has nothing else.
  'install-conf': 'copy',
  cp: 'copy',
};

const programs: Readonly<Record<string, Entry>> = {
  agent: {
    summary: 'the network agent: pods on all nodes reach each other (in place of flanneld)',
    load: async () => (await import('./cni/agent/main.ts')).main,
    stays: 'sparing',
  },
  proxy: {
    summary: 'the service proxy: services reach their endpoints (in place of kube-proxy)',
    load: async () => (await import('./cni/proxy/main.ts')).main,
    stays: 'sparing',
  },
  csi: {
    summary: 'drivers for volumes: local (in place of local-path and CSI sidecars)',
    load: async () => (await import('./csi/main.ts')).main,
  },
  cni: {
    summary: 'run CNI plugins by hand: add, check, del, gc, status (as cnitool)',
    load: async () => (await import('./cni/runtime/main.ts')).main,
  },
  dhcp: {
    summary: 'keeps the DHCP leases of pods (for the CNI type dhcp)',
    load: async () => (await import('./cni/dhcp/main.ts')).main,
  },
  install: {
    summary: 'put the executable, the CNI links and the network configuration in place',
    load: async () => (await import('./commands/install.ts')).main,
  },
  uninstall: {
    summary: 'take them away and put back what was there',
    load: async () => (await import('./commands/uninstall.ts')).main,
  },
  status: {
    summary: "what this node's programs are doing",
    load: async () => (await import('./commands/status.ts')).main,
  },
  check: {
    summary: 'what keeps pods from those of other nodes, and what to do about it',
    load: async () => (await import('./commands/check.ts')).main,
  },
  apply: {
    summary: 'write objects to the embedded store',
    load: async () => (await import('./commands/apply.ts')).main,
  },
  get: {
    summary: 'show objects of the embedded store',
    load: async () => (await import('./commands/get.ts')).main,
  },
  delete: {
    summary: 'remove objects from the embedded store',
    load: async () => (await import('./commands/delete.ts')).main,
  },
  backup: {
    summary: 'copy the embedded store to a file while it is in use',
    load: async () => (await import('./commands/backup.ts')).main,
  },
  restore: {
    summary: 'replace the embedded store by a backup',
    load: async () => (await import('./commands/restore.ts')).main,
  },
  copy: {
    summary: 'copy a file in one step (cp and install-conf of the image)',
    load: async () => (await import('./commands/copy.ts')).main,
  },
  version: {
    summary: 'print the version',
    load: async () => (await import('./commands/version.ts')).main,
  },
};

function usage(): string {
  const lines = Object.entries(programs).map(([name, entry]) => `  ${name.padEnd(11)}${entry.summary}`);
  return `underpod: what a Kubernetes node needs under its pods, in one executable

Usage: underpod PROGRAM [ARGUMENTS]     (underpod PROGRAM --help tells more)

${lines.join('\n')}

Called by the name of a CNI plugin type (${Object.keys(cniTypes).join(', ')}), or with
CNI_COMMAND in the environment, it is that plugin.
`;
}

async function print(fd: 1 | 2, text: string): Promise<void> {
  const { writeSync } = await import('node:fs');
  writeSync(fd, text);
}

async function run(calledAs: string, args: string[]): Promise<number> {
  // hasOwn: `constructor` and its like are names of no program.
  const type = calledAs !== 'underpod' && Object.hasOwn(cniTypes, calledAs) ? cniTypes[calledAs] : undefined;
  // Upstream's plugin is its own daemon, and service files say so.
  const isDaemon = calledAs === 'dhcp' && args[0] === 'daemon';
  if (type && !isDaemon) return cniPlugin(calledAs, type);
  const alias = Object.hasOwn(aliases, calledAs) ? aliases[calledAs] : undefined;
  const name = alias ?? (isDaemon ? calledAs : args[0]);
  const entry = name !== undefined && Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (entry) {
    if (entry.stays) (await import('./shared/daemon/quiet-runtime.ts')).startAnew(entry.stays);
    // The executable starts with a JIT that hardly compiles (scripts/compile.ts), for the CNI calls' sake.
    Bun.unsafe.setJITPolicy(1);
    return (await entry.load())(alias ? args : args.slice(1));
  }
  if (name === undefined && process.env['CNI_COMMAND'] !== undefined) {
    return cniPlugin('underpod', () => import('#cni/underpod'));
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    await print(1, usage());
    return 0;
  }
  if (name === '--version' || name === '-v') return run(calledAs, ['version']);
  await print(2, `underpod: there is no program ${JSON.stringify(name)}; 'underpod --help' lists them\n`);
  return 2;
}

const base = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
// What Bun runs uncompiled is `bun main.ts …`; compiled, argv[1] is the entry's name within the executable.
process.exitCode = await run(base, process.argv.slice(2));
