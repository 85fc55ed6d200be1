import type { Cidr } from '../ip/cidr.ts';
import type { Ip } from '../ip/ip.ts';

/** The pod network of one IP family. All addresses are checked: aligned, inside `network`, min ≤ max. */
export interface FamilyConf {
  /** Host bits are zero. */
  readonly network: Cidr;
  /** Prefix length of a node's subnet. */
  readonly subnetLen: number;
  /** Network address of the first subnet that may be given out. */
  readonly subnetMin: Ip;
  /** Network address of the last subnet that may be given out. */
  readonly subnetMax: Ip;
}

/** flannel's net-conf.json, checked and with its defaults filled in. At least one family is there. */
export interface NetConf {
  readonly ipv4?: FamilyConf;
  readonly ipv6?: FamilyConf;
  readonly enableNFTables: boolean;
  readonly backend: BackendConf;
}

export interface BackendConf {
  /** `vxlan` unless the file says otherwise. */
  readonly type: string;
  /** The other keys of `Backend`, as they came: each backend checks its own. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** net-conf.json is not usable; the message names the key and says what to write instead. */
export class NetConfError extends Error {
  override readonly name = 'NetConfError';
}

/**
 * Parses and checks the text of a net-conf.json.
 *
 * @throws NetConfError
 */
export function parseNetConf(_text: string): NetConf {
  throw new NetConfError('not built yet');
}
