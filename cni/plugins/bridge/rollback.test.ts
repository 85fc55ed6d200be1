import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { network } from '../testing/bridge.ts';
import type { Json } from '../testing/node.ts';
import { list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

describe.skipIf(!node)('a failed ADD leaves nothing', () => {
  const clean = (net: Json): void => expect(node.leftovers(String(net['name']))).toEqual(nothing);

  test('missing or wrong namespace', async () => {
    const net = network();
    const gone = { ...node.container(), netns: '/run/netns/gone' };
    expect((await node.call('ADD', net, gone)).json).toMatchObject({
      code: 8,
      msg: expect.stringMatching(/sandbox may be gone/),
    });
    expect((await node.call('ADD', net, { ...gone, netns: '/proc/self/status' })).json).toMatchObject({
      code: 8,
    });
    clean(net);
    expect(list('/sys/class/net')).not.toContain(net['bridge']);
  });

  test('the container has the interface already', async () => {
    const net = network();
    const pod = node.container();
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
    const { json } = await node.call('ADD', net, pod);
    expect(json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/eth0 of container .* exists already/),
    });
    clean(net);
  });

  test('the attachment exists already', async () => {
    const net = network();
    const pod = node.container();
    await node.ok('ADD', net, pod);
    const { json } = await node.call('ADD', net, pod);
    expect(json).toMatchObject({ code: 7, details: expect.stringMatching(/call DEL before the next ADD/) });
    expect(node.addresses(String(net['name']))).toHaveLength(1);
    await node.ok('DEL', net, pod);
    clean(net);
  });

  test.each([{ type: 'host-local', subnet: '10.222.0.0/24' }, { type: 'foreign' }])(
    'an interface that upstream’s plugin made keeps its address: %j',
    async (ipam) => {
      const net = network();
      const pod = node.container();
      await node.ok('ADD', { ...net, ipam: { type: 'host-local', subnet: '10.222.0.0/24' } }, pod);
      const [host = ''] = node.hostVeths();
      // Upstream chooses another name each time, and no alias.
      run('ip', 'link', 'set', host, 'down');
      run('ip', 'link', 'set', host, 'alias', '', 'name', 'veth12345678');
      mkdirSync('/run/bin', { recursive: true });
      writeFileSync('/run/bin/foreign', '#!/bin/sh\ntouch /run/bin/called\n', { mode: 0o755 });
      const { json } = await node.call('ADD', { ...net, ipam }, pod, { CNI_PATH: '/run/bin' });
      expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/exists already/) });
      expect(node.addresses(String(net['name']))).toEqual(['10.222.0.2']);
      expect(list('/run/bin')).toEqual(['foreign']);
      await node.ok('DEL', net, pod);
      clean(net);
    },
  );

  test('the bridge’s name is another link’s', async () => {
    const net = network({ bridge: 'lo' });
    expect((await node.call('ADD', net, node.container())).json['msg']).toMatch(/lo exists but is no bridge/);
    expect((await node.call('STATUS', net)).json).toMatchObject({ code: 50 });
    clean(net);
  });

  test('a route that cannot be set', async () => {
    const net = network({
      ipMasq: true,
      isGateway: true,
      ipam: {
        type: 'host-local',
        subnet: '10.220.0.0/24',
        routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }],
      },
    });
    const pod = node.container();
    expect((await node.call('ADD', net, pod)).json['msg']).toMatch(
      /add route to 192\.0\.2\.0\/24 via 203\.0\.113\.1/,
    );
    clean(net);
    expect(node.ipIn(pod, 'link', 'show', 'type', 'veth')).toEqual([]);
  });

  test('a full range', async () => {
    const net = network({}, [[{ subnet: '10.221.0.0/30' }]]);
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', net, one);
    expect((await node.call('ADD', net, two)).json).toMatchObject({ code: 11 });
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', net, one);
    clean(net);
  });

  test('an unknown IPAM plugin', async () => {
    const net = network({ ipam: { type: 'nonexistent' } });
    expect((await node.call('ADD', net, node.container())).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/no plugin "nonexistent" is in CNI_PATH/),
    });
    clean(net);
  });
});
