/**
 * A node changes over from upstream's plugins to ours, and back, with pods running: what one made the other checks and
 * takes away, and both leave the same on the disk and in the kernel.
 */

import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Container, Json } from './testing/node.ts';
import { goPlugins, ipJson, list, nothing, read, run, TestNode } from './testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => node?.reset());

const subnet = '10.60.0.0/24';
const subnetEnv = `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n`;

const bridge: Json = {
  cniVersion: '1.0.0',
  name: 'net',
  type: 'bridge',
  bridge: 'br0',
  isDefaultGateway: true,
  hairpinMode: true,
  ipMasq: true,
  ipMasqBackend: 'nftables',
  ipam: {
    type: 'host-local',
    ranges: [[{ subnet }], [{ subnet: 'fd00:60::/64' }]],
    routes: [{ dst: '192.0.2.0/24' }],
  },
};

type Side = (command: 'ADD' | 'DEL' | 'CHECK', conf: Json, pod: Container) => Promise<Json>;

const ours: Side = (command, conf, pod) => node.ok(command, conf, pod);

const theirs: Side = async (command, conf, pod) => {
  const answer = node.exec(go, command, conf, pod);
  if (answer.code !== 0) throw new Error(`${command} by upstream: ${answer.stdout}`);
  return answer.json;
};

/** What is in the kernel and on the disk for one pod, without what differs between any two pods. */
function state(pod: Container, result: Json): Json {
  const [, host] = result['interfaces'] as { name: string; mac: string }[];
  const [link] = ipJson('link', 'show', host?.name ?? '');
  const port = ((link?.['linkinfo'] ?? {}) as Json)['info_slave_data'] as Json;
  const [inside] = node.ipIn(pod, 'address', 'show', 'eth0');
  const addresses = global(inside);
  const rules = node.masqueradeRules();
  return {
    result: normal(result, pod),
    host: {
      mtu: link?.['mtu'],
      flags: link?.['flags'],
      master: link?.['master'],
      operstate: link?.['operstate'],
    },
    port: {
      hairpin: port['hairpin'],
      isolated: port['isolated'],
      state: port['state'],
      learning: port['learning'],
    },
    addresses,
    inside: { mtu: inside?.['mtu'], flags: inside?.['flags'] },
    routes: [...node.ipIn(pod, 'route', 'show'), ...node.ipIn(pod, '-6', 'route', 'show')].filter(
      ({ dst }) => !String(dst).startsWith('fe80'),
    ),
    sysctls: run(
      'ip',
      'netns',
      'exec',
      pod.id,
      'sh',
      '-c',
      'cat /proc/sys/net/ipv4/conf/eth0/arp_notify /proc/sys/net/ipv6/conf/eth0/accept_dad /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down',
    ),
    hostRa: read(`/proc/sys/net/ipv6/conf/${host?.name}/accept_ra`),
    bridge: global(ipJson('address', 'show', 'br0')[0]),
    rules: rules.map((rule) => rule.replaceAll(pod.id, 'POD').replace(/-[0-9a-f]{16}/, '-HASH')),
    ruleset: run('nft', 'list', 'ruleset')
      .replaceAll(pod.id, 'POD')
      .replace(/-[0-9a-f]{16}/g, '-HASH')
      .replace(/\tcomment "[^"]*"\n/g, ''),
    files: Object.fromEntries(
      list('/var/lib/cni/networks/net').map((name) => [
        name,
        read(`/var/lib/cni/networks/net/${name}`).replace(pod.id, 'POD'),
      ]),
    ),
  };
}

/** The addresses of a link. We set "nodad", where upstream switches detection off for the whole interface. */
function global(link: Json | undefined): Json[] {
  return ((link?.['addr_info'] ?? []) as Json[])
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen, broadcast }) => ({ local, prefixlen, broadcast }));
}

/** A result without names and MAC addresses that are made up, and without the pod's own id. */
function normal(result: Json, pod: Container): Json {
  const text = JSON.stringify({ ...result, dns: {} })
    .replaceAll(pod.netns, 'NETNS')
    .replace(/veth[0-9a-f]{8}/g, 'VETH')
    .replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC');
  return JSON.parse(text) as Json;
}

