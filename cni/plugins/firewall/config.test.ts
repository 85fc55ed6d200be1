import { describe, expect, test } from 'vitest';
import { isCniError } from '../../protocol/error.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import { readFirewallConfig, wantedOf } from './config.ts';

const conf = (own: Record<string, unknown>): ReturnType<typeof netConfFromObject> =>
  netConfFromObject({ cniVersion: '1.0.0', name: 'net', ...own });

function codeOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (isCniError(error)) return error.code;
    throw error;
  }
  return 0;
}

const result = (interfaces: unknown): Record<string, unknown> => ({
  prevResult: { cniVersion: '1.0.0', interfaces, ips: [{ address: '10.1.0.5/24' }] },
});

describe('configuration', () => {
  test('has upstream’s defaults', () => {
    expect(readFirewallConfig(conf({}))).toEqual({
      backend: undefined,
      adminChain: 'CNI-ADMIN',
      zone: 'trusted',
      ingressPolicy: 'open',
    });
  });

  test.each([
    [7, { backend: 'pf' }],
    [7, { ingressPolicy: 'closed' }],
    [7, { iptablesAdminChainName: 'A B' }],
    [7, { iptablesAdminChainName: 'A\nCOMMIT' }],
    [7, { iptablesAdminChainName: '"' }],
    [7, { iptablesAdminChainName: '-X' }],
    [7, { iptablesAdminChainName: 'x'.repeat(29) }],
    [7, { iptablesAdminChainName: 'pods', backend: 'nftables' }],
    [7, { iptablesAdminChainName: 'isolation-out', backend: 'nftables' }],
    [0, { iptablesAdminChainName: 'pods', backend: 'iptables' }],
    [6, { backend: 1 }],
    [6, { firewalldZone: [] }],
    [0, { iptablesAdminChainName: 'x'.repeat(28), backend: 'nftables', firewalldZone: '' }],
  ])('with code %d: %j', (code, own) => {
    expect(codeOf(() => readFirewallConfig(conf(own)))).toBe(code);
  });

  test.each([
    [7, []],
    [7, [{ name: '' }]],
    [7, [{ name: 'eth0', sandbox: '/run/netns/a' }]],
    [7, [{ name: 'b"r' }]],
    [7, [{ name: 'br+' }]],
    [7, [{ name: 'br*' }]],
    [0, [{ name: 'br0' }]],
  ])('needs a bridge to isolate (code %d): %j', (code, interfaces) => {
    const isolating = conf({ ingressPolicy: 'isolated', ...result(interfaces) });
    const { prevResult } = isolating;
    if (!prevResult) throw new Error('no prevResult');
    expect(codeOf(() => wantedOf(readFirewallConfig(isolating), prevResult))).toBe(code);
    expect(codeOf(() => wantedOf(readFirewallConfig(conf({})), prevResult))).toBe(0);
  });
});
