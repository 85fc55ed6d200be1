import { type Attribute, parseAttributes } from './attributes.ts';
import { FieldTable } from './fields.ts';
import type { ByteWriter } from './wire.ts';

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

/** Attributes IFLA_BRPORT_* of linux/if_link.h, in the order in which `ip` and `bridge` send them. */
const FIELDS: FieldTable<BridgePort> = new FieldTable<BridgePort>([
  ['hairpin', 4, 'bool'],
  ['bpduGuard', 5, 'bool'],
  ['rootBlock', 6, 'bool'],
  ['fastLeave', 7, 'bool'],
  ['neighbourSuppress', 32, 'bool'],
  ['isolated', 33, 'bool'],
  ['learning', 8, 'bool'],
  ['unicastFlood', 9, 'bool'],
  ['multicastFlood', 27, 'bool'],
  ['broadcastFlood', 30, 'bool'],
  ['multicastToUnicast', 28, 'bool'],
  ['proxyArp', 10, 'bool'],
  ['proxyArpWifi', 11, 'bool'],
  ['vlanTunnel', 29, 'bool'],
  ['cost', 3, 'u32'],
  ['priority', 2, 'u16'],
  ['state', 1, 'u8'],
  ['groupForwardMask', 31, 'u16'],
]);

/** Writes the options, the content of IFLA_PROTINFO and of IFLA_INFO_SLAVE_DATA. */
export function writeBridgePort(writer: ByteWriter, port: BridgePort): void {
  FIELDS.write(writer, port);
  writer.attributes(port.unknown);
}

/** @throws DecodeError */
export function readBridgePort(bytes: Uint8Array): BridgePort {
  const port = {};
  const unknown = parseAttributes(bytes).filter(
    (attribute) => !FIELDS.read(attribute.type, attribute.payload, port),
  );
  return unknown.length === 0 ? port : { ...port, unknown };
}
