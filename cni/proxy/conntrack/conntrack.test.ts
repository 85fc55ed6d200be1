import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { decodeFlow, dumpFlows, type Flow } from '../../../shared/netlink/codec/conntrack.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { withDefaults } from '../config/configuration.ts';
import { type Address, type Endpoint, endpointOf, type Family, parseAddress } from '../model/endpoint.ts';
import type { Frontend } from '../model/service-port.ts';
import { deleteStaleFlows } from './clean-up.ts';
import { FlowTargets } from './stale-flows.ts';
import { conntrackParameters, setConntrack } from './sysctls.ts';

const kernel = freshNetns();

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const endpoint = (text: string, port: number): Endpoint => endpointOf(address(text), port);
const clusterIp = (text: string, port: number): Frontend => ({
  kind: 'cluster-ip',
  address: address(text),
  port,
  policy: 'cluster',
});
const nodePort = (port: number): Frontend => ({ kind: 'node-port', port, policy: 'cluster' });

function flow(protocol: number, target: string, port: number, source: string, sourcePort: number): Flow {
  const ip = (text: string) => {
    const parsed = parseIp(text);
    if (!parsed) throw new Error(text);
    return parsed;
  };
  const client = ip(target.includes(':') ? 'fd00::9' : '192.0.2.9');
  return {
    family: target.includes(':') ? 6 : 4,
    original: { source: client, target: ip(target), protocol, sourcePort: 4000, targetPort: port },
    reply: { source: ip(source), target: client, protocol, sourcePort, targetPort: 4000 },
    originalBytes: new Uint8Array(),
  };
}

describe('which flows are stale', () => {
  const targets = new FlowTargets(4, [
    {
      frontends: [clusterIp('10.96.0.10', 53), nodePort(30053)],
      serving: [endpoint('10.244.1.2', 5353), endpoint('10.244.2.2', 5353)],
    },
    { frontends: [clusterIp('10.96.0.11', 53)], serving: [] },
  ]);
  const isLocal = (at: Address): boolean => at === address('192.0.2.1');
  test.each<[string, Flow, boolean]>([
    ['to an endpoint that serves', flow(17, '10.96.0.10', 53, '10.244.2.2', 5353), false],
    ['to one that is gone', flow(17, '10.96.0.10', 53, '10.244.3.2', 5353), true],
    ["to another port of an endpoint's pod", flow(17, '10.96.0.10', 53, '10.244.2.2', 53), true],
    ['that nobody translated', flow(17, '10.96.0.10', 53, '10.96.0.10', 53), true],
    ['of TCP', flow(6, '10.96.0.10', 53, '10.244.3.2', 5353), false],
    ['to another port', flow(17, '10.96.0.10', 54, '10.244.3.2', 5353), false],
    ['to a service without endpoints', flow(17, '10.96.0.11', 53, '10.244.3.2', 5353), false],
    ['to a node port', flow(17, '192.0.2.1', 30053, '10.244.3.2', 5353), true],
    ["to a node port's endpoint that serves", flow(17, '192.0.2.1', 30053, '10.244.1.2', 5353), false],
    ['to a node port that nobody translated', flow(17, '192.0.2.1', 30053, '192.0.2.1', 30053), true],
    ['to that number elsewhere', flow(17, '198.51.100.7', 30053, '198.51.100.7', 30053), false],
  ])('%s', (_, one, isStale) => {
    expect(targets.isStale(one, isLocal)).toBe(isStale);
  });
});