describe.skipIf(!node || !go)('bridge with host-local', () => {
  test('leaves what upstream’s leaves', async () => {
    const states: Json[] = [];
    for (const side of [theirs, ours]) {
      const pod = node.container();
      states.push(state(pod, await side('ADD', bridge, pod)));
      await side('DEL', bridge, pod);
      node.reset();
    }
    expect(states[1]).toEqual(states[0]);
  });

  test.each([
    ['upstream’s pods are checked and deleted by ours', theirs, ours],
    ['our pods are checked and deleted by upstream’s', ours, theirs],
  ])('%s', async (_what, first, second) => {
    const [one, two, three] = [node.container(), node.container(), node.container()];
    const prevResult = await first('ADD', bridge, one);
    await first('ADD', bridge, two);
    await second('ADD', bridge, three);
    expect(node.addresses('net')).toEqual([
      '10.60.0.2',
      '10.60.0.3',
      '10.60.0.4',
      'fd00:60::2',
      'fd00:60::3',
      'fd00:60::4',
    ]);
    await second('CHECK', { ...bridge, prevResult }, one);
    await second('DEL', { ...bridge, prevResult }, one);
    await second('DEL', bridge, two);
    await first('DEL', bridge, three);
    expect(node.leftovers('net')).toEqual(nothing);
  });

  test('upstream’s pod whose namespace cannot be reached goes by prevResult', async () => {
    const pod = node.container();
    const prevResult = await theirs('ADD', bridge, pod);
    await ours('DEL', { ...bridge, prevResult }, { ...pod, netns: '' });
    expect(node.leftovers('net')).toEqual(nothing);
  });

  test('GC of ours keeps upstream’s valid pods and takes the addresses and rules of those that are gone', async () => {
    const [stale, valid] = [node.container(), node.container()];
    await theirs('ADD', bridge, stale);
    await theirs('ADD', bridge, valid);
    node.removeNetns(stale);
    const gc = {
      ...bridge,
      cniVersion: '1.1.0',
      'cni.dev/valid-attachments': [{ containerID: valid.id, ifname: 'eth0' }],
    };
    await node.ok('GC', gc);
    expect(node.addresses('net')).toEqual(['10.60.0.3', 'fd00:60::3']);
    expect(node.masqueradeRules()).toHaveLength(2);
    await ours('DEL', bridge, valid);
    expect([node.addresses('net'), node.masqueradeRules()]).toEqual([[], []]);
  });
});

/** iptables' tables nat, without what programs print around rules. */
function iptablesRules(kind: 'nft' | 'legacy'): string[] {
  const lines: string[] = [];
  for (const family of ['iptables', 'ip6tables']) {
    lines.push(...run(`${family}-${kind}-save`, '-t', 'nat').split('\n'));
  }
  return lines.filter((line) => /^-A|^:CNI-/.test(line));
}

/** Which of the two "iptables" is, for upstream's plugin, goes by PATH. */
function withIptables(kind: 'nft' | 'legacy'): void {
  mkdirSync('/run/iptables', { recursive: true });
  for (const family of ['iptables', 'ip6tables']) {
    rmSync(`/run/iptables/${family}`, { force: true });
    symlinkSync(`/usr/sbin/xtables-${kind}-multi`, `/run/iptables/${family}`);
  }
}

/** True where programs and kernel have that kind of iptables; else the reason is printed. */
function hasIptables(kind: 'nft' | 'legacy'): boolean {
  try {
    run(`ip6tables-${kind}`, '-t', 'nat', '-S');
    return true;
  } catch (error) {
    process.stderr.write(`skipped: upstream's rules in iptables-${kind}: ${String(error)}\n`);
    return false;
  }
}

const kinds = node ? (['nft', 'legacy'] as const).filter(hasIptables) : [];

describe.skipIf(!node || !go || kinds.length === 0)('rules that upstream made in iptables', () => {
  const { ipMasqBackend: _, ...preferring } = bridge;
  const path = process.env['PATH'];
  beforeEach(() => {
    process.env['PATH'] = `/run/iptables:${path}`;
  });
  afterEach(() => {
    process.env['PATH'] = path;
    for (const program of kinds.includes('legacy') ? ['iptables-legacy', 'ip6tables-legacy'] : []) {
      run(program, '-t', 'nat', '-F');
      run(program, '-t', 'nat', '-X');
    }
  });

  test.each(kinds)('go with the pod, by DEL: %s', async (kind) => {
    withIptables(kind);
    const [one, two] = [node.container(), node.container()];
    await theirs('ADD', preferring, one);
    await theirs('ADD', preferring, two);
    expect(iptablesRules(kind)).toHaveLength(16);
    await ours('DEL', preferring, one);
    const left = iptablesRules(kind);
    expect(left).toHaveLength(8);
    expect(left.filter((line) => line.startsWith('-A POSTROUTING'))).toEqual([
      expect.stringContaining(two.id),
      expect.stringContaining(two.id),
    ]);
    await ours('DEL', preferring, two);
    expect(iptablesRules(kind)).toEqual([]);
    expect(node.leftovers('net')).toEqual(nothing);
  });

  test.each(kinds)('go with what is not valid, by GC: %s', async (kind) => {
    withIptables(kind);
    const [stale, valid, foreign] = [node.container(), node.container(), node.container()];
    await theirs('ADD', preferring, stale);
    await theirs('ADD', preferring, valid);
    await theirs('ADD', { ...preferring, name: 'foreign' }, foreign);
    node.removeNetns(stale);
    const before = iptablesRules(kind);
    await node.ok('GC', {
      ...preferring,
      cniVersion: '1.1.0',
      'cni.dev/valid-attachments': [{ containerID: valid.id, ifname: 'eth0' }],
    });
    const after = iptablesRules(kind);
    expect(after).toHaveLength(16);
    expect(before).toEqual(expect.arrayContaining(after));
    expect(after.join('\n')).not.toContain(stale.id);
    await ours('DEL', preferring, valid);
    await ours('DEL', { ...preferring, name: 'foreign' }, foreign);
    expect(iptablesRules(kind)).toEqual([]);
  });
});

