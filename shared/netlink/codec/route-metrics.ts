import { type Attribute, parseAttributes } from './attributes.ts';
import { FieldTable } from './fields.ts';
import type { ByteWriter } from './wire.ts';

/** Metrics of a route; sizes in bytes. */
export interface RouteMetrics {
  readonly mtu?: number;
  readonly advmss?: number;
  readonly window?: number;
  readonly rtt?: number;
  readonly rttVar?: number;
  readonly ssthresh?: number;
  readonly cwnd?: number;
  readonly reordering?: number;
  readonly hoplimit?: number;
  readonly initcwnd?: number;
  readonly initrwnd?: number;
  /** Bits of RTAX_FEATURE. */
  readonly features?: number;
  readonly rtoMin?: number;
  readonly quickAck?: number;
  /** Bit mask: metrics that the kernel may not change. */
  readonly lock?: number;
  readonly unknown?: readonly Attribute[];
}

/** Attributes RTAX_* of linux/rtnetlink.h. */
const FIELDS: FieldTable<RouteMetrics> = new FieldTable<RouteMetrics>([
  ['lock', 1, 'u32'],
  ['mtu', 2, 'u32'],
  ['window', 3, 'u32'],
  ['rtt', 4, 'u32'],
  ['rttVar', 5, 'u32'],
  ['ssthresh', 6, 'u32'],
  ['cwnd', 7, 'u32'],
  ['advmss', 8, 'u32'],
  ['reordering', 9, 'u32'],
  ['hoplimit', 10, 'u32'],
  ['initcwnd', 11, 'u32'],
  ['features', 12, 'u32'],
  ['rtoMin', 13, 'u32'],
  ['initrwnd', 14, 'u32'],
  ['quickAck', 15, 'u32'],
]);

/** Writes the content of RTA_METRICS. */
export function writeMetrics(writer: ByteWriter, metrics: RouteMetrics): void {
  FIELDS.write(writer, metrics);
  writer.attributes(metrics.unknown);
}

/** @throws DecodeError */
export function readMetrics(bytes: Uint8Array): RouteMetrics {
  const metrics = {};
  const unknown = parseAttributes(bytes).filter(
    (attribute) => !FIELDS.read(attribute.type, attribute.payload, metrics),
  );
  return unknown.length === 0 ? metrics : { ...metrics, unknown };
}
