import { afterEach, describe, expect, test } from 'vitest';
import { isVm } from '../../../conformance/testing/slowness.ts';
import { hostVethName } from '../common/attachment.ts';
import { lockAttachment } from '../common/attachment-lock.ts';
import { network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

describe.skipIf(!node)('GC and STATUS', () => {
  const gc = (net: Json, ...pods: Container[]): Json => ({
    ...net,
    'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
  });

  test('removes what is not valid: interface, rule and address; nothing of others', async () => {
    const net = network({ ipMasq: true });
    const other = network({ ipMasq: true });
    const [stale, valid, foreign] = [node.container(), node.container(), node.container()];
    await node.ok('ADD', net, stale);
    await node.ok('ADD', net, valid);
    await node.ok('ADD', other, foreign);
    run('ip', 'link', 'add', 'vethalien', 'type', 'veth', 'peer', 'name', 'vethalien2');
    await node.ok('GC', gc(net, valid));
    const key = { network: String(net['name']), containerId: valid.id, ifname: 'eth0' };
    const otherKey = { network: String(other['name']), containerId: foreign.id, ifname: 'eth0' };
    expect(node.hostVeths().sort()).toEqual(
      [hostVethName(key), hostVethName(otherKey), 'vethalien', 'vethalien2'].sort(),
    );
    expect(node.addresses(String(net['name']))).toHaveLength(1);
    expect(node.addresses(String(other['name']))).toHaveLength(1);
    expect(node.masqueradeRules()).toHaveLength(2);
    expect(node.locks()).toEqual([]);
    run('ip', 'link', 'delete', 'vethalien');
    for (const [conf, pod] of [
      [net, valid],
      [other, foreign],
    ] as const)
      await node.ok('DEL', conf, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('keeps everything of an attachment whose ADD is still running', async () => {
    const net = network({ ipMasq: true });
    const pod = node.container();
    await node.ok('ADD', net, pod);
    const key = { network: String(net['name']), containerId: pod.id, ifname: 'eth0' };
    const before = node.leftovers(key.network);
    {
      using _running = lockAttachment(key);
      await node.ok('GC', gc(net));
      expect(node.leftovers(key.network)).toEqual({ ...before, locks: [expect.stringMatching(/\.lock$/)] });
    }
    await node.ok('GC', gc(net));
    expect(node.leftovers(key.network)).toEqual(nothing);
  });

  test('knows attachments whose names do not fit an alias by their hash', async () => {
    const net = network({ ipMasq: true, name: 'n'.repeat(140) });
    const long = (letter: string): Container => ({ ...node.container(), id: letter.repeat(200) });
    const [stale, valid] = [long('a'), long('b')];
    await node.ok('ADD', net, stale);
    await node.ok('ADD', net, valid);
    await node.ok('GC', gc(net, valid));
    expect([node.hostVeths().length, node.masqueradeRules().length]).toEqual([1, 1]);
    expect(node.addresses(String(net['name']))).toHaveLength(1);
    await node.ok('DEL', net, valid);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('a hundred leaked pods are gone when it returns, and it does not wait for each', async () => {
    const net = network();
    const pods = Array.from({ length: 100 }, () => node.container());
    for (const pod of pods) await node.ok('ADD', net, pod);
    const [valid] = pods.splice(50, 1) as [Container];
    run('ip', 'link', 'add', 'vethalien', 'group', '7', 'type', 'veth', 'peer', 'name', 'vethalien2');
    const start = performance.now();
    await node.ok('GC', gc(net, valid));
    const took = performance.now() - start;
    const key = { network: String(net['name']), containerId: valid.id, ifname: 'eth0' };
    expect(node.hostVeths().sort()).toEqual([hostVethName(key), 'vethalien', 'vethalien2'].sort());
    expect(node.addresses(key.network)).toHaveLength(1);
    expect(node.ipIn(pods[0] as Container, 'link', 'show', 'type', 'veth')).toEqual([]);
    process.stderr.write(`GC of ${pods.length} pods: ${took.toFixed(0)} ms\n`);
    // One by one they take 10 to 40 ms each. In the VM it is the program that takes long.
    if (!isVm) expect(took).toBeLessThan(1000);
    await node.ok('DEL', net, valid);
  });

  test('without the list it removes nothing', async () => {
    const net = network();
    const pod = node.container();
    await node.ok('ADD', net, pod);
    await node.ok('GC', net);
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', net, pod);
  });

  test('STATUS passes IPAM’s on', async () => {
    const net = network();
    await node.ok('STATUS', net);
    expect((await node.call('STATUS', { ...net, ipam: { type: 'host-local' } })).json).toMatchObject({
      code: 7,
    });
    expect((await node.call('STATUS', { ...net, vlan: 4095 })).json).toMatchObject({ code: 7 });
  });
});