/**
 * flannel's own plugin is not among upstream's, but what it keeps is a bridge configuration that it executes bridge
 * with; so executing upstream's bridge with the file is what it does.
 */
describe.skipIf(!node || !go)('flannel’s chain', () => {
  const types: [string, Json][] = [
    [
      'flannel',
      {
        cniVersion: '1.0.0',
        name: 'net',
        type: 'flannel',
        delegate: { bridge: 'br0', isDefaultGateway: true, ipMasqBackend: 'nftables' },
      },
    ],
    [
      'underpod',
      {
        cniVersion: '1.0.0',
        name: 'net',
        type: 'underpod',
        bridge: 'br0',
        isDefaultGateway: true,
        ipMasqBackend: 'nftables',
      },
    ],
  ];

  test.each(types)(
    'a pod that type %s added is deleted by upstream with the file that it kept',
    async (_type, network) => {
      writeFileSync('/run/flannel/subnet.env', subnetEnv);
      const pod = node.container();
      await node.ok('ADD', network, pod);
      const kept = JSON.parse(read(`/var/lib/cni/flannel/${pod.id}`)) as Json;
      await theirs('DEL', kept, pod);
      expect({ ...node.leftovers('net'), rendered: [] }).toEqual(nothing);
    },
  );

  test.each(types)('a pod that upstream added is deleted by type %s', async (_type, network) => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv);
    const probe = node.container();
    await node.ok('ADD', network, probe);
    const kept = read(`/var/lib/cni/flannel/${probe.id}`);
    await node.ok('DEL', network, probe);
    const pod = node.container();
    await theirs('ADD', JSON.parse(kept) as Json, pod);
    mkdirSync('/var/lib/cni/flannel', { recursive: true });
    writeFileSync(`/var/lib/cni/flannel/${pod.id}`, kept);
    await node.ok('DEL', network, pod);
    expect(node.leftovers('net')).toEqual(nothing);
  });
});

describe.skipIf(!node || !go)('mixed executables', () => {
  test('our bridge with upstream’s static IPAM plugin', async () => {
    const network: Json = {
      ...bridge,
      name: 'mixed',
      ipam: { type: 'static', addresses: [{ address: '10.61.0.5/24' }] },
    };
    const pod = node.container();
    const result = await node.ok('ADD', network, pod, { CNI_PATH: go });
    expect(result['ips']).toEqual([{ interface: 2, address: '10.61.0.5/24', gateway: '10.61.0.1' }]);
    await node.ok('CHECK', { ...network, prevResult: result }, pod, { CNI_PATH: go });
    await node.ok('DEL', network, pod, { CNI_PATH: go });
    expect(node.leftovers('mixed')).toEqual(nothing);
  });

  test('ours before upstream’s portmap and bandwidth in a chain', async () => {
    mkdirSync('/run/chain', { recursive: true });
    for (const name of readdirSync(go)) copyFileSync(`${go}/${name}`, `/run/chain/${name}`);
    const pod = node.container();
    const result = await node.ok('ADD', bridge, pod);
    const portmap: Json = {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'portmap',
      prevResult: result,
      runtimeConfig: {},
    };
    const passed = await theirs('ADD', portmap, pod);
    expect(normal(passed, pod)).toEqual(normal(result, pod));
    await theirs('DEL', portmap, pod);
    await node.ok('DEL', { ...bridge, prevResult: passed }, pod);
    expect(node.leftovers('net')).toEqual(nothing);
  });
});
