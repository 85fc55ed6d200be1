/** What volumes and snapshots are called on the disk. Pure. */

/** A name that is a directory's as it is, on any file system, and means nothing to a shell: `pvc-6b2f…`; inline ones have 68 characters. */
const PLAIN = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){0,127}$/;
/** What names that are none become. */
const HASHED = /^x-[0-9a-f]{40}$/;

/**
 * The id of what has that name: the name itself, where it can be a directory's, else `x-` and its hash. So the same name always
 * means the same volume, without a list of names that could be lost.
 */
export function idOf(name: string): string {
  if (PLAIN.test(name) && !HASHED.test(name)) return name;
  return `x-${new Bun.CryptoHasher('sha256').update(name).digest('hex').slice(0, 40)}`;
}

/** True for what `idOf` may have made: nothing else is ever part of a path. */
export function isId(text: string): boolean {
  return PLAIN.test(text);
}
