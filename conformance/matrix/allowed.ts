/** Where our answers differ from upstream's on purpose. Pure. */

import type { Difference } from './compare.ts';

/** A difference that may, and must, be there. */
export interface Allowed {
  /** Types; all unless given. */
  readonly types?: readonly string[];
  /** Of the case's name; any unless given. */
  readonly name?: RegExp;
  readonly version?: RegExp;
  /** Of step and field. */
  readonly path: RegExp;
  /** Both values, `ours | theirs`; any unless given. */
  readonly values?: RegExp;
  /** The section of the specification, or what upstream does, that makes it right. */
  readonly reason: string;
}

export const allowed: readonly Allowed[] = [];

/** True if an entry is about a difference. */
export function covers(entry: Allowed, { type, name, version, path, ours, theirs }: Difference): boolean {
  return (
    (entry.types?.includes(type) ?? true) &&
    (entry.name?.test(name) ?? true) &&
    (entry.version?.test(version) ?? true) &&
    entry.path.test(path) &&
    (entry.values?.test(`${ours} | ${theirs}`) ?? true)
  );
}
