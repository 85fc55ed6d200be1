import { describe, expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { Flow } from '../../../shared/netlink/codec/conntrack.ts';
import { isStale } from './stale-flows.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const target = parseCidr('10.1.0.5/24') as Cidr;
const mapping = { hostPort: 53, containerPort: 5353, protocol: 'udp', hostIp: undefined } as const;

function flow(protocol: number, port: number, answeredBy: string, answeredFrom: number): Flow {
  const [client, node] = [ip('192.0.2.9'), ip('192.0.2.1')];
  return {
    family: 4,
    original: { source: client, target: node, protocol, sourcePort: 4000, targetPort: port },
    reply: { source: ip(answeredBy), target: client, protocol, sourcePort: answeredFrom, targetPort: 4000 },
    originalBytes: new Uint8Array(),
  };
}

describe('a flow to a port of the node is stale', () => {
  test.each([
    ['when the pod before answers it', flow(17, 53, '10.1.0.4', 5353), true],
    ['when the node itself does', flow(17, 53, '192.0.2.1', 53), true],
    ['when another port of the pod does', flow(17, 53, '10.1.0.5', 53), true],
    ['but not when the pod does', flow(17, 53, '10.1.0.5', 5353), false],
    ['nor one of TCP', flow(6, 53, '10.1.0.4', 5353), false],
    ['nor one to another port', flow(17, 54, '10.1.0.4', 5353), false],
  ])('%s', (_name, one, stale) => {
    expect(isStale(one, [mapping], target)).toBe(stale);
  });

  test('only in the family of the address that the port is opened on', () => {
    const six = { ...mapping, hostIp: ip('fd00::1') };
    expect(isStale(flow(17, 53, '10.1.0.4', 5353), [six], target)).toBe(false);
  });
});
