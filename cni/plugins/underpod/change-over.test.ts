/**
 * A node changes over between upstream's chain of five plugins and the single type, with all its parts on: what one made
 * the other checks and takes away, and both leave the same.
 */

import { existsSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => {
  node?.reset();
  rmSync('/run/cni', { recursive: true, force: true });
});

const network = { cniVersion: '1.0.0', name: 'net' };
const bridge = {
  bridge: 'br0',
  isDefaultGateway: true,
  ipMasq: true,
  ipMasqBackend: 'nftables',
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.62.0.0/24' }], [{ subnet: 'fd00:62::/64' }]] },
};
const mappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
];
const limits = { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 };
const sections = {
  portmap: { backend: 'nftables' },
  bandwidth: {},
  firewall: { backend: 'iptables', ingressPolicy: 'same-bridge' },
  tuning: { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' }, mtu: 1400, allmulti: true },
};
const runtimeConfig = { portMappings: mappings, bandwidth: limits };

const single: Json = { ...network, type: 'underpod', ...bridge, ...sections, runtimeConfig };
const chain: readonly Json[] = [
  { ...network, type: 'bridge', ...bridge },
  ...Object.entries(sections).map(([type, keys]) => ({ ...network, type, ...keys, runtimeConfig })),
];

/** One of the two ways to run the network. */
type Way = (command: 'ADD' | 'DEL' | 'CHECK', pod: Container, prevResult?: Json) => Promise<Json>;

const bySingle: Way = (command, pod, prevResult) =>
  node.ok(command, { ...single, ...(prevResult && { prevResult }) }, pod);

/** Each plugin of upstream's, as a runtime calls them. */
const byChain: Way = async (command, pod, prevResult) => {
  let previous = prevResult;
  for (const conf of command === 'DEL' ? [...chain].reverse() : chain) {
    const answer = node.exec(go, command, { ...conf, ...(previous && { prevResult: previous }) }, pod);
    if (answer.code !== 0) throw new Error(`${command} of ${conf['type']} by upstream: ${answer.stdout}`);
    if (command === 'ADD') previous = answer.json;
  }
  return previous ?? {};
};

/** What is in the kernel and on the disk, without what differs between any two pods. */
function state(pod: Container, result: Json): Json {
  const [, host] = result['interfaces'] as { name: string }[];
  const plain = (text: string): string =>
    text
      .replaceAll(pod.id, 'POD')
      .replaceAll(host?.name ?? '', 'VETH')
      .replaceAll(pod.netns, 'NETNS')
      .replace(/bwp[0-9a-f]{12}/g, 'IFB')
      .replace(/-[0-9a-f]{16}/g, '-HASH')
      .replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC')
      .replace(/ refcnt \d+/g, '')
      .replace(/counter packets \d+ bytes \d+/g, 'counter')
      .replace(/\tcomment "[^"]*"\n/g, '');
  const [inside] = node.ipIn(pod, 'link', 'show', 'eth0');
  const tables = plain(run('nft', 'list', 'ruleset')).split(/^(?=table )/m);
  return {
    result: JSON.parse(plain(JSON.stringify({ ...result, dns: {} }))) as Json,
    tables: tables.map((table) => table.trim()).sort(),
    iptables: run('iptables-save', '-t', 'filter')
      .split('\n')
      .filter((line) => /^(-A|:)/.test(line)),
    shaping: plain(run('tc', 'qdisc', 'show'))
      .split('\n')
      .filter((line) => /tbf|ingress/.test(line))
      .sort(),
    inside: { mtu: inside?.['mtu'], flags: inside?.['flags'], txqlen: inside?.['txqlen'] },
    files: [...list('/run/cni/tuning'), ...node.addresses('net')].map(plain),
  };
}

/** What nobody but the pod had. */
function left(): Json {
  const rules = run('sh', '-c', 'nft list ruleset; iptables-legacy-save; ip6tables-legacy-save');
  return {
    ...node.leftovers('net'),
    ofPods: rules.split('\n').filter((line) => /container-|10\.62\.0\.\d+\D|fd00:62::\d/.test(line)),
    ifbs: ipJson('link', 'show', 'type', 'ifb'),
    tuning: list('/run/cni/tuning'),
  };
}

const nothingLeft: Json = { ...nothing, ofPods: [], ifbs: [], tuning: [] };
const hasIptables = existsSync('/usr/sbin/iptables-restore');
if (!hasIptables) process.stderr.write('skipped: upstream’s chain with firewall: iptables is missing\n');

describe.skipIf(!node || !go || !hasIptables)('upstream’s chain and the single type', () => {
  test('leave the same', async () => {
    const states: Json[] = [];
    for (const way of [byChain, bySingle]) {
      const pod = node.container();
      const result = await way('ADD', pod);
      states.push(state(pod, result));
      await way('DEL', pod, result);
      node.reset();
    }
    expect(states[1]).toEqual(states[0]);
  });

  test.each([
    ['what the single type made, the chain checks and deletes', bySingle, byChain],
    ['what the chain made, the single type checks and deletes', byChain, bySingle],
  ])('%s', async (_what, first, second) => {
    const [one, two] = [node.container(), node.container()];
    const result = await first('ADD', one);
    const other = await second('ADD', two);
    expect(left()['ofPods']).not.toEqual([]);
    await second('CHECK', one, result);
    await second('DEL', one, result);
    await first('CHECK', two, other);
    await first('DEL', two, other);
    expect(left()).toEqual(nothingLeft);
    // Ours notes whose rules are whose; upstream's DEL knows nothing of that.
    await node.ok('GC', { ...single, cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] });
    for (const type of ['portmap', 'tuning']) expect(list(`/run/underpod/${type}/net`)).toEqual([]);
    expect(list('/run/underpod/firewall')).toEqual([]);
  });

  test('a pod of the single type goes without its result, as after a kill', async () => {
    const pod = node.container();
    await bySingle('ADD', pod);
    await bySingle('DEL', pod);
    expect(left()).toEqual(nothingLeft);
  });
});
