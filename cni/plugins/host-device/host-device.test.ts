import { mkdirSync, symlinkSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { coverWithTmpfs } from '../../../conformance/testing/netns.ts';
import { lockAttachment } from '../common/attachment-lock.ts';
import { link } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, list, nothing, run, TestNode } from '../testing/node.ts';
import { isGivenBack, noteTaken, recordDirectory } from './record.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => node?.reset());

const conf: Json = { cniVersion: '1.1.0', name: 'devices', type: 'host-device', device: 'up0' };
const ipam: Json = { type: 'host-local', subnet: '10.72.0.0/24' };
const withAddresses: Json = { ...conf, ipam };

const gc = (of: Json, ...pods: Container[]): Json => ({
  ...of,
  'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
});

/** A device of the host, up, with a carrier. A pair's end stands for a real one; it goes with its namespace, though. */
function device(name = 'up0'): void {
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
  run('ip', 'link', 'set', `${name}p`, 'up');
  run('ip', 'link', 'set', name, 'up', 'alias', 'to the switch');
}

/** The names of the host's links but lo. */
function hostLinks(): string[] {
  return ipJson<{ ifname: string }[]>('link', 'show')
    .map(({ ifname }) => ifname)
    .filter((name) => name !== 'lo' && !name.endsWith('p'));
}

/** All is as before: the device on the host, without an alias, and nothing else. */
function isBack(): void {
  expect([hostLinks(), link('up0')['ifalias'] ?? '']).toEqual([['up0'], '']);
  expect(list(recordDirectory)).toEqual([]);
  expect({ ...node.leftovers('devices'), veths: [] }).toEqual(nothing);
}

