/** Whether this user can build a lab here, and how: as root, or in a user namespace. Tried, not guessed. */
import { readFileSync } from 'node:fs';

/** What a lab's holder needs; the numbers are bits of CapEff (linux/capability.h). */
const NEEDED: Readonly<Record<string, number>> = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 };

/** A moment's work that needs everything a lab does: mounts, links, a name. */
const TRIAL = 'mount -n -t tmpfs trial /tmp && ip link add trial type bridge && hostname trial';

export type Privileges =
  | { readonly kind: 'root' | 'user-namespace'; readonly unshare: readonly string[] }
  | { readonly kind: 'none'; readonly reason: string };

/** unshare(1) with the namespaces a lab's holder lives in. */
export function unshareCommand(kind: 'root' | 'user-namespace'): string[] {
  const user = kind === 'user-namespace' ? ['--user', '--map-root-user'] : [];
  const own = ['--pid', '--fork', '--kill-child', '--mount', '--net', '--uts', '--ipc', '--mount-proc'];
  return ['unshare', ...user, ...own];
}

function attempt(kind: 'root' | 'user-namespace'): string | undefined {
  const child = Bun.spawnSync([...unshareCommand(kind), 'sh', '-c', TRIAL], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  return child.success ? undefined : child.stderr.toString().trim();
}

/** How a lab can be built here. */
export function findPrivileges(): Privileges {
  const isRoot = process.getuid?.() === 0;
  const missing = missingTools();
  if (missing.length > 0)
    return { kind: 'none', reason: `${missing.join(', ')} not found: run 'make setup'` };
  const asRoot = isRoot ? attempt('root') : undefined;
  if (isRoot && asRoot === undefined) return { kind: 'root', unshare: unshareCommand('root') };
  const inUserNamespace = attempt('user-namespace');
  if (inUserNamespace === undefined) {
    return { kind: 'user-namespace', unshare: unshareCommand('user-namespace') };
  }
  return { kind: 'none', reason: explain(isRoot, asRoot, inUserNamespace) };
}

function missingTools(): string[] {
  return ['unshare', 'nsenter', 'ip', 'bridge', 'ping'].filter(
    (tool) => Bun.which(tool, { PATH: toolPath() }) === null,
  );
}

/** PATH with the directories of system tools, which an ordinary user's often lacks. */
export function toolPath(): string {
  return `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

function explain(isRoot: boolean, asRoot: string | undefined, inUserNamespace: string): string {
  const capabilities = missingCapabilities();
  const lacking =
    capabilities.length > 0 ? `${capabilities.join(', ')} missing` : 'the kernel or its policy refuses';
  return [
    isRoot
      ? `a lab needs CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW; as root here: ${lacking} (${asRoot})`
      : `a lab needs root (here: ${lacking}) or a user namespace`,
    `a user namespace does not work either: ${inUserNamespace}${userNamespacePolicy()}`,
  ].join('; ');
}

/** Of the capabilities a lab needs those this process lacks. */
export function missingCapabilities(): string[] {
  const hex = readFileSync('/proc/self/status', 'latin1').match(/^CapEff:\s*([0-9a-f]+)/m)?.[1] ?? '0';
  const effective = BigInt(`0x${hex}`);
  return Object.entries(NEEDED)
    .filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => name);
}

/** Kernel settings by which distributions forbid user namespaces to ordinary users. */
function userNamespacePolicy(): string {
  const settings: readonly [path: string, forbidding: string][] = [
    ['kernel/unprivileged_userns_clone', '0'],
    ['user/max_user_namespaces', '0'],
    ['kernel/apparmor_restrict_unprivileged_userns', '1'],
  ];
  for (const [path, forbidding] of settings) {
    try {
      const value = readFileSync(`/proc/sys/${path}`, 'latin1').trim();
      if (value === forbidding) return ` (sysctl ${path.replaceAll('/', '.')} is ${value})`;
    } catch {
      // Not a setting of this kernel.
    }
  }
  return '';
}
