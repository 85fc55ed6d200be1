/** bandwidth's keys. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readObject, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

/** What one direction is held to. */
export interface Limit {
  /** Bits a second. */
  readonly rate: number;
  /** Bits that may go at once after a pause. */
  readonly burst: number;
}

/** A pod's limits, seen from the pod; undefined where there is none. */
export interface Limits {
  /** What the pod receives. */
  readonly ingress: Limit | undefined;
  /** What the pod sends. */
  readonly egress: Limit | undefined;
}

/** Four bytes count a burst's bytes, and upstream takes one less than they can say. */
const maxBurstBytes = 0xffff_ffff;

/**
 * The limits; undefined without any. As upstream has it, the configuration's own keys win over what the runtime says
 * (`runtimeConfig.bandwidth`), all four together, as soon as one of them is there.
 *
 * @throws CniError code 6 for wrong types, 7 for a rate without a burst and the reverse
 */
export function readLimits({ raw, runtimeConfig }: NetConf): Limits | undefined {
  const own = hasOwn(raw);
  const at = own ? '' : 'runtimeConfig.bandwidth.';
  const source = own ? raw : readObject(runtimeConfig['bandwidth'], 'runtimeConfig.bandwidth');
  if (source === undefined) return undefined;
  const ingress = readLimit(source, at, 'ingressRate', 'ingressBurst');
  const egress = readLimit(source, at, 'egressRate', 'egressBurst');
  return ingress === undefined && egress === undefined ? undefined : { ingress, egress };
}

function hasOwn(raw: JsonObject): boolean {
  return (
    (raw['ingressRate'] ?? raw['ingressBurst'] ?? raw['egressRate'] ?? raw['egressBurst'] ?? undefined) !==
    undefined
  );
}

function readLimit(source: JsonObject, at: string, rateKey: string, burstKey: string): Limit | undefined {
  const rate = readUint(source[rateKey], at + rateKey) ?? 0;
  const burst = readUint(source[burstKey], at + burstKey) ?? 0;
  if (rate === 0 && burst === 0) return undefined;
  if (burst === 0) throw invalidConfig(`${at}${rateKey} is set, so ${at}${burstKey} must be, too`);
  if (rate === 0) throw invalidConfig(`${at}${burstKey} is set, so ${at}${rateKey} must be, too`);
  if (Math.floor(burst / 8) >= maxBurstBytes) {
    throw invalidConfig(`${at}${burstKey} is ${burst} bits: it must be less than ${maxBurstBytes} bytes`);
  }
  // The kernel counts whole bytes.
  if (rate < 8) throw invalidConfig(`${at}${rateKey} is ${rate}: it must be at least 8 bits a second`);
  if (burst < 8) throw invalidConfig(`${at}${burstKey} is ${burst}: it must be at least 8 bits`);
  return { rate, burst };
}