describe.skipIf(!node)('host-device', () => {
  test.each([
    ['by its name', { device: 'up0' }],
    ['by its hardware address', { hwaddr: '02:72-00:00-00:01' }],
    ['by another form of it', { hwaddr: '0272.0000.0001' }],
  ])('moves the device in under the container’s name, and out again: %s', async (_name, key) => {
    device();
    run('ip', 'link', 'set', 'up0', 'address', '02:72:00:00:00:01');
    const pod = node.container('net1');
    const named = { ...conf, device: undefined, ...key };
    const result = await node.ok('ADD', named, pod);
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'net1', mac: '02:72:00:00:00:01', sandbox: pod.netns }],
    });
    expect(hostLinks()).toEqual([]);
    expect(node.ipIn(pod, 'link', 'show', 'net1')[0]).toMatchObject({ ifalias: 'up0', operstate: 'UP' });
    await node.ok('CHECK', node.withPrevious(named, result), pod);
    await node.ok('DEL', node.withPrevious(named, result), pod);
    isBack();
    await node.ok('DEL', named, pod);
    isBack();
  });

  test('with addresses; those of the host go', async () => {
    device();
    run('ip', 'address', 'add', '10.9.0.1/24', 'dev', 'up0');
    const pod = node.container();
    const result = await node.ok('ADD', withAddresses, pod);
    expect(result['ips']).toEqual([{ interface: 0, address: '10.72.0.2/24', gateway: '10.72.0.1' }]);
    expect(node.ipIn(pod, '-4', 'address', 'show', 'eth0')[0]?.['addr_info']).toMatchObject([
      { local: '10.72.0.2' },
    ]);
    await node.ok('CHECK', node.withPrevious(withAddresses, result), pod);
    await node.ok('DEL', withAddresses, pod);
    isBack();
  });

  test('an ADD that fails leaves the device as it was, with its addresses where IPAM refused', async () => {
    device();
    run('ip', 'address', 'add', '10.9.0.1/24', 'dev', 'up0');
    const before = ipJson('address', 'show', 'up0');
    const full = { ...conf, ipam: { ...ipam, rangeStart: '10.72.0.9', rangeEnd: '10.72.0.8' } };
    const pod = node.container();
    expect((await node.call('ADD', full, pod)).code).toBe(1);
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'bridge');
    expect((await node.call('ADD', withAddresses, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/exists already/),
    });
    expect(ipJson('address', 'show', 'up0')).toEqual(before);
    run('ip', '-n', pod.id, 'link', 'delete', 'eth0');
    // A route that the kernel refuses: the device was moved by then.
    const unreachable = { ...conf, ipam: { ...ipam, routes: [{ dst: '192.0.2.0/24', gw: '198.51.100.1' }] } };
    expect((await node.call('ADD', unreachable, pod)).code).toBe(1);
    expect(link('up0')).toMatchObject({ ifalias: 'to the switch', operstate: 'UP' });
    expect(node.addresses('devices')).toEqual([]);
    expect(list(recordDirectory)).toEqual([]);
  });

  test('the container uses the old name for something else, and the host the container’s', async () => {
    device();
    device('eth0');
    const pod = node.container('eth0');
    run('ip', '-n', pod.id, 'link', 'add', 'up0', 'type', 'bridge');
    await node.ok('ADD', conf, pod);
    expect(hostLinks()).toEqual(['eth0']);
    await node.ok('DEL', conf, pod);
    expect(hostLinks().sort()).toEqual(['eth0', 'up0']);
    expect(node.ipIn(pod, 'link', 'show', 'up0')).toHaveLength(1);
  });

  test('the host has another interface of the old name: the device stays until that is gone', async () => {
    device();
    const pod = node.container();
    await node.ok('ADD', withAddresses, pod);
    run('ip', 'link', 'add', 'up0', 'type', 'bridge');
    const { json } = await node.call('DEL', withAddresses, pod);
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/another interface up0 by now/) });
    expect(node.ipIn(pod, 'link', 'show', 'eth0')[0]).toMatchObject({ ifalias: 'up0', operstate: 'UP' });
    // Its address is no other pod's until then.
    expect(node.addresses('devices')).toEqual(['10.72.0.2']);
    run('ip', 'link', 'delete', 'up0');
    await node.ok('DEL', withAddresses, pod);
    isBack();
  });

  test('DEL without the namespace’s path, and after the container changed the alias', async () => {
    device();
    for (const alias of ['', 'mine']) {
      const pod = node.container();
      await node.ok('ADD', conf, pod);
      run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'alias', alias);
      await node.ok('DEL', { ...conf, device: undefined, hwaddr: 'no address' }, { ...pod, netns: '' });
      isBack();
    }
  });

  test('the namespace ended, and a virtual device with it; another’s alias is left alone', async () => {
    device();
    const pod = node.container();
    await node.ok('ADD', withAddresses, pod);
    node.removeNetns(pod);
    run('ip', 'link', 'add', 'lan0', 'type', 'bridge');
    run('ip', 'link', 'set', 'lan0', 'alias', 'up0');
    await node.ok('DEL', withAddresses, pod);
    await node.ok('DEL', withAddresses, pod);
    expect([hostLinks(), list(recordDirectory), node.addresses('devices')]).toEqual([['lan0'], [], []]);
  });

  test('DEL waits for a real device that the kernel is about to give back', async () => {
    const pod = node.container('net1');
    const key = { network: 'devices', containerId: pod.id, ifname: 'net1' };
    const note = { key, device: 'up0', netns: pod.netns, inode: 1n, isReal: true };
    noteTaken(note);
    node.removeNetns(pod);
    // GC does not, and leaves the note for the next.
    await node.ok('GC', gc(conf));
    expect(list(recordDirectory)).toHaveLength(1);
    // With its alias at once: of that alone the kernel tells nobody.
    const back = 'sleep 0.3; ip link add x type bridge; ip link set x alias up0; ip link set x name dev7';
    const kernel = Bun.spawn(['sh', '-c', back]);
    await node.ok('DEL', conf, pod);
    await kernel.exited;
    isBack();
    noteTaken(note);
    await node.ok('GC', gc(conf));
    isBack();
  });

  test('GC: the path that the namespace had is another’s by now', async () => {
    device();
    const [gone, other] = [node.container(), node.container()];
    await node.ok('ADD', conf, gone);
    run('ip', 'netns', 'delete', gone.id);
    run('ln', '-s', other.netns, gone.netns);
    run('ip', '-n', other.id, 'link', 'add', 'eth0', 'type', 'bridge');
    run('ip', '-n', other.id, 'link', 'set', 'eth0', 'alias', 'up0');
    await node.ok('GC', gc(conf));
    expect([hostLinks(), list(recordDirectory)]).toEqual([[], []]);
    expect(node.ipIn(other, 'link', 'show', 'eth0')).toHaveLength(1);
  });

  test('an interface that has the name but was never taken stays', async () => {
    device();
    const pod = node.container();
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'bridge');
    for (const alias of ['', 'not the name of an interface']) {
      run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'alias', alias);
      await node.ok('DEL', conf, pod);
      expect(node.ipIn(pod, 'link', 'show', 'eth0')).toHaveLength(1);
    }
  });

  test('GC gives back what is not valid, of its own network, and nothing that is worked on', async () => {
    device();
    device('up1');
    const [stale, foreign] = [node.container(), node.container()];
    const other = { ...conf, name: 'others', device: 'up1' };
    await node.ok('ADD', withAddresses, stale);
    await node.ok('ADD', other, foreign);
    await node.ok('GC', gc(withAddresses, stale));
    const key = { network: 'devices', containerId: stale.id, ifname: 'eth0' };
    {
      using _running = lockAttachment(key);
      await node.ok('GC', gc(withAddresses));
    }
    expect([hostLinks(), node.addresses('devices').length]).toEqual([[], 1]);
    await node.ok('GC', gc(withAddresses));
    expect([hostLinks(), node.addresses('devices')]).toEqual([['up0'], []]);
    expect((await node.call('GC', gc({ ...other, device: 7 }))).code).toBe(0);
    expect(hostLinks().sort()).toEqual(['up0', 'up1']);
  });

  test('names what is wrong', async () => {
    const pod = node.container();
    for (const [keys, code, message] of [
      [{ device: undefined }, 7, /no device is named/],
      [{ device: 'up9' }, 7, /no interface "up9"/],
      [{ device: 'lo' }, 7, /lo cannot leave/],
      [{ device: 7 }, 6, /device must be a string/],
      [{ device: '', hwaddr: '02:72' }, 7, /hwaddr "02:72" must be/],
      [{ device: '', hwaddr: '02:72:00:00:00:77' }, 7, /hardware address 027200000077/],
      [{ device: '', kernelpath: '/sys/class/net/up0' }, 7, /begins with \/sys\/devices\//],
      [{ device: '', pciBusID: '../x' }, 7, /without "\/"/],
      [{ device: '', pciBusID: '0000:77:00.0' }, 7, /no PCI device 0000:77:00\.0/],
      [{ device: '', runtimeConfig: { deviceID: 'x' } }, 7, /device x of the runtime/],
    ] as const) {
      const { json } = await node.call('ADD', { ...conf, ...keys }, pod);
      expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
    }
    await node.ok('STATUS', conf);
  });
});

