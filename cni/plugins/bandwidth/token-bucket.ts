/** A limit as the kernel's token bucket filter takes it, with upstream's numbers. Pure. */

import type { TbfQdisc } from '../../../shared/netlink/codec/tc/tbf.ts';
import { NS_PER_TICK } from '../../../shared/netlink/codec/tc/tbf.ts';
import type { Limit } from './config.ts';

/** Microseconds that a packet waits at most, as upstream has it; what would wait longer is dropped. */
const latencyUs = 25_000;

const usPerSecond = 1_000_000;

const maxU32 = 0xffff_ffff;

/** A jumbo frame: what is larger than the bucket is dropped (what offloading joined is split before). */
const largestFrame = 9_014;

/** How a number that is too large for 32 bits is made to fit. */
type ToU32 = (value: number) => number;

const saturate: ToU32 = (value) => Math.min(Math.floor(value), maxU32);

const wrap: ToU32 = (value) => Math.floor(value) >>> 0;

/**
 * The queueing discipline for a limit.
 *
 * A burst of more than 275 s does not fit into the kernel's 32 bits, and runtimes that mean "any burst" give 4 Gbit, so
 * that is common. Upstream converts it as its machine does: on amd64 it wraps around, on arm64 it saturates. So do we,
 * for upstream's CHECK to agree; but where what is left after wrapping could not hold a packet, the pod would be cut
 * off, and it saturates.
 */
export function tokenBucket(limit: Limit, arch: string): TbfQdisc {
  const [wrapped, saturated] = [compute(limit, wrap), compute(limit, saturate)];
  if (arch === 'arm64') return saturated;
  return bytesIn(wrapped, limit) < Math.min(bytesIn(saturated, limit), largestFrame) ? saturated : wrapped;
}

/** Whether the kernel's answer is what ADD asked for, ours or upstream's, on either machine. */
export function isTokenBucket(seen: TbfQdisc, limit: Limit): boolean {
  return isSame(seen, compute(limit, saturate)) || isSame(seen, compute(limit, wrap));
}

/** Bytes that the bucket holds. */
function bytesIn({ buffer }: TbfQdisc, { rate }: Limit): number {
  return (buffer * NS_PER_TICK * Math.floor(rate / 8)) / 1e9;
}

function isSame(seen: TbfQdisc, wanted: TbfQdisc): boolean {
  return rateOf(seen) === rateOf(wanted) && seen.limit === wanted.limit && seen.buffer === wanted.buffer;
}

function rateOf(tbf: TbfQdisc): bigint {
  return tbf.rate64 ?? BigInt(tbf.rate.rate);
}

function compute({ rate, burst }: Limit, toU32: ToU32): TbfQdisc {
  const bytesPerSecond = Math.floor(rate / 8);
  const burstBytes = Math.floor(burst / 8);
  const burstUs = toU32((burstBytes * usPerSecond) / bytesPerSecond);
  const waiting = toU32((bytesPerSecond * latencyUs) / usPerSecond);
  return {
    kind: 'tbf',
    // The low half alone where rate64 says it all.
    rate: { rate: bytesPerSecond > maxU32 ? bytesPerSecond % (maxU32 + 1) : bytesPerSecond },
    limit: toU32(waiting + burstBytes),
    buffer: toU32((burstUs * 1000) / NS_PER_TICK),
    ...(bytesPerSecond > maxU32 ? { rate64: BigInt(bytesPerSecond) } : {}),
  };
}
