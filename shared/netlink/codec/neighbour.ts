import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';

/** States, linux/neighbour.h. */
export const NUD = {
  NONE: 0x00,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;
/** Flags, linux/neighbour.h. */
export const NTF = {
  USE: 0x01,
  SELF: 0x02,
  MASTER: 0x04,
  PROXY: 0x08,
  EXT_LEARNED: 0x10,
  OFFLOADED: 0x20,
  STICKY: 0x40,
  ROUTER: 0x80,
} as const;

/** An entry of the ARP or IPv6 neighbour table. */
export interface Neighbour {
  /** Index of the interface. */
  readonly index: number;
  readonly ip: Ip;
  readonly mac?: Uint8Array;
  /** Bits of NUD. */
  readonly state: number;
  /** Bits of NTF. */
  readonly flags: number;
  /** RTN_* of the address. */
  readonly type: number;
  readonly probes?: number;
  readonly protocol?: number;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about a neighbour. Left out: state permanent. */
export type NeighbourSpec = Pick<Neighbour, 'index' | 'ip'> & Partial<Neighbour>;

export function encodeNeighbour(spec: NeighbourSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeNeighbour(bytes: Uint8Array): Neighbour {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}

export function encodeNeighbourFilter(
  family: number,
  filter: { readonly index?: number; readonly master?: number },
): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys({ family, filter }))}`);
}
