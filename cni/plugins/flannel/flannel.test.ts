import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataDir, flannelConf, subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { Json } from '../testing/node.ts';
import { list, nothing, read, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

describe.skipIf(!node).each([
  ['flannel', flannelConf],
  ['underpod', underpodConf],
])('type %s', (type, network) => {
  test('a pod in the node’s subnet; nothing is left after DEL', async () => {
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect(result['ips']).toEqual([{ interface: 2, address: '10.244.3.2/24', gateway: '10.244.3.1' }]);
    expect(result['routes']).toEqual([{ dst: '10.244.0.0/16' }, { dst: '0.0.0.0/0', gw: '10.244.3.1' }]);
    expect(node.ipIn(pod, 'link', 'show', 'eth0')[0]).toMatchObject({ mtu: 1450 });
    expect(node.masqueradeRules()).toEqual([]);
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    expect(statSync(`${dataDir}/${pod.id}`).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(JSON.parse(read(`${dataDir}/${pod.id}`))).toEqual({
      cniVersion: '1.1.0',
      name: 'cbr0',
      type: 'bridge',
      ipMasq: false,
      mtu: 1450,
      isGateway: true,
      hairpinMode: true,
      forceAddress: true,
      isDefaultGateway: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.244.3.0/24' }]],
        routes: [{ dst: '10.244.0.0/16' }],
      },
    });
    await node.ok('DEL', { ...network, prevResult: result }, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('masquerades where the agent does not', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    const pod = node.container();
    await node.ok('ADD', network, pod);
    expect(node.masqueradeRules()).toHaveLength(1);
    // DEL goes by what ADD kept.
    writeFileSync('/run/flannel/subnet.env', subnetEnv(true));
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('both families', async () => {
    writeFileSync(
      '/run/flannel/subnet.env',
      subnetEnv(true, 'FLANNEL_IPV6_NETWORK=fd00:244::/56', 'FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64'),
    );
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect((result['ips'] as Json[]).map(({ address }) => address)).toEqual([
      '10.244.3.2/24',
      'fd00:244:0:3::2/64',
    ]);
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('without subnet.env: try again later', async () => {
    rmSync('/run/flannel/subnet.env');
    const { json } = await node.call('ADD', network, node.container());
    expect(json).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/subnet\.env is missing/),
      details: expect.stringMatching(/underpod agent/),
    });
    expect((await node.call('STATUS', network)).json).toMatchObject({ code: 50 });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('with half a subnet.env', async () => {
    writeFileSync('/run/flannel/subnet.env', 'FLANNEL_NETWORK=10.244.0.0/16\n');
    expect((await node.call('ADD', network, node.container())).json).toMatchObject({ code: 7 });
    expect((await node.call('STATUS', network)).json).toMatchObject({ code: 50 });
  });

  test('STATUS', async () => {
    await node.ok('STATUS', network);
  });

  test('a failed ADD keeps no configuration', async () => {
    const pod = { ...node.container(), netns: '/run/netns/gone' };
    expect((await node.call('ADD', network, pod)).json).toMatchObject({ code: 8 });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('DEL with a configuration that is missing or corrupt succeeds and still finds what there is', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    for (const damage of [
      (path: string) => rmSync(path),
      (path: string) => writeFileSync(path, ''),
      (path: string) => writeFileSync(path, '{"type":'),
      (path: string) => writeFileSync(path, '{"name":"../x"}'),
      (path: string) => writeFileSync(path, '[]'),
    ]) {
      const pod = node.container();
      await node.ok('ADD', network, pod);
      damage(`${dataDir}/${pod.id}`);
      await node.ok('DEL', network, { ...pod, netns: '' });
      expect(node.leftovers('cbr0')).toEqual(nothing);
    }
    await node.ok('DEL', network, node.container());
    expect((await node.call('CHECK', { ...network, prevResult: {} }, node.container())).json).toMatchObject({
      code: 100,
    });
  });

  test('GC removes everything of what is not valid, and the configurations of this network only', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    const [stale, valid] = [node.container(), node.container()];
    await node.ok('ADD', network, stale);
    await node.ok('ADD', network, valid);
    writeFileSync(`${dataDir}/other`, '{"name":"another","type":"bridge"}');
    writeFileSync(`${dataDir}/fresh`, '{"na');
    writeFileSync(`${dataDir}/corrupt`, '');
    utimesSync(`${dataDir}/corrupt`, 1000, 1000);
    // What an ADD that was killed left half written.
    writeFileSync(`${dataDir}/.gone.1.1.0123abcd.tmp`, '{"na');
    utimesSync(`${dataDir}/.gone.1.1.0123abcd.tmp`, 1000, 1000);
    // Without the list nothing goes.
    await node.ok('GC', network);
    expect(node.hostVeths()).toHaveLength(2);
    // The agent may be down.
    rmSync('/run/flannel/subnet.env');
    await node.ok('GC', {
      ...network,
      'cni.dev/valid-attachments': [{ containerID: valid.id, ifname: 'eth0' }],
    });
    expect(list(dataDir)).toEqual([valid.id, 'fresh', 'other'].sort());
    expect([node.hostVeths().length, node.masqueradeRules().length]).toEqual([1, 1]);
    expect(node.addresses('cbr0')).toEqual(['10.244.3.3']);
    await node.ok('GC', { ...network, 'cni.dev/valid-attachments': [] });
    expect(list(dataDir)).toEqual(['fresh', 'other']);
    expect(node.hostVeths()).toEqual([]);
  });

  test('a second interface that fails keeps the first one’s configuration', async () => {
    const pod = node.container();
    await node.ok('ADD', network, pod);
    const kept = read(`${dataDir}/${pod.id}`);
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    expect((await node.call('ADD', network, pod)).json).toMatchObject({ code: 7 });
    expect(read(`${dataDir}/${pod.id}`)).toBe(kept);
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('a second network of the same container leaves the first one’s alone', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    const pod = node.container();
    const own = { bridge: 'other0' };
    const other = { ...network, name: 'other', ...(type === 'flannel' ? { delegate: own } : own) };
    const second = { ...pod, ifname: 'net1' };
    await node.ok('ADD', network, pod);
    await node.ok('ADD', other, second);
    const kept = read(`${dataDir}/${pod.id}`);
    expect(JSON.parse(kept)).toMatchObject({ name: 'other' });
    await node.ok('DEL', network, pod);
    expect(read(`${dataDir}/${pod.id}`)).toBe(kept);
    expect([node.addresses('cbr0'), node.addresses('other')]).toEqual([[], ['10.244.3.2']]);
    expect(node.masqueradeRules()).toEqual([expect.stringContaining('net: other')]);
    // One that fails gives the file back as it was; it is never written in place, where a reader might see a part.
    const { ino } = statSync(`${dataDir}/${pod.id}`);
    writeFileSync('/run/flannel/subnet.env', subnetEnv(true));
    expect((await node.call('ADD', other, second)).json).toMatchObject({ code: 7 });
    expect(read(`${dataDir}/${pod.id}`)).toBe(kept);
    expect(statSync(`${dataDir}/${pod.id}`).ino).not.toBe(ino);
    await node.ok('DEL', other, second);
    expect(node.leftovers('other')).toEqual(nothing);
  });

  test('a container’s id that no file can have is refused, and nothing of it needs removing', async () => {
    const pod = { ...node.container(), id: 'x'.repeat(256) };
    expect((await node.call('ADD', network, pod)).json).toMatchObject({
      code: 4,
      msg: expect.stringMatching(/CNI_CONTAINERID has 256 bytes/),
    });
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
    const longest = { ...pod, id: 'x'.repeat(255) };
    await node.ok('ADD', network, longest);
    await node.ok('DEL', network, longest);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('two interfaces of one container', async () => {
    const pod = node.container();
    const second = { ...pod, ifname: 'net1' };
    await node.ok('ADD', network, pod);
    await node.ok('ADD', network, second);
    await node.ok('DEL', network, pod);
    await node.ok('DEL', network, second);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });
});
