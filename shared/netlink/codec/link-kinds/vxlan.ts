import type { Ip } from '../../../ip/ip.ts';
import type { Attribute } from '../attributes.ts';

/** A VXLAN device. */
export interface VxlanKind {
  readonly kind: 'vxlan';
  /** The VNI, 24 bits. */
  readonly id?: number;
  /** Multicast group or default remote; IPv4 or IPv6. */
  readonly group?: Ip;
  /** Source address of the tunnel; IPv4 or IPv6. */
  readonly local?: Ip;
  /** Index of the underlay device. */
  readonly link?: number;
  /** UDP port. */
  readonly port?: number;
  readonly portRange?: { readonly low: number; readonly high: number };
  readonly learning?: boolean;
  /** 0: inherit. */
  readonly ttl?: number;
  readonly tos?: number;
  /** Seconds. */
  readonly ageing?: number;
  readonly limit?: number;
  readonly proxy?: boolean;
  readonly rsc?: boolean;
  readonly l2miss?: boolean;
  readonly l3miss?: boolean;
  readonly udpChecksum?: boolean;
  readonly udpZeroChecksum6Tx?: boolean;
  readonly udpZeroChecksum6Rx?: boolean;
  readonly collectMetadata?: boolean;
  /** IPv6 flow label. */
  readonly flowLabel?: number;
  /** Group-based policy; can be set at creation only. */
  readonly gbp?: boolean;
  readonly gpe?: boolean;
  readonly ttlInherit?: boolean;
  /** Don't fragment: 0 unset, 1 set, 2 inherit. */
  readonly df?: number;
  readonly unknown?: readonly Attribute[];
}