test.each([
  ['', true],
  ['can', true],
  ['ipoib', true],
  ['vcan', false],
  ['veth', false],
])('the kernel gives a device of the kind "%s" back: %s', (kind, expected) => {
  expect(isGivenBack(kind)).toBe(expected);
});

describe.skipIf(!node)('devices of buses', () => {
  /** Buses as sysfs shows them. The directories that name interfaces are made up. */
  function bus(kind: 'pci' | 'auxiliary', name: string, ...below: string[]): string {
    const path = `/sys/bus/${kind}/devices/${name}`;
    for (const one of below) mkdirSync(`${path}/${one}`, { recursive: true });
    return path;
  }

  test.each([
    ['PCI', { pciBusID: '0000:01:00.0' }],
    ['virtio', { pciBusID: '0000:02:00.0' }],
    ['PCI, of the runtime', { pciBusID: '0000:09:00.0', runtimeConfig: { deviceID: '0000:01:00.0' } }],
    ['auxiliary, of the runtime', { runtimeConfig: { deviceID: 'mlx5_core.sf.4' } }],
    ['user space, of the runtime', { runtimeConfig: { deviceID: '0000:03:00.0' } }],
  ])('%s', async (name, keys) => {
    coverWithTmpfs('/sys/bus');
    const drivers = ['mlx5_core', 'virtio-pci', 'vfio-pci'];
    const below = [['net/up0'], ['virtio0/net/up0'], ['iommu']];
    for (const [index, driver] of drivers.entries()) {
      const path = bus('pci', `0000:0${index + 1}:00.0`, ...(below[index] ?? []));
      symlinkSync(`../../../bus/pci/drivers/${driver}`, `${path}/driver`);
    }
    bus('auxiliary', 'mlx5_core.sf.4', 'net/up0');
    device();
    const pod = node.container();
    const conf = { ...withAddresses, device: '', ...keys };
    const result = await node.ok('ADD', conf, pod);
    const moved = !name.startsWith('user space');
    expect(hostLinks()).toEqual(moved ? [] : ['up0']);
    const mac = moved ? { mac: expect.any(String) } : {};
    expect(result['interfaces']).toEqual([{ name: 'eth0', sandbox: pod.netns, ...mac }]);
    expect(result['ips']).toEqual([{ interface: 0, address: '10.72.0.2/24', gateway: '10.72.0.1' }]);
    await node.ok('CHECK', node.withPrevious(conf, result), pod);
    await node.ok('DEL', conf, pod);
    expect([hostLinks(), node.addresses('devices')]).toEqual([['up0'], []]);
    run('umount', '/sys/bus');
  });
});

describe.skipIf(!node || !go)('host-device beside upstream’s', () => {
  test('each gives back what the other took', async () => {
    device();
    for (const [adds, deletes] of [
      ['ours', 'theirs'],
      ['theirs', 'ours'],
    ]) {
      const pod = node.container();
      const call = async (
        by: string | undefined,
        command: 'ADD' | 'CHECK' | 'DEL',
        of: Json,
      ): Promise<Json> => {
        if (by === 'ours') return node.ok(command, of, pod);
        const answer = node.exec(go, command, of, pod, { CNI_PATH: go });
        if (answer.code !== 0) throw new Error(`${command}: ${answer.stdout}`);
        return answer.json;
      };
      const result = await call(adds, 'ADD', withAddresses);
      expect(hostLinks()).toEqual([]);
      await call(deletes, 'CHECK', node.withPrevious(withAddresses, result));
      await call(deletes, 'DEL', node.withPrevious(withAddresses, result));
      // Upstream's knows nothing of the note; a DEL of ours, or a GC, takes it.
      if (deletes === 'theirs') await node.ok('GC', gc(withAddresses));
      isBack();
    }
  });
});
