import { describe, expect, test } from 'vitest';
import { isCniError } from '../../protocol/error.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { Limits } from './config.ts';
import { readLimits } from './config.ts';

function read(own: Record<string, unknown>, runtime?: unknown): Limits | undefined {
  const runtimeConfig = runtime === undefined ? {} : { runtimeConfig: { bandwidth: runtime } };
  return readLimits(netConfFromObject({ cniVersion: '1.0.0', name: 'net', ...own, ...runtimeConfig }));
}

function codeOf(own: Record<string, unknown>, runtime?: unknown): number {
  try {
    read(own, runtime);
  } catch (error) {
    if (isCniError(error)) return error.code;
    throw error;
  }
  return 0;
}

const both = { ingressRate: 8, ingressBurst: 16, egressRate: 24, egressBurst: 32 };
const limits: Limits = { ingress: { rate: 8, burst: 16 }, egress: { rate: 24, burst: 32 } };

describe('limits', () => {
  test('are the four keys, or what the runtime says', () => {
    expect(read(both)).toEqual(limits);
    expect(read({}, both)).toEqual(limits);
    expect(read({ ingressRate: 80, ingressBurst: 80 }, both)).toEqual({ ingress: { rate: 80, burst: 80 } });
  });

  test('of the configuration win as soon as one key is there, were it 0', () => {
    expect(read({ egressRate: 0 }, both)).toBeUndefined();
    expect(read({ egressRate: null }, both)).toEqual(limits);
  });

  test('are none without keys, and with zeros', () => {
    expect(read({})).toBeUndefined();
    expect(read({}, {})).toBeUndefined();
    expect(read({ ingressRate: 0, ingressBurst: 0 })).toBeUndefined();
  });

  test.each([
    [7, { ingressRate: 8 }],
    [7, { egressBurst: 8 }],
    [7, { ingressRate: 7, ingressBurst: 8 }],
    [7, { ingressRate: 8, ingressBurst: 7 }],
    [7, { ingressRate: 8, ingressBurst: 0xffff_ffff * 8 }],
    [6, { ingressRate: -1, ingressBurst: 8 }],
    [6, { ingressRate: '8', ingressBurst: 8 }],
    [6, { ingressRate: 8.5, ingressBurst: 8 }],
    [0, { ingressRate: 8, ingressBurst: 0xffff_ffff * 8 - 1 }],
  ])('that make no sense have code %d: %j', (code, own) => {
    expect(codeOf(own)).toBe(code);
    expect(codeOf({}, own)).toBe(code);
  });
});
