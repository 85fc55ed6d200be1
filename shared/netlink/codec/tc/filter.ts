import { type Attribute, parseAttributes } from '../attributes.ts';
import { text, u16be, u32 } from '../read.ts';
import { type ByteWriter, encoded } from '../wire.ts';
import { TCA, TCMSG_SIZE, writeTcmsg } from './tcmsg.ts';
import { readU32, type U32Filter, writeU32 } from './u32.ts';

/** A kind without a codec of its own; its options are kept as bytes. */
export interface OtherFilter {
  readonly kind: 'other';
  /** TCA_KIND: 'flower'. */
  readonly name: string;
  /** The content of TCA_OPTIONS. */
  readonly data?: Uint8Array;
}

export type FilterKind = U32Filter | OtherFilter;

/** A filter of a queueing discipline. */
export interface Filter {
  /** Index of the interface. */
  readonly index: number;
  readonly handle: number;
  /** Handle of the queueing discipline, see `tcHandle`. */
  readonly parent: number;
  /** Lower numbers look first. */
  readonly priority: number;
  /** Ethertype of the packets: ETH_P_ALL for all. */
  readonly protocol: number;
  readonly options: FilterKind;
  readonly unknown?: readonly Attribute[];
}

/** linux/if_ether.h. */
export const ETH_P_ALL = 0x0003;

/** The payload of RTM_NEWTFILTER. */
export function encodeFilter(filter: Filter): Uint8Array {
  return encoded(writeFilter, filter);
}

function writeFilter(writer: ByteWriter, filter: Filter): void {
  const { protocol, options } = filter;
  // TC_H_MAKE(priority << 16, htons(protocol)), linux/pkt_sched.h.
  const swapped = ((protocol & 0xff) << 8) | (protocol >>> 8);
  writeTcmsg(writer, filter.index, filter.handle, filter.parent, ((filter.priority << 16) | swapped) >>> 0);
  writer.attrString(TCA.KIND, options.kind === 'other' ? options.name : options.kind);
  if (options.kind === 'u32') {
    const start = writer.beginNest(TCA.OPTIONS);
    writeU32(writer, options);
    writer.endNest(start);
  } else if (options.data !== undefined) writer.attr(TCA.OPTIONS, options.data);
  writer.attributes(filter.unknown);
}

/** The payload of an RTM_GETTFILTER that lists the filters of a queueing discipline. */
export function encodeFilterKey(key: Pick<Filter, 'index' | 'parent'>): Uint8Array {
  return encoded((writer) => writeTcmsg(writer, key.index, 0, key.parent, 0), undefined);
}

/** The payload of an RTM_NEWTFILTER of the kernel. @throws DecodeError */
export function decodeFilter(bytes: Uint8Array): Filter {
  let kind = '';
  let data: Uint8Array | undefined;
  const unknown: Attribute[] = [];
  for (const attribute of parseAttributes(bytes, TCMSG_SIZE)) {
    if (attribute.type === TCA.KIND) kind = text(attribute.payload);
    else if (attribute.type === TCA.OPTIONS) data = attribute.payload;
    else unknown.push(attribute);
  }
  const options: FilterKind =
    kind === 'u32'
      ? readU32(data === undefined ? [] : parseAttributes(data))
      : { kind: 'other', name: kind, ...(data === undefined ? {} : { data }) };
  return {
    index: u32(bytes, 4),
    handle: u32(bytes, 8),
    parent: u32(bytes, 12),
    priority: u32(bytes, 16) >>> 16,
    protocol: u16be(bytes, 16),
    options,
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}
