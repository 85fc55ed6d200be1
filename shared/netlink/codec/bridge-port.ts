import type { Attribute } from './attributes.ts';

/** Options of an interface as a port of a bridge. */
export interface BridgePort {
  /** Spanning tree: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  readonly state?: number;
  readonly priority?: number;
  readonly cost?: number;
  /** Frames may leave by the port they came in. */
  readonly hairpin?: boolean;
  readonly bpduGuard?: boolean;
  readonly rootBlock?: boolean;
  readonly fastLeave?: boolean;
  readonly learning?: boolean;
  /** Flood unicast frames of unknown destination. */
  readonly unicastFlood?: boolean;
  readonly multicastFlood?: boolean;
  readonly broadcastFlood?: boolean;
  readonly multicastToUnicast?: boolean;
  readonly proxyArp?: boolean;
  readonly proxyArpWifi?: boolean;
  readonly vlanTunnel?: boolean;
  readonly groupForwardMask?: number;
  readonly neighbourSuppress?: boolean;
  /** Isolated ports talk only to ports that are not. */
  readonly isolated?: boolean;
  readonly unknown?: readonly Attribute[];
}
