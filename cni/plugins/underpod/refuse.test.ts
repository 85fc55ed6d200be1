import { describe, expect, test } from 'vitest';
import { CniError } from '../../protocol/error.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import { refuseUnsupported } from './refuse.ts';

function messageFor(more: Record<string, unknown>): string {
  try {
    refuseUnsupported(netConfFromObject({ cniVersion: '1.1.0', name: 'n', type: 'underpod', ...more }));
    return '';
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    expect(error.code).toBe(2);
    return error.message;
  }
}

describe('what type underpod does not do', () => {
  test.each([
    ['ingressRate', 1000, 'bandwidth'],
    ['ingressBurst', 1000, 'bandwidth'],
    ['egressRate', 1000, 'bandwidth'],
    ['egressBurst', 1000, 'bandwidth'],
    ['shapedSubnets', ['10.0.0.0/8'], 'bandwidth'],
    ['unshapedSubnets', ['10.0.0.0/8'], 'bandwidth'],
    ['snat', true, 'portmap'],
    ['masqAll', true, 'portmap'],
    ['markMasqBit', 13, 'portmap'],
    ['externalSetMarkChain', 'KUBE-MARK-MASQ', 'portmap'],
    ['conditionsV4', ['-d', '192.0.2.1'], 'portmap'],
    ['conditionsV6', ['-d', '2001:db8::1'], 'portmap'],
    ['sysctl', { 'net.core.somaxconn': '500' }, 'tuning'],
    ['promisc', true, 'tuning'],
    ['txQLen', 100, 'tuning'],
    ['allmulti', true, 'tuning'],
    ['backend', 'iptables', 'firewall'],
    ['ingressPolicy', 'same-bridge', 'firewall'],
    ['firewalldZone', 'trusted', 'firewall'],
    ['iptablesAdminChainName', 'X', 'firewall'],
    ['table', 100, 'sbr'],
    ['addSourceHints', true, 'sbr'],
    ['gateways', ['10.0.0.1'], 'sbr'],
    ['vrfname', 'blue', 'vrf'],
  ])('key %s: %j', (key, value, plugin) => {
    expect(messageFor({ [key]: value })).toMatch(
      new RegExp(
        ['portmap', 'bandwidth', 'firewall', 'tuning'].includes(plugin)
          ? `^"${key}": .* is not supported: write it in the section "${plugin}"`
          : `^"${key}": .* is not supported: .*the ${plugin} plugin: chain that one`,
      ),
    );
  });

  test('a MAC address for all pods', () => {
    expect(messageFor({ mac: '02:00:00:00:00:01' })).toMatch(/^"mac": .*runtimeConfig\.mac/);
  });

  test.each([
    ['dns', { servers: ['192.0.2.53'] }],
    ['deviceID', '0000:03:02.3'],
    ['infinibandGUID', 'c2:11:22:33:44:55:66:77'],
    ['aliases', { net: ['web'] }],
    ['somethingNew', true],
  ])('capability %s: %j', (key, value) => {
    expect(messageFor({ runtimeConfig: { [key]: value } })).toMatch(
      new RegExp(`^"runtimeConfig\\.${key}": .* is not supported: take ${key} out of .* capabilities`),
    );
  });

  test.each([
    { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'kubernetes.io/config.source': 'api' } } },
    { runtimeConfig: { cgroupPath: '/kubepods/pod1' } },
    { runtimeConfig: { dns: { Servers: null, Searches: [], Options: [] }, aliases: {}, deviceID: '' } },
    { runtimeConfig: { bandwidth: { ingressRate: 0, egressRate: 0 }, portMappings: [{ hostPort: 0 }] } },
    { runtimeConfig: { mac: '02:00:00:00:00:01', ips: ['10.1.0.5/24'], ipRanges: [[{}]] } },
    { ingressRate: 0, snat: false, sysctl: {}, conditionsV4: [], mac: '', markMasqBit: null },
    { capabilities: { portMappings: true }, 'cni.dev/attachments': [], args: { cni: { labels: [] } } },
  ])('%j asks for nothing that it does not do', (more) => {
    expect(messageFor(more)).toBe('');
  });
});
