/** What a server has granted. Times are milliseconds of one clock, which never jumps. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { ipEquals } from '../../../shared/ip/ip.ts';
import type { DhcpMessage } from '../codec/message.ts';
import { OPTION } from '../codec/option-codes.ts';
import { mergeOptions, readIp, readU32 } from '../codec/options.ts';
import type { Random } from './backoff.ts';
import { fuzzed } from './backoff.ts';

export interface Lease {
  /** The server's answer; what a renewal left out is from the answers before. */
  readonly ack: DhcpMessage;
  readonly address: Ip;
  readonly server: Ip;
  /** Where the answer came from: the server's own hardware address, or the relay's. */
  readonly via: Uint8Array;
  /** T1: from then on its server is asked to renew it. Infinity for a lease that never ends, as for the next two. */
  readonly renewAt: number;
  /** T2: from then on any server is asked. */
  readonly rebindAt: number;
  readonly expiresAt: number;
}

/** Of a server that does not say, as upstream has it. */
const DEFAULT_SECONDS = 3600;

/** A lease that never ends (RFC 2131 section 3.3). */
const FOREVER = 0xffffffff;

/** Parts of a lease after which T1 and T2 come, where the server does not say (RFC 2131 section 4.4.5). */
const RENEW = 0.5;
const REBIND = 0.875;

export interface Granted {
  /** When the request was sent that was answered: the lease counts from then on. */
  readonly sentAt: number;
  readonly via: Uint8Array;
  /** The lease that is renewed. */
  readonly previous?: Lease | undefined;
}

/**
 * The lease that a DHCPACK grants; undefined where it names no server, no address, or another than the one renewed, or no
 * time to use it.
 */
export function leaseFromAck(answer: DhcpMessage, granted: Granted, random: Random): Lease | undefined {
  const { sentAt, via, previous } = granted;
  const server = readIp(answer, OPTION.SERVER_ID) ?? previous?.server;
  const { yiaddr: address } = answer;
  if (!server || address.value === 0n) return undefined;
  if (previous && !ipEquals(previous.address, address)) return undefined;
  const ack = previous ? { ...answer, options: mergeOptions(previous.ack.options, answer.options) } : answer;
  const seconds = readU32(answer, OPTION.LEASE_TIME) ?? DEFAULT_SECONDS;
  if (seconds === 0) return undefined;
  const times = seconds === FOREVER ? endless : timesOf(answer, seconds * 1000, sentAt, random);
  return { ack, address, server, via, ...times };
}

const endless = { renewAt: Infinity, rebindAt: Infinity, expiresAt: Infinity };

function timesOf(
  answer: DhcpMessage,
  length: number,
  start: number,
  random: Random,
): Pick<Lease, 'renewAt' | 'rebindAt' | 'expiresAt'> {
  // 0 would have the client ask as fast as the server answers: as good as no word.
  const t1 = (readU32(answer, OPTION.RENEWAL_TIME) || Infinity) * 1000;
  const t2 = (readU32(answer, OPTION.REBINDING_TIME) || Infinity) * 1000;
  const rebind = t2 < length ? t2 : REBIND * length;
  const renew = t1 < rebind ? t1 : Math.min(RENEW * length, rebind);
  return {
    renewAt: start + fuzzed(renew, random),
    rebindAt: start + rebind,
    expiresAt: start + length,
  };
}