describe.skipIf(!kernel)('in the kernel', () => {
  const send = (to: string, port: number, from: number): void => {
    const family = to.includes(':') ? 'udp6' : 'udp4';
    const script = `const s = require('node:dgram').createSocket('${family}'); s.bind(${from}, () => s.send('x', ${port}, '${to}', () => s.close()));`;
    expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0);
  };
  const ports = (family: Family): (number | undefined)[] => {
    using socket = NetlinkSocket.open(NETLINK.NETFILTER);
    return socket
      .dump(dumpFlows(family, 17))
      .flatMap(({ payload }) => decodeFlow(payload) ?? [])
      .map(({ original }) => original.sourcePort)
      .sort();
  };

  test.each<[Family, string, string, string]>([
    [4, '127.0.9.1', '127.0.0.5', '127.0.0.6'],
    [6, 'fd00:9::1', 'fd00:5::5', 'fd00:5::6'],
  ])('stale flows go, the others stay (IPv%i)', (family, vip, first, second) => {
    for (const one of [vip, first, second])
      run('ip', 'address', 'replace', `${one}/${family === 4 ? 32 : 128}`, 'dev', 'lo');
    const name = family === 4 ? 'ip' : 'ip6';
    const host = (at: string, port: number): string => (family === 4 ? `${at}:${port}` : `[${at}]:${port}`);
    run(
      'nft',
      `add table ${name} t; add chain ${name} t out { type nat hook output priority -100; };
       add rule ${name} t out ${name} daddr ${vip} udp sport 4001 dnat to ${host(first, 53)};
       add rule ${name} t out ${name} daddr ${vip} udp sport 4002 dnat to ${host(second, 53)};
       add rule ${name} t out udp dport 30053 udp sport 4003 dnat to ${host(first, 53)}`,
    );
    send(vip, 53, 4001);
    send(vip, 53, 4002);
    send(vip, 30053, 4003);
    send(vip, 99, 4004);
    expect(ports(family)).toEqual([4001, 4002, 4003, 4004]);
    const frontends = [clusterIp(vip, 53), nodePort(30053)];
    const serving = [endpoint(second, 53)];
    expect(deleteStaleFlows(new FlowTargets(family, [{ frontends, serving }]))).toBe(2);
    expect(ports(family)).toEqual([4002, 4004]);
    expect(deleteStaleFlows(new FlowTargets(family, [{ frontends, serving }]))).toBe(0);
    expect(deleteStaleFlows(new FlowTargets(family, []))).toBe(0);
  });
});

describe("the kernel's parameters", () => {
  test('of the defaults', () => {
    const { conntrack } = withDefaults({});
    expect(conntrackParameters(conntrack, 2)).toEqual([
      ['net/netfilter/nf_conntrack_max', 131_072],
      ['net/netfilter/nf_conntrack_tcp_timeout_established', 86_400],
      ['net/netfilter/nf_conntrack_tcp_timeout_close_wait', 3600],
    ]);
    expect(conntrackParameters(conntrack, 8)[0]).toEqual(['net/netfilter/nf_conntrack_max', 262_144]);
    expect(conntrackParameters(conntrack, 128)[0]).toEqual(['net/netfilter/nf_conntrack_max', 1_048_576]);
    const { conntrack: asked } = withDefaults({ conntrack: { min: 2_000_000 } });
    expect(conntrackParameters(asked, 128)[0]).toEqual(['net/netfilter/nf_conntrack_max', 2_000_000]);
  });

  test('0 leaves them as they are', () => {
    const { conntrack } = withDefaults({
      conntrack: { maxPerCore: 0, tcpCloseWaitTimeout: 0, tcpEstablishedTimeout: 0 },
    });
    expect(conntrackParameters(conntrack, 8)).toEqual([]);
  });

  test("are set; more connections than asked for stay; a missing one is in nobody's way", () => {
    using directory = new TemporaryDirectory();
    const at = (name: string): string => directory.join(`net/netfilter/${name}`);
    mkdirSync(directory.join('net/netfilter'), { recursive: true });
    writeFileSync(at('nf_conntrack_max'), '65536\n');
    writeFileSync(at('nf_conntrack_tcp_timeout_established'), '99999\n');
    writeFileSync(directory.join('hashsize'), '16384\n');
    const { conntrack } = withDefaults({});
    const changed = setConntrack(
      conntrackParameters(conntrack, 2),
      silentLogger,
      directory.path,
      directory.join('hashsize'),
    );
    expect(changed).toBe(2);
    const read = (path: string): number => Number(readFileSync(path, 'utf8').trim().slice(0, 6));
    expect(read(at('nf_conntrack_max'))).toBe(131_072);
    expect(read(at('nf_conntrack_tcp_timeout_established'))).toBe(86_400);
    expect(read(directory.join('hashsize'))).toBe(32_768);
    writeFileSync(at('nf_conntrack_max'), '900000\n');
    expect(setConntrack(conntrackParameters(conntrack, 2), silentLogger, directory.path, '/none')).toBe(0);
    expect(read(at('nf_conntrack_max'))).toBe(900_000);
  });
});
