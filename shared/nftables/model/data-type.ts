/**
 * A type of nft's type system. The kernel only stores `id`; nft prints elements by it, so it decides whether
 * `nft list ruleset` shows an address or a number.
 */
export interface DataType {
  readonly name: string;
  /** Number of libnftables' datatypes (src/datatype.h of nftables 1.0.6: an ABI, kept in the kernel's memory). */
  readonly id: number;
  /** Bytes. */
  readonly size: number;
  readonly byteOrder: 'host' | 'network';
}

export const ipv4Addr: DataType = { name: 'ipv4_addr', id: 7, size: 4, byteOrder: 'network' };
export const ipv6Addr: DataType = { name: 'ipv6_addr', id: 8, size: 16, byteOrder: 'network' };
export const etherAddr: DataType = { name: 'ether_addr', id: 9, size: 6, byteOrder: 'network' };
export const inetProto: DataType = { name: 'inet_proto', id: 12, size: 1, byteOrder: 'network' };
export const inetService: DataType = { name: 'inet_service', id: 13, size: 2, byteOrder: 'network' };
/** A plain 32-bit number, such as `numgen` gives. nft takes it in `typeof` declarations only (build/typeof.ts). */
export const integer: DataType = { name: 'integer', id: 4, size: 4, byteOrder: 'host' };
export const mark: DataType = { name: 'mark', id: 19, size: 4, byteOrder: 'host' };
/** What queueing disciplines sort by: `meta priority`, printed as `7503:0002`. */
export const classid: DataType = { name: 'classid', id: 23, size: 4, byteOrder: 'host' };
export const ifname: DataType = { name: 'ifname', id: 41, size: 16, byteOrder: 'host' };

/** The types that have a name here. Sets of other programs may have more; those are listed as `type-<id>`. */
export const DATA_TYPES: readonly DataType[] = [
  ipv4Addr,
  ipv6Addr,
  etherAddr,
  inetProto,
  inetService,
  integer,
  mark,
  classid,
  ifname,
];
