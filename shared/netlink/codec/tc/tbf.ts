import type { Attribute } from '../attributes.ts';
import { DecodeError } from '../decode-error.ts';
import { u8, u16, u32, u64 } from '../read.ts';
import type { ByteWriter } from '../wire.ts';

/** struct tc_ratespec of linux/pkt_sched.h. */
export interface RateSpec {
  /** Bytes a second; the kernel's own answer is all ones where `rate64` holds the number. */
  readonly rate: number;
  readonly cellLog?: number;
  /** 0 unaware, 1 Ethernet, 2 ATM. */
  readonly linkLayer?: number;
  readonly overhead?: number;
  readonly cellAlign?: number;
  readonly mpu?: number;
}

/** A token bucket filter: holds packets back so that no more than `rate` goes out beyond a burst. */
export interface TbfQdisc {
  readonly kind: 'tbf';
  readonly rate: RateSpec;
  readonly peakRate?: RateSpec;
  /** Bytes that wait at most; more are dropped. */
  readonly limit: number;
  /** The burst as the time that it takes at `rate`, in ticks of 64 ns. */
  readonly buffer: number;
  /** As `buffer`, for `peakRate`. */
  readonly mtu?: number;
  /** Bytes a second, beyond 32 bits. */
  readonly rate64?: bigint;
  readonly unknown?: readonly Attribute[];
}

/** A tick is this many nanoseconds: PSCHED_SHIFT of net/pkt_sched.h is 6. */
export const NS_PER_TICK = 64;

/** TCA_TBF_PARMS and TCA_TBF_RATE64 of linux/pkt_sched.h. */
const TBF = { PARMS: 1, RATE64: 4 } as const;

/** Size of struct tc_tbf_qopt: two rates, limit u32, buffer u32, mtu u32. */
const PARMS_SIZE = 36;

/** Writes the content of TCA_OPTIONS. */
export function writeTbf(writer: ByteWriter, tbf: TbfQdisc): void {
  const start = writer.beginNest(TBF.PARMS);
  writeRate(writer, tbf.rate);
  writeRate(writer, tbf.peakRate ?? { rate: 0 });
  writer.u32(tbf.limit);
  writer.u32(tbf.buffer);
  writer.u32(tbf.mtu ?? 0);
  writer.endNest(start);
  if (tbf.rate64 !== undefined) writer.attrU64(TBF.RATE64, tbf.rate64);
  writer.attributes(tbf.unknown);
}

/** @throws DecodeError */
export function readTbf(attributes: readonly Attribute[]): TbfQdisc {
  let found: TbfQdisc | undefined;
  let rate64: bigint | undefined;
  const unknown: Attribute[] = [];
  for (const attribute of attributes) {
    const { type, payload } = attribute;
    if (type === TBF.PARMS) found = readParameters(payload);
    else if (type === TBF.RATE64) rate64 = u64(payload);
    else unknown.push(attribute);
  }
  if (found === undefined) throw new DecodeError('a token bucket filter without parameters');
  return {
    ...found,
    ...(rate64 === undefined ? {} : { rate64 }),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

function readParameters(bytes: Uint8Array): TbfQdisc {
  if (bytes.length < PARMS_SIZE) throw new DecodeError(`${bytes.length} bytes are too few for tc_tbf_qopt`);
  const peakRate = readRate(bytes, 12);
  const mtu = u32(bytes, 32);
  return {
    kind: 'tbf',
    rate: readRate(bytes, 0),
    ...(peakRate.rate === 0 ? {} : { peakRate }),
    limit: u32(bytes, 24),
    buffer: u32(bytes, 28),
    ...(mtu === 0 ? {} : { mtu }),
  };
}

/** cell_log u8, linklayer u8, overhead u16, cell_align s16, mpu u16, rate u32. */
function writeRate(writer: ByteWriter, spec: RateSpec): void {
  writer.u8(spec.cellLog ?? 0);
  writer.u8(spec.linkLayer ?? 0);
  writer.u16(spec.overhead ?? 0);
  writer.u16(spec.cellAlign ?? 0);
  writer.u16(spec.mpu ?? 0);
  writer.u32(spec.rate);
}

function readRate(bytes: Uint8Array, at: number): RateSpec {
  const [cellLog, linkLayer] = [u8(bytes, at), u8(bytes, at + 1)];
  const [overhead, cellAlign, mpu] = [u16(bytes, at + 2), u16(bytes, at + 4), u16(bytes, at + 6)];
  return {
    rate: u32(bytes, at + 8),
    ...(cellLog === 0 ? {} : { cellLog }),
    ...(linkLayer === 0 ? {} : { linkLayer }),
    ...(overhead === 0 ? {} : { overhead }),
    ...(cellAlign === 0 ? {} : { cellAlign }),
    ...(mpu === 0 ? {} : { mpu }),
  };
}
