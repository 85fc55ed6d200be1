import type { Ip } from '../../../ip/ip.ts';
import { parseAttributes } from '../attributes.ts';
import { FieldTable } from '../fields.ts';
import type { OtherKind } from '../link-kind.ts';
import { ByteWriter } from '../wire.ts';

/** Options of an IPIP tunnel: IPv4 in IPv4, RFC 2003. */
export interface Ipip {
  /** Index of the interface that tunnelled packets leave by. */
  readonly link?: number;
  /** Source address of the tunnel. */
  readonly local?: Ip;
  /** The other end; none: that which a route names as its gateway. */
  readonly remote?: Ip;
  /** 0: inherit. */
  readonly ttl?: number;
  readonly tos?: number;
  /** Whether outer packets must not be fragmented. */
  readonly pmtuDiscovery?: boolean;
  readonly collectMetadata?: boolean;
}

/** IFLA_IPTUN_* of linux/if_tunnel.h, in the order in which `ip` sends them. */
const FIELDS: FieldTable<Ipip> = new FieldTable<Ipip>([
  ['collectMetadata', 19, 'flag'],
  ['link', 1, 'u32'],
  ['local', 2, 'ip4'],
  ['remote', 3, 'ip4'],
  ['pmtuDiscovery', 10, 'bool'],
  ['tos', 5, 'u8'],
  ['ttl', 4, 'u8'],
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
