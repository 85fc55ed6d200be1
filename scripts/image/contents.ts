/** What is in the image, beside the executable. Pure. */

/** Packages of Debian with what is executed from each. Later programs add theirs here. */
export const PACKAGES: readonly { readonly name: string; readonly reason: string }[] = [
  {
    name: 'iptables',
    reason: 'the agent with --rules=iptables, and what it finds in FORWARD chains of others',
  },
  { name: 'e2fsprogs', reason: 'volumes with ext4: made, checked, grown' },
  { name: 'xfsprogs', reason: 'volumes with XFS' },
  { name: 'btrfs-progs', reason: 'volumes with btrfs, and pools of it' },
  { name: 'libc6', reason: 'the executable itself' },
  { name: 'base-files', reason: 'os-release, by which scanners know whose packages these are' },
];

/** Needed to install the packages above, which is not what happens here. */
export const LEFT_OUT: ReadonlySet<string> = new Set(['mawk']);

/** Of which release the packages are, wherever the image is built. */
export const RELEASE = 'bookworm';

/** Where the executable is: flannel's manifests name its programs in this directory. */
export const EXECUTABLE = 'opt/bin/underpod';

/**
 * Names under which the executable is found. With them flannel's own manifest works with the image exchanged: its
 * DaemonSet runs /opt/bin/flanneld; its init containers copy /flannel and a conflist, by `cp` or by install-conf.
 */
export const LINKS: Readonly<Record<string, string>> = {
  'opt/bin/flanneld': 'underpod',
  'opt/bin/install-conf': 'underpod',
  'usr/bin/cp': `/${EXECUTABLE}`,
  flannel: EXECUTABLE,
  'usr/bin/underpod': `/${EXECUTABLE}`,
  // What kubeadm's DaemonSet of kube-proxy runs.
  'usr/local/bin/kube-proxy': `/${EXECUTABLE}`,
};

/**
 * What `iptables` and its like are without a variant: on a node's own system the alternatives of Debian say so, here
 * nobody does. The agent calls programs by their variant wherever it knows that.
 */
export const ALTERNATIVES: Readonly<Record<string, string>> = Object.fromEntries(
  ['iptables', 'ip6tables'].flatMap((name) =>
    ['', '-save', '-restore'].map((part) => [`usr/sbin/${name}${part}`, `${name}-nft${part}`]),
  ),
);

/** Directories that must be there to be mounted over, or that programs take for granted. */
export const DIRECTORIES: readonly string[] = [
  'etc',
  'opt',
  'opt/bin',
  'proc',
  'run',
  'sys',
  'tmp',
  'usr/local',
  'usr/local/bin',
  'var',
  'var/lib',
];

/** Where packages of before the merged /usr still put files, and where these are today. */
export const MERGED: Readonly<Record<string, string>> = {
  bin: 'usr/bin',
  sbin: 'usr/sbin',
  lib: 'usr/lib',
  lib64: 'usr/lib64',
};

/** Of base-files only what names the release. */
const OF_BASE_FILES = /^(etc\/os-release|usr\/lib\/os-release|usr\/share\/doc\/base-files\/copyright)$/;

/** Licences stay; other documentation, translations and conversions between character sets do not. */
const UNUSED = [
  /^usr\/share\/(?!doc\/[^/]+\/copyright$)/,
  /^usr\/lib\/[^/]+\/(gconv|audit)\//,
  /^(etc\/ld\.so\.conf|usr\/share\/lintian)/,
  // Written in Perl and Python, neither of which is here.
  /^usr\/(sbin\/iptables-apply|sbin\/ip6tables-apply|bin\/(ldd|tzselect|catchsegv|mtrace|sotruss|xtrace))$/,
];

/** True for a file of a package that the image keeps. */
export function isKept(packageName: string, path: string): boolean {
  return packageName === 'base-files'
    ? OF_BASE_FILES.test(path)
    : !UNUSED.some((pattern) => pattern.test(path));
}

/** The path in a system with a merged /usr. */
export function mergedPath(path: string): string {
  const [top = '', ...rest] = path.split('/');
  return Object.hasOwn(MERGED, top) ? [MERGED[top], ...rest].join('/') : path;
}
