import type { Nftables } from '../nftables.ts';

/** Gives an empty packet filter: called once at the start of every test. */
export type Subject = () => Nftables;

/** What `action` throws. */
export function failure(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure');
}

/** Objects without what the kernel gave them. */
export function withoutHandle<T extends { readonly handle?: bigint }>(
  objects: readonly T[],
): Omit<T, 'handle'>[] {
  return objects.map(({ handle: _, ...rest }) => rest);
}
