/**
 * What the packet's priority carries from the rule that looks a frontend up to the one that acts on it: the kind of
 * treatment and a number, of endpoints or of an affinity chain. Pure.
 *
 * nft prints such a value as a class: `7503:0002` is two endpoints, always masqueraded.
 */

/** `u`: values that begin with another byte are somebody else's. */
const OURS = 0x75;

export type Kind = 'never' | 'from-outside' | 'always' | 'by-source' | 'local';

const CODES: Readonly<Record<Kind, number>> = {
  never: 1,
  'from-outside': 2,
  always: 3,
  'by-source': 4,
  local: 5,
};

/** The slots are those of a node port, in maps without address. */
const NODE_PORT = 0x10;
/** The number is that of a service port's affinity chains. */
const AFFINITY = 0x20;
/** With affinity: only endpoints of this node. */
const HERE = 0x40;

/** The greatest number: sixteen bits of the value are left for it. */
export const MOST = 0xffff;

export interface Value {
  readonly kind: Kind;
  /** How many endpoints to choose from; the affinity chains' number with `affinity`. */
  readonly number: number;
  readonly nodePort?: boolean;
  readonly affinity?: 'everywhere' | 'here';
}

export function encodeValue({ kind, number, nodePort, affinity }: Value): number {
  const flags = (nodePort ? NODE_PORT : 0) | (affinity ? AFFINITY : 0) | (affinity === 'here' ? HERE : 0);
  return ((OURS << 24) | ((CODES[kind] | flags) << 16) | number) >>> 0;
}

/** @returns undefined for a number that `encodeValue` does not give */
export function decodeValue(value: number): Value | undefined {
  const code = (value >>> 16) & 0xff;
  const kind = (Object.keys(CODES) as Kind[]).find((name) => CODES[name] === (code & 0x0f));
  if (value >>> 24 !== OURS || kind === undefined || (code & 0x80) !== 0) return undefined;
  const affinity = (code & AFFINITY) === 0 ? undefined : (code & HERE) === 0 ? 'everywhere' : 'here';
  if (affinity === undefined && (code & HERE) !== 0) return undefined;
  return {
    kind,
    number: value & MOST,
    ...((code & NODE_PORT) === 0 ? {} : { nodePort: true }),
    ...(affinity === undefined ? {} : { affinity }),
  };
}
