/**
 * Picks the program and loads it, and nothing else: a CNI call must not pay for the daemons' code.
 *
 * A known name it was called by wins (links in the CNI bin directory, `flanneld`), then the first argument, then
 * CNI_COMMAND (type `underpod`).
 */

/** A program: takes its arguments, returns its exit code. */
type Program = (args: string[]) => number | Promise<number>;

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<Program>;
}

const cniTypes = ['bridge', 'flannel', 'host-local', 'loopback', 'underpod'];

async function cniPlugin(type: string): Promise<number> {
  const { main } = await import('./cni/plugins/main.ts');
  const { exit } = await import('./shared/sys/process.ts');
  // All is written and nothing is pending: the runtime's own tear-down would cost another half millisecond.
  return exit(await main(type));
}

/** Names other than its own under which a program is known, so that existing manifests work. */
const aliases: Readonly<Record<string, string>> = { flanneld: 'agent' };

const programs: Readonly<Record<string, Entry>> = {
  agent: {
    summary: 'the network agent: pods on all nodes reach each other (in place of flanneld)',
    load: async () => (await import('./cni/agent/main.ts')).main,
  },
  cni: {
    summary: 'run CNI plugins by hand: add, check, del, gc, status (as cnitool)',
    load: async () => (await import('./cni/runtime/main.ts')).main,
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

Called by the name of a CNI plugin type (${cniTypes.join(', ')}), or with
CNI_COMMAND in the environment, it is that plugin.
`;
}

async function print(fd: 1 | 2, text: string): Promise<void> {
  const { writeSync } = await import('node:fs');
  writeSync(fd, text);
}

async function run(calledAs: string, args: string[]): Promise<number> {
  if (calledAs !== 'underpod' && cniTypes.includes(calledAs)) return cniPlugin(calledAs);
  // hasOwn: `constructor` and its like are names of no program.
  const alias = Object.hasOwn(aliases, calledAs) ? aliases[calledAs] : undefined;
  const name = alias ?? args[0];
  const entry = name !== undefined && Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (entry) {
    // The executable starts with a JIT that hardly compiles (scripts/compile.ts), for the CNI calls' sake.
    Bun.unsafe.setJITPolicy(1);
    return (await entry.load())(alias ? args : args.slice(1));
  }
  if (name === undefined && process.env['CNI_COMMAND'] !== undefined) return cniPlugin('underpod');
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
