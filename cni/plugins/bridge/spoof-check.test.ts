import { afterEach, describe, expect, test } from 'vitest';
import { interfaces, network, reaches } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => node?.reset());

/** The table as nft tells it, without what differs between two pods and without our comment on the chain. */
function table(pod: Container, result: Json): string {
  const names = [interfaces(result)[1]?.name ?? '', interfaces(result)[2]?.mac ?? ''];
  let text = run('nft', 'list', 'table', 'bridge', 'nat').replaceAll(pod.id, 'POD');
  for (const name of names) text = text.replaceAll(name, 'NAME');
  return text.replace(/\t\tcomment "underpod:[^"]*"\n/g, '');
}

/** Chains of attachments, and rules that lead there. */
function chains(): string[] {
  const text = run('nft', 'list', 'ruleset', 'bridge');
  return text.split('\n').filter((line) => /chain cni-|iifname/.test(line));
}

const gc = (net: Json, ...pods: Container[]): Json => ({
  ...net,
  cniVersion: '1.1.0',
  'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
});

describe.skipIf(!node)('macspoofchk', () => {
  test('another source address does not get through, the own one does', async () => {
    const net = network({ macspoofchk: true, isGateway: true });
    const pod = node.container();
    await node.ok('ADD', net, pod);
    const gateway = `10.${String(net['name']).slice(3)}.0.1`;
    expect(reaches(pod, gateway)).toBe(true);
    run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77');
    expect(reaches(pod, gateway)).toBe(false);
    await node.ok('DEL', net, pod);
    expect(chains()).toEqual([]);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test.skipIf(!go)('leaves what upstream’s leaves, and each deletes and checks the other’s', async () => {
    const net = network({ cniVersion: '1.0.0', macspoofchk: true });
    const tables: string[] = [];
    for (const ours of [false, true]) {
      const pod = node.container();
      const answer = ours ? await node.call('ADD', net, pod) : node.exec(go, 'ADD', net, pod);
      expect([answer.code, answer.stdout]).toEqual([0, expect.anything()]);
      tables.push(table(pod, answer.json));
      await node.ok('CHECK', { ...net, prevResult: answer.json }, pod);
      if (ours) expect(node.exec(go, 'DEL', net, pod)).toMatchObject({ code: 0 });
      else await node.ok('DEL', net, pod);
      expect(chains()).toEqual([]);
      node.reset();
    }
    expect(tables[1]).toBe(tables[0]);
  });

  test('DEL is repeated, and works when rules or namespace are gone', async () => {
    const net = network({ macspoofchk: true });
    const pod = node.container();
    await node.ok('DEL', net, pod);
    await node.ok('ADD', net, pod);
    run('nft', 'flush', 'chain', 'bridge', 'nat', 'PREROUTING');
    expect((await node.call('CHECK', { ...net, prevResult: await previous(net, pod) }, pod)).code).toBe(1);
    await node.ok('DEL', net, { ...pod, netns: '' });
    await node.ok('DEL', net, pod);
    expect(chains()).toEqual([]);
  });

  test('a failed ADD leaves no rules', async () => {
    const routes = [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }];
    const net = network({ macspoofchk: true, ipam: { type: 'host-local', subnet: '10.219.0.0/24', routes } });
    expect((await node.call('ADD', net, node.container())).code).toBe(1);
    expect(chains()).toEqual([]);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('GC takes the rules of what is not valid, of this network only', async () => {
    const [net, other] = [network({ macspoofchk: true }), network({ macspoofchk: true })];
    const [stale, valid, foreign] = [node.container(), node.container('net1-a'), node.container()];
    await node.ok('ADD', net, stale);
    await node.ok('ADD', net, valid);
    await node.ok('ADD', other, foreign);
    await node.ok('GC', gc(net, valid));
    expect(chains().filter((line) => line.includes('chain'))).toHaveLength(4);
    expect(chains().some((line) => line.includes(stale.id))).toBe(false);
    await node.ok('GC', gc(net));
    await node.ok('GC', gc(other));
    expect(chains()).toEqual([]);
  });

  test.skipIf(!go)('GC takes upstream’s rules once their interface is gone', async () => {
    const net = network({ cniVersion: '1.0.0', macspoofchk: true });
    const [stale, alive] = [node.container(), node.container()];
    const results = [stale, alive].map((pod) => node.exec(go, 'ADD', net, pod));
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    run('ip', 'link', 'delete', interfaces(results[0]?.json ?? {})[1]?.name ?? '');
    await node.ok('GC', gc(net, alive));
    expect(chains().some((line) => line.includes(stale.id))).toBe(false);
    expect(chains().filter((line) => line.includes(alive.id))).toHaveLength(3);
  });
});

async function previous(net: Json, pod: Container): Promise<Json> {
  const address = node.addresses(String(net['name']))[0] ?? '';
  return {
    cniVersion: '1.1.0',
    interfaces: [
      { name: net['bridge'] },
      { name: node.hostVeths()[0] },
      { name: 'eth0', sandbox: pod.netns },
    ],
    ips: [{ address: `${address}/24`, interface: 2 }],
  };
}
