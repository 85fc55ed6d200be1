/** Two outcomes held against each other, field by field. Pure. */

import type { Json } from '../cni/fresh-node.ts';

/** One field in which the sides differ. */
export interface Difference {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  /** Step and field: `ADD.result.ips.0.address`. */
  readonly path: string;
  readonly ours: string;
  readonly theirs: string;
}

/** MAC addresses that cases ask for begin so, and are compared; what is made up anew at every call is hidden. */
const askedFor = '02:42:00:00:00:';

/** Hides names and addresses that are made up. */
export function normalise(value: unknown): unknown {
  const text = JSON.stringify(value ?? null)
    .replace(/veth[0-9a-f]{8}/g, 'VETH')
    .replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, (mac) => (mac.startsWith(askedFor) ? mac : 'MAC'));
  return JSON.parse(text) as unknown;
}

/** The leaves of a value by their path. What is empty is absent: the specification's lists and dns are optional. */
export function leaves(value: unknown, path: string = ''): Map<string, string> {
  const found = new Map<string, string>();
  if (value === null || value === undefined) return found;
  if (typeof value !== 'object') return found.set(path, JSON.stringify(value));
  for (const [key, one] of Object.entries(value)) {
    for (const [inner, leaf] of leaves(one, path === '' ? key : `${path}.${key}`)) found.set(inner, leaf);
  }
  return found;
}

/** Fields that are not the same on both sides; `-` stands for what is absent. */
export function differences(
  of: { readonly type: string; readonly name: string; readonly version: string },
  ours: Json,
  theirs: Json,
): Difference[] {
  const [left, right] = [leaves(ours), leaves(theirs)];
  const paths = new Set([...left.keys(), ...right.keys()]);
  return [...paths]
    .filter((path) => left.get(path) !== right.get(path))
    .map((path) => ({ ...of, path, ours: left.get(path) ?? '-', theirs: right.get(path) ?? '-' }));
}
