import type { Ip } from '../../ip/ip.ts';
import type { Attribute } from './attributes.ts';

/** An entry of the forwarding table of a bridge or a VXLAN device. */
export interface FdbEntry {
  /** Index of the bridge port or the VXLAN device. */
  readonly index: number;
  readonly mac: Uint8Array;
  /** VXLAN: the remote tunnel end. */
  readonly destination?: Ip;
  /** VXLAN: its UDP port, if not the device's. */
  readonly port?: number;
  readonly vni?: number;
  /** VXLAN: index of the interface to the remote end. */
  readonly via?: number;
  readonly sourceVni?: number;
  readonly vlan?: number;
  /** Index of the bridge. */
  readonly master?: number;
  /** Bits of NUD. */
  readonly state: number;
  /** Bits of NTF: SELF is the device's own table, MASTER its bridge's. */
  readonly flags: number;
  readonly nextHopId?: number;
  readonly protocol?: number;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about an entry. Left out: flags self, state permanent. */
export type FdbSpec = Pick<FdbEntry, 'index' | 'mac'> & Partial<FdbEntry>;

export function encodeFdb(spec: FdbSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeFdb(bytes: Uint8Array): FdbEntry {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}
