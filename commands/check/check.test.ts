import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentStatus } from '../../cni/agent/status.ts';
import { coverWithTmpfs, freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { isClockSynchronised } from '../../shared/sys/clock-state.ts';
import { main } from '../check.ts';
import { collect } from './collect.ts';
import { decodeReply, encodeEcho } from './icmp.ts';
import { judge } from './judge.ts';
import { ask } from './probe.ts';

const available = freshNetns();
// Names of namespaces are files there, and must not outlive this one.
if (available) coverWithTmpfs('/run');
const sh = (script: string): string => run('sh', '-ec', script);
const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;

test('echo messages: bytes as `ping -c1 -s0` sends them, and the answer', () => {
  // tcpdump -xx of: ping -c1 -s0 192.0.2.2, behind the IP header.
  expect(encodeEcho(4, { id: 0x1234, sequence: 1 }, 0).toHex()).toBe('0800e5ca12340001');
  expect(encodeEcho(6, { id: 0x1234, sequence: 1 }, 2).toHex()).toBe('80000000123400010000');
  const header = '45000024000000004001000000000000c0000202';
  expect(decodeReply(4, Uint8Array.fromHex(`${header}0000edca12340001`))).toEqual({
    id: 0x1234,
    sequence: 1,
  });
  expect(decodeReply(4, Uint8Array.fromHex(`${header}0800e5ca12340001`))).toBeUndefined();
  expect(decodeReply(6, Uint8Array.fromHex('8100000012340001'))).toEqual({ id: 0x1234, sequence: 1 });
  expect(decodeReply(6, new Uint8Array(3))).toBeUndefined();
});

test('the kernel tells whether its clock is kept right, where that is permitted', () => {
  expect([true, false, undefined]).toContain(isClockSynchronised());
});

describe.skipIf(!available)('on a node with a peer', () => {
  const directory = new TemporaryDirectory();

  beforeAll(() => {
    sh(`ip netns add peer
      ip link add eth0 type veth peer name eth0 netns peer
      ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad; ip link set eth0 up
      ip -n peer addr add 192.0.2.2/24 dev eth0; ip -n peer -6 addr add 2001:db8::2/64 dev eth0 nodad; ip -n peer link set eth0 up
      for n in "" "-n peer"; do ip $n link set lo up; done
      ip link add flannel.1 address 0a:00:00:00:00:01 type vxlan id 1 dstport 8472 local 192.0.2.1 dev eth0 nolearning
      ip -n peer link add flannel.1 address 0a:00:00:00:00:02 type vxlan id 1 dstport 8472 local 192.0.2.2 dev eth0 nolearning
      ip addr add 10.244.1.0/32 dev flannel.1; ip link set flannel.1 up; ip -n peer addr add 10.244.2.0/32 dev flannel.1; ip -n peer link set flannel.1 up
      ip neigh add 10.244.2.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent; bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2
      ip -n peer neigh add 10.244.1.0 lladdr 0a:00:00:00:00:01 dev flannel.1 nud permanent; bridge -n peer fdb add 0a:00:00:00:00:01 dev flannel.1 dst 192.0.2.1
      ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink; ip -n peer route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink
      echo 1 > /proc/sys/net/ipv4/ip_forward`);
    mkdirSync(directory.join('run'));
    writeFileSync(directory.join('net-conf.json'), '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}');
    writeFileSync(
      directory.join('subnet.env'),
      'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
    );
  });
  afterAll(() => directory[Symbol.dispose]());

  const options = {
    runDir: directory.join('run'),
    netConfigPath: directory.join('net-conf.json'),
    subnetFile: directory.join('subnet.env'),
    probePeers: 10,
  };
  const status = {
    apiVersion: 1,
    program: 'agent',
    version: '0',
    ready: true,
    problems: [],
    networks: ['10.244.0.0/16'],
    backend: 'vxlan',
    devices: [{ name: 'flannel.1', mac: '0a:00:00:00:00:01', mtu: 1450 }],
    podMtu: 1450,
    underlays: [{ interface: 'eth0', address: '192.0.2.1', publicIp: '192.0.2.1', mtu: 1500 }],
    peers: {
      total: 1,
      carried: 0,
      skipped: [],
      paths: [
        {
          node: 'n2',
          subnet: '10.244.2.0/24',
          path: 'vxlan',
          device: 'flannel.1',
          endpoint: '192.0.2.2',
          mtu: 1450,
        },
      ],
    },
    repair: true,
    rules: 'nftables',
    datastore: { type: 'embedded', why: '', location: 's', connected: true },
  } as unknown as AgentStatus;

  /** Errors and warnings with a running agent that says `status`. */
  async function troubles(): Promise<string[]> {
    const server = Bun.serve({ unix: directory.join('run/agent.sock'), fetch: () => Response.json(status) });
    try {
      return judge(await collect(options))
        .filter(({ severity }) => severity === 'error' || severity === 'warning')
        .map(({ check, message }) => `${check}: ${message}`);
    } finally {
      await server.stop(true);
    }
  }

  test('peers are asked by both families, all at once, and a second is the longest', () => {
    const questions = [
      { to: ip('192.0.2.2'), size: 0 },
      { to: ip('192.0.2.2'), size: 1500 },
      { to: ip('192.0.2.2'), size: 1501 },
      { to: ip('2001:db8::2'), size: 0 },
      { to: ip('2001:db8::2'), size: 1500 },
      { to: ip('192.0.2.99'), size: 0 },
      { to: ip('203.0.113.9'), size: 0 },
      { to: ip('10.244.2.0'), size: 1450 },
    ];
    const start = performance.now();
    expect(ask(questions, 1000)).toEqual([true, true, false, true, true, false, false, true]);
    expect(performance.now() - start).toBeLessThan(1500);
    const quick = performance.now();
    expect(ask(questions.slice(0, 2), 1000)).toEqual([true, true]);
    expect(performance.now() - quick).toBeLessThan(900);
  });

  test('a node on which nothing is wrong has no errors', async () => {
    expect(await troubles()).toEqual([]);
  });

  test("a peer's firewall on UDP 8472, one of our own, and a way that carries less", async () => {
    sh(
      `ip netns exec peer nft 'add table ip t; add chain ip t in { type filter hook input priority 0; policy accept; }; add rule ip t in udp dport 8472 drop'`,
    );
    expect(await troubles()).toEqual([
      'peers: n2 answers at 192.0.2.2, but not through the tunnel (10.244.2.0)',
    ]);
    sh('ip netns exec peer nft flush ruleset');
    sh(
      `nft 'add table ip t; add chain ip t in { type filter hook input priority 0; policy accept; }; add rule ip t in udp dport 8472 drop'`,
    );
    expect(await troubles()).toContain(
      'firewall: chain in of table ip t drops UDP port 8472 from other nodes',
    );
    sh('nft flush ruleset; ip -n peer link set eth0 mtu 1400');
    expect(await troubles()).toEqual([
      "peers: n2 answers small packets, and none as large as the tunnel's MTU",
    ]);
    sh('ip -n peer link set eth0 mtu 1500; ip -n peer link set flannel.1 mtu 1450');
    expect(await troubles()).toEqual([]);
  });

  test('the command: exit code and JSON', async () => {
    const flags = [
      `--run-dir=${options.runDir}`,
      `--net-config-path=${options.netConfigPath}`,
      `--subnet-file=${options.subnetFile}`,
    ];
    expect(await main([...flags, '--probe=false'])).toBe(1);
    const server = Bun.serve({ unix: directory.join('run/agent.sock'), fetch: () => Response.json(status) });
    expect(await main([...flags, '--output=json'])).toBe(0);
    await server.stop(true);
    expect(await main(['surplus'])).toBe(2);
    expect(await main(['--output=xml'])).toBe(2);
  });

  test('with the agent down it says so, and checks what it can', async () => {
    const findings = judge(await collect(options));
    expect(findings.filter(({ severity }) => severity === 'error').map(({ check }) => check)).toEqual([
      'agent',
    ]);
    expect(findings.find(({ check }) => check === 'agent')?.message).toContain('does not run');
    expect(findings.find(({ check }) => check === 'kernel')?.severity).toBe('ok');
    sh(
      'echo 0 > /proc/sys/net/ipv4/ip_forward; nft add table inet h; nft add chain inet h f "{ type filter hook forward priority 0; policy drop; }"',
    );
    const errors = judge(await collect(options)).filter(({ severity }) => severity === 'error');
    expect(errors.map(({ check }) => check)).toEqual(['agent', 'forwarding', 'firewall']);
  });
});
