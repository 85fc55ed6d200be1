/** Options that a StorageClass may have volumes mounted with. Pure. */

/**
 * Those that are about one mount, and those of the file systems that cannot do harm to others: nothing that makes a mount go
 * wrong silently, shows another device, or has the kernel panic (mount(8); ext4(5), xfs(5), btrfs(5)).
 */
const PLAIN: ReadonlySet<string> = new Set([
  ...['defaults', 'ro', 'rw', 'atime', 'noatime', 'relatime', 'norelatime', 'strictatime', 'nostrictatime'],
  ...['diratime', 'nodiratime', 'lazytime', 'nolazytime', 'dev', 'nodev', 'exec', 'noexec', 'suid', 'nosuid'],
  ...['sync', 'async', 'dirsync', 'iversion', 'noiversion', 'mand', 'nomand'],
  ...['acl', 'noacl', 'user_xattr', 'nouser_xattr', 'barrier', 'nodelalloc', 'delalloc', 'auto_da_alloc'],
  ...[
    'noauto_da_alloc',
    'journal_checksum',
    'i_version',
    'dioread_nolock',
    'dioread_lock',
    'largeio',
    'nolargeio',
  ],
  ...[
    'inode64',
    'swalloc',
    'attr2',
    'datacow',
    'nodatacow',
    'datasum',
    'nodatasum',
    'ssd',
    'nossd',
    'autodefrag',
  ],
  ...['noautodefrag', 'compress', 'compress-force', 'nodiscard'],
]);

/** With a value. */
const VALUED: readonly RegExp[] = [
  /^commit=\d{1,5}$/,
  /^data=(journal|ordered|writeback)$/,
  /^errors=(continue|remount-ro)$/,
  /^(logbufs|logbsize|allocsize|stripe|max_inline)=\d{1,9}[kmgKMG]?$/,
  /^compress(-force)?=(zlib|lzo|zstd|no)(:\d{1,2})?$/,
];

/** Why they are not accepted; undefined: they are. */
export function mountFlagProblem(flags: readonly string[]): string | undefined {
  for (const flag of flags) {
    // The flag itself may be secret.
    if (flag === '') return 'a mount option is empty';
    const each = flag.split(',');
    const wrong = each.find((one) => !PLAIN.has(one) && !VALUED.some((pattern) => pattern.test(one)));
    if (wrong === undefined) continue;
    if (/^discard/.test(wrong))
      return 'mount option discard is not accepted: it would give room back to the pool that was promised to the volume';
    return `mount option "${wrong.split('=', 1)[0]}" is not accepted for local volumes`;
  }
  return undefined;
}

/** One option each. */
export function splitFlags(flags: readonly string[]): readonly string[] {
  return flags.flatMap((flag) => flag.split(',')).filter((flag) => flag !== '' && flag !== 'defaults');
}
