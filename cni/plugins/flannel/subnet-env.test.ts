import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { parseSubnetEnv } from './subnet-env.ts';

const file = '/run/flannel/subnet.env';

function env(...lines: string[]): string {
  return `${lines.join('\n')}\n`;
}

const v4 = ['FLANNEL_NETWORK=10.244.0.0/16', 'FLANNEL_SUBNET=10.244.3.1/24'];
const v6 = ['FLANNEL_IPV6_NETWORK=fd00:244::/56', 'FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64'];
const rest = ['FLANNEL_MTU=1450', 'FLANNEL_IPMASQ=true'];

describe('subnet.env', () => {
  test('as the agent and flanneld write it', () => {
    const { networks, subnet, subnetV6, mtu, ipMasq } = parseSubnetEnv(env(...v4, ...v6, ...rest), file);
    expect(networks.map(formatCidr)).toEqual(['10.244.0.0/16', 'fd00:244::/56']);
    expect([subnet && formatCidr(subnet), subnetV6 && formatCidr(subnetV6)]).toEqual([
      '10.244.3.0/24',
      'fd00:244:0:3::/64',
    ]);
    expect([mtu, ipMasq]).toEqual([1450, true]);
  });

  test('one family is enough; FLANNEL_IPMASQ is true by that word only', () => {
    const one = parseSubnetEnv(env(...v6, 'FLANNEL_MTU=1430', 'FLANNEL_IPMASQ=yes'), file);
    expect([one.subnet, one.ipMasq]).toEqual([undefined, false]);
  });

  test('networks may be a list, in which the same one counts once', () => {
    const text = env('FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16,10.244.7.0/16', v4[1] ?? '', ...rest);
    expect(parseSubnetEnv(text, file).networks.map(formatCidr)).toEqual(['10.244.0.0/16', '10.245.0.0/16']);
  });

  test.each([
    [
      '',
      /lacks FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ/,
    ],
    [env(...v4, 'FLANNEL_MTU=1450'), /lacks FLANNEL_IPMASQ: restart the network agent/],
    [env('FLANNEL_NETWORK=10.244.0.0', v4[1] ?? '', ...rest), /FLANNEL_NETWORK=10\.244\.0\.0 is no network/],
    [env(...v4, 'FLANNEL_MTU=many', 'FLANNEL_IPMASQ=true'), /FLANNEL_MTU=many is no number/],
    [env(v4[0] ?? '', 'FLANNEL_SUBNET', ...rest), /lacks FLANNEL_SUBNET/],
  ])('%j is refused', (text, message) => {
    expect(() => parseSubnetEnv(text, file)).toThrow(message);
  });
});
