/** The packet that is asked about: the first one of a peer's tunnel, as it arrives at this node. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';

export interface Packet {
  readonly from: Ip;
  readonly to: Ip;
  /** Name of the interface that it arrives at. */
  readonly device: string;
  /** IP protocol number: 17 UDP, 4 IP-in-IP (IANA, protocol numbers). */
  readonly protocol: number;
  /** UDP destination port. */
  readonly port?: number;
}
