/** The text of /proc/PID/mountinfo, proc_pid_mountinfo(5). Pure. */

/** One mount. */
export interface MountEntry {
  readonly id: number;
  /** Of the mount that it is mounted on. */
  readonly parent: number;
  /** Of the files on it, `8:1`; made up where there is no device, and for every btrfs subvolume. */
  readonly device: string;
  /** Which directory of its file system is mounted: `/` but for bind mounts. */
  readonly root: string;
  readonly target: string;
  /** Of this mount: `ro`, `nosuid`. */
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, `propagate_from:3`, `unbindable`; none: private. */
  readonly propagation: readonly string[];
  readonly fsType: string;
  /** What was mounted: `/dev/loop3`, `tmpfs`. */
  readonly source: string;
  /** Of the file system, whichever mount: `rw`, `prjquota`. */
  readonly superOptions: readonly string[];
}

/** All mounts, in the kernel's order; lines that are none are left out. */
export function parseMountInfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const entry = parseLine(line);
    return entry ? [entry] : [];
  });
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  // Six fields, optional ones, `-`, and three more. No field of the first six can be a hyphen alone but paths are absolute.
  const separator = fields.indexOf('-', 6);
  const [id, parent, device, root, target, options] = fields;
  if (separator < 0 || device === undefined || root === undefined || target === undefined || !options)
    return undefined;
  const [fsType = '', source = '', superOptions = ''] = fields.slice(separator + 1);
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(','),
    propagation: fields.slice(6, separator),
    fsType: unescapeOctal(fsType),
    source: unescapeOctal(source),
    superOptions: superOptions.split(',').map(unescapeOctal),
  };
}

/** `a\040b` → `a b`: the kernel writes blanks, newlines, backslashes and `#` so (fs/seq_file.c, mangle). */
export function unescapeOctal(text: string): string {
  return text.includes('\\')
    ? text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text;
}

/** The mount that is seen at a path, which is its mount point exactly: of several on each other the last. */
export function mountAt(mounts: readonly MountEntry[], target: string): MountEntry | undefined {
  return mounts.findLast((mount) => mount.target === target);
}

/** The mount that a path is on: the one at it or at the nearest directory above. @param path absolute, without links */
export function mountOf(mounts: readonly MountEntry[], path: string): MountEntry | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(1, at.lastIndexOf('/')))) {
    const found = mountAt(mounts, at === '' ? '/' : at);
    if (found || at === '/' || at === '') return found;
  }
}
