import { describe, expect, test } from 'vitest';
import type { Json } from '../testing/node.ts';
import { goPlugins, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
const network: Json = { cniVersion: '1.1.0', name: 'lo', type: 'loopback' };

describe.skipIf(!node)('loopback', () => {
  test('sets lo up, reports its addresses, and down again', async () => {
    const pod = node.container('ignored');
    const result = await node.ok('ADD', network, pod);
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: pod.netns }],
      ips: [
        { interface: 0, address: '127.0.0.1/8' },
        { interface: 0, address: '::1/128' },
      ],
    });
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    await node.ok('DEL', network, pod);
    expect((await node.call('CHECK', { ...network, prevResult: result }, pod)).json).toMatchObject({
      code: 100,
    });
    await node.ok('DEL', network, pod);
    await node.ok('DEL', network, { ...pod, netns: '' });
    await node.ok('DEL', network, { ...pod, netns: '/run/netns/gone' });
    await node.ok('STATUS', network);
    await node.ok('GC', { ...network, 'cni.dev/valid-attachments': [] });
  });

  test('hands the result of plugins before it on', async () => {
    const prevResult = { cniVersion: '1.1.0', ips: [{ address: '10.1.0.2/24' }] };
    expect(await node.ok('ADD', { ...network, prevResult }, node.container())).toEqual(prevResult);
  });

  test('refuses a lo with an address that is not its own', async () => {
    const pod = node.container();
    run('ip', '-n', pod.id, 'address', 'add', '192.0.2.1/32', 'dev', 'lo');
    expect((await node.call('ADD', network, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/192\.0\.2\.1\/32/),
    });
  });

  test.skipIf(!go)('answers as upstream’s does', async () => {
    const [ours, theirs] = [node.container(), node.container()];
    const shown = (result: Json, sandbox: string): Json =>
      JSON.parse(JSON.stringify({ ...result, dns: {} }).replaceAll(sandbox, 'SANDBOX')) as Json;
    const mine = await node.ok('ADD', { ...network, cniVersion: '1.0.0' }, ours);
    const other = node.exec(go as string, 'ADD', { ...network, cniVersion: '1.0.0' }, theirs);
    expect(shown(mine, ours.netns)).toEqual(shown(other.json, theirs.netns));
  });
});
