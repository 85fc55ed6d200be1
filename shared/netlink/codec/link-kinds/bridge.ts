import type { Attribute } from '../attributes.ts';

/** A bridge. Times are in hundredths of a second (USER_HZ), as the kernel counts them. */
export interface BridgeKind {
  readonly kind: 'bridge';
  readonly forwardDelay?: number;
  readonly helloTime?: number;
  readonly maxAge?: number;
  readonly ageingTime?: number;
  /** 0 off, 1 kernel, 2 user space. */
  readonly stpState?: number;
  readonly priority?: number;
  readonly vlanFiltering?: boolean;
  /** Ethertype: 0x8100 or 0x88a8. */
  readonly vlanProtocol?: number;
  readonly vlanDefaultPvid?: number;
  readonly vlanStatsEnabled?: boolean;
  readonly groupForwardMask?: number;
  /** 0 off, 1 as queried, 2 always. */
  readonly multicastRouter?: number;
  readonly multicastSnooping?: boolean;
  readonly multicastQuerier?: boolean;
  readonly multicastHashMax?: number;
  readonly callIptables?: boolean;
  readonly callIp6tables?: boolean;
  readonly callArptables?: boolean;
  readonly unknown?: readonly Attribute[];
}
