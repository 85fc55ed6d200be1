/** Versions of a whole store, as lists and watches exchange them. Pure. */

/**
 * A sequence number and the epoch in which it counts. The epoch changes whenever the past of a store is replaced
 * (restored, rebuilt): an old sequence number would then name something else.
 */
export interface StoreVersion {
  readonly sequence: number;
  /** `undefined` for an object's bare resourceVersion: whatever epoch the store is in. */
  readonly epoch?: string;
}

/** The opaque form. */
export function formatVersion(sequence: number, epoch: string): string {
  return `${sequence}-${epoch}`;
}

/** Reads the opaque form or a bare resourceVersion; `undefined` for anything else. */
export function parseVersion(text: string): StoreVersion | undefined {
  const match = /^(\d{1,15})(?:-([0-9a-z]+))?$/.exec(text);
  if (match === null) return undefined;
  return { sequence: Number(match[1]), ...(match[2] !== undefined && { epoch: match[2] }) };
}
