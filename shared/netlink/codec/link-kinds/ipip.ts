import type { Ip } from '../../../ip/ip.ts';
import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** Options of an IPIP tunnel: IPv4 in IPv4, RFC 2003. */
export interface Ipip {
  /** Protocol inside: 4 for IPv4, 0 for any. */
  readonly protocol?: number;
  /** Source address of the tunnel. */
  readonly local?: Ip;
  /** The other end; 0.0.0.0 or none: that which a route names as its gateway. */
  readonly remote?: Ip;
  /** Whether outer packets must not be fragmented. */
  readonly pmtuDiscovery?: boolean;
  readonly tos?: number;
  /** 0: inherit. */
  readonly ttl?: number;
  /** Index of the interface that tunnelled packets leave by. */
  readonly link?: number;
  readonly firewallMark?: number;
  /** Foo-over-UDP: 0 none, 1 FOU, 2 GUE; its flags and UDP ports. */
  readonly encapsulation?: number;
  readonly encapsulationFlags?: number;
  readonly encapsulationSource?: number;
  readonly encapsulationDestination?: number;
  readonly collectMetadata?: boolean;
}

/** IFLA_IPTUN_* of linux/if_tunnel.h, in the order in which `ip` sends them. */
const FIELDS: FieldTable<Ipip> = new FieldTable<Ipip>([
  ['protocol', 9, 'u8'],
  ['collectMetadata', 19, 'flag'],
  ['local', 2, 'ip4'],
  ['remote', 3, 'ip4'],
  ['pmtuDiscovery', 10, 'bool'],
  ['tos', 5, 'u8'],
  ['ttl', 4, 'u8'],
  ['link', 1, 'u32'],
  ['firewallMark', 20, 'u32'],
  ['encapsulation', 15, 'u16'],
  ['encapsulationFlags', 16, 'u16'],
  ['encapsulationSource', 17, 'u16be'],
  ['encapsulationDestination', 18, 'u16be'],
]);

/** A kind for a link request. Not one of the codec's own, so that only who makes such links loads it. */
export function ipip(options: Ipip): OtherKind {
  const writer = new ByteWriter(64);
  FIELDS.write(writer, options);
  return { kind: 'other', name: 'ipip', data: writer.toBytes() };
}

/** Reads what the kernel tells of one. @throws DecodeError */
export function readIpip(data: Uint8Array): Ipip {
  const options = {};
  for (const { type, payload } of parseAttributes(data)) FIELDS.read(type, payload, options);
  return options;
}
