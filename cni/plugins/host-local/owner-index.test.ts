import {
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, list, TestNode } from '../testing/node.ts';
import { AddressStore } from './store.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
const data = '/var/lib/cni/networks';
const index = `${data}/.underpod`;
afterEach(() => node?.reset());

function conf(name: string, subnet: string = '10.1.0.0/24'): Json {
  return {
    cniVersion: '1.0.0',
    name,
    type: 'host-local',
    ipam: { type: 'host-local', ranges: [[{ subnet }]] },
  };
}

function pod(id: string, ifname: string = 'eth0'): Container {
  return { id, ifname, netns: '/nonexistent' };
}

const entries = (name: string): string[] => list(`${index}/${name}`).filter((one) => one.includes(':'));
const isIndexed = (name: string): boolean => new AddressStore(`${data}/${name}`).isIndexed;

describe.skipIf(!node)('the index of owners', () => {
  test('is complete after the first DEL, stays so, and is then all that is looked at', async () => {
    const net = conf('net');
    for (const id of ['a', 'b', 'c']) await node.ok('ADD', net, pod(id));
    await node.ok('DEL', net, pod('a'));
    expect([isIndexed('net'), entries('net')]).toEqual([true, ['b:eth0.0', 'c:eth0.0']]);
    await node.ok('ADD', net, pod('d'));
    expect(isIndexed('net')).toBe(true);
    // Written behind the index's back with the time put right again: a look at all files would find it.
    const { mtime } = statSync(`${data}/net`);
    writeFileSync(`${data}/net/10.1.0.99`, 'd\r\neth0');
    utimesSync(`${data}/net`, mtime, mtime);
    await node.ok('DEL', net, pod('d'));
    expect(node.addresses('net')).toEqual(['10.1.0.3', '10.1.0.4', '10.1.0.99']);
    expect(entries('net')).toEqual(['b:eth0.0', 'c:eth0.0']);
  });

  test.skipIf(!go)('what upstream adds and removes does not go unseen', async () => {
    const net = conf('net');
    await node.ok('ADD', net, pod('ours'));
    await node.ok('DEL', net, pod('nobody'));
    expect(isIndexed('net')).toBe(true);
    expect(node.exec(go, 'ADD', net, pod('theirs')).code).toBe(0);
    expect(isIndexed('net')).toBe(false);
    expect((await node.call('ADD', net, pod('theirs'))).json['msg']).toMatch(/has already been given/);
    // Seen by then, and in the index.
    expect([isIndexed('net'), entries('net')]).toEqual([true, ['ours:eth0.0', 'theirs:eth0.0']]);
    expect(node.exec(go, 'DEL', net, pod('ours')).code).toBe(0);
    expect(isIndexed('net')).toBe(false);
    await node.ok('ADD', net, pod('ours'));
    await node.ok('DEL', net, pod('theirs'));
    await node.ok('DEL', net, pod('ours'));
    expect(node.addresses('net')).toEqual([]);
  });

  test('an ADD that was killed at any point is found by DEL', async () => {
    const net = conf('net');
    await node.ok('ADD', net, pod('first'));
    await node.ok('DEL', net, pod('first'));
    // The entry, and then the file but not yet the stamp.
    symlinkSync('10.1.0.50', `${index}/net/killed:eth0.0`);
    await node.ok('DEL', net, pod('killed'));
    symlinkSync('10.1.0.50', `${index}/net/killed:eth0.0`);
    writeFileSync(`${data}/net/10.1.0.50`, 'killed\r\neth0');
    await node.ok('DEL', net, pod('killed'));
    expect([node.addresses('net'), entries('net')]).toEqual([[], []]);
    // Also where the index is not complete yet.
    unlinkSync(`${index}/net/stamp`);
    symlinkSync('10.1.0.50', `${index}/net/killed:eth0.0`);
    await node.ok('DEL', net, pod('killed'));
    expect(entries('net')).toEqual([]);
    // And by a version without an index: a file without an entry.
    writeFileSync(`${data}/net/10.1.0.51`, 'killed\r\neth0');
    await node.ok('DEL', net, pod('killed'));
    expect(node.addresses('net')).toEqual([]);
  });

  test('an entry that leads to somebody else’s address takes nothing', async () => {
    const net = conf('net');
    await node.ok('ADD', net, pod('a'));
    await node.ok('DEL', net, pod('nobody'));
    symlinkSync('10.1.0.2', `${index}/net/thief:eth0.0`);
    symlinkSync('nonsense', `${index}/net/thief:eth0.1`);
    await node.ok('DEL', net, pod('thief'));
    expect([node.addresses('net'), entries('net')]).toEqual([['10.1.0.2'], ['a:eth0.0']]);
  });

  test('several addresses, several interfaces, old records and long names', async () => {
    const net = {
      ...conf('net'),
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]] },
    };
    const long = pod('x'.repeat(250));
    for (const one of [pod('a'), pod('a', 'eth1'), long]) await node.ok('ADD', net, one);
    writeFileSync(`${data}/net/10.1.0.90`, 'old\n');
    await node.ok('DEL', net, pod('nobody'));
    expect(isIndexed('net')).toBe(true);
    expect(entries('net')).toEqual(['a:eth0.0', 'a:eth0.1', 'a:eth1.0', 'a:eth1.1', 'old:.0']);
    await node.ok('DEL', net, pod('a'));
    await node.ok('DEL', net, pod('old'));
    await node.ok('DEL', net, long);
    expect(node.addresses('net')).toEqual(['10.1.0.3', 'fd00::3']);
    await node.ok('DEL', net, pod('a', 'eth1'));
    expect(list(`${index}/net`)).toEqual(['stamp']);
  });

  test('an address that is given back while it is being completed leaves no entry', async () => {
    const net = conf('net');
    for (const id of ['a', 'b']) await node.ok('ADD', net, pod(id));
    const store = new AddressStore(`${data}/net`);
    const before = store.reservations();
    expect(before).toHaveLength(2);
    // The same owners' entries, as if they had never been made, and a DEL between the reading and the noting.
    rmSync(`${index}/net`, { recursive: true });
    unlinkSync(`${data}/net/10.1.0.2`);
    store.reservations = () => before;
    store.completeIndex();
    expect(entries('net')).toEqual(['b:eth0.0']);
  });

  test('GC completes it and removes what leads to nothing', async () => {
    const net = { ...conf('net'), cniVersion: '1.1.0' };
    for (const id of ['a', 'b']) await node.ok('ADD', net, pod(id));
    symlinkSync('10.1.0.50', `${index}/net/gone:eth0.0`);
    await node.ok('GC', { ...net, 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] });
    expect([isIndexed('net'), entries('net')]).toEqual([true, ['a:eth0.0']]);
  });

  test('is made anew when it or the addresses were removed', async () => {
    const net = conf('net');
    for (const id of ['a', 'b']) await node.ok('ADD', net, pod(id));
    await node.ok('DEL', net, pod('nobody'));
    rmSync(index, { recursive: true });
    await node.ok('DEL', net, pod('a'));
    expect([node.addresses('net'), entries('net'), isIndexed('net')]).toEqual([
      ['10.1.0.3'],
      ['b:eth0.0'],
      true,
    ]);
    rmSync(`${data}/net`, { recursive: true });
    await node.ok('ADD', net, pod('c'));
    await node.ok('DEL', net, pod('b'));
    expect(node.addresses('net')).toEqual(['10.1.0.2']);
  });

  test('where it cannot be written all works without', async () => {
    const net = conf('net');
    mkdirSync(data, { recursive: true });
    writeFileSync(index, 'in the way');
    await node.ok('ADD', net, pod('a'));
    expect((await node.call('ADD', net, pod('a'))).code).toBe(1);
    await node.ok('ADD', net, pod('b'));
    await node.ok('DEL', net, pod('a'));
    expect(node.addresses('net')).toEqual(['10.1.0.3']);
    await node.ok('GC', { ...net, cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] });
    expect(node.addresses('net')).toEqual([]);
  });
});

describe.skipIf(!node)('a range that is nearly full', () => {
  const fill = (name: string, from: number, to: number): void => {
    mkdirSync(`${data}/${name}`, { recursive: true });
    for (let n = from; n <= to; n++)
      writeFileSync(`${data}/${name}/10.9.${n >> 8}.${n & 255}`, `c${n}\r\neth0`);
  };
  const given = async (net: Json, id: string): Promise<string> =>
    ((await node.ok('ADD', net, pod(id)))['ips'] as { address: string }[])[0]?.address ?? '';

  test('gives out what is free, in order, and finds what is released', async () => {
    const net = conf('net', '10.9.0.0/22');
    fill('net', 2, 900);
    writeFileSync(`${data}/net/last_reserved_ip.0`, '10.9.0.5');
    expect(await given(net, 'a')).toBe('10.9.3.133/22');
    unlinkSync(`${data}/net/10.9.1.1`);
    writeFileSync(`${data}/net/last_reserved_ip.0`, '10.9.0.5');
    // Marked as taken, and released by somebody who knows no marks: found when nothing else is left.
    expect(await given(net, 'b')).toBe('10.9.3.134/22');
    await node.ok('DEL', net, pod('c700'));
    writeFileSync(`${data}/net/last_reserved_ip.0`, '10.9.0.5');
    expect(await given(net, 'c')).toBe('10.9.2.188/22');
    fill('net', 903, 1022);
    expect(await given(net, 'd')).toBe('10.9.1.1/22');
    expect((await node.call('ADD', net, pod('e'))).json).toMatchObject({ code: 11 });
    expect(readdirSync(`${index}/net`)).toContain('taken-4-a09');
  });

  test('marks that say nonsense cost time only', async () => {
    const net = conf('net', '10.9.0.0/24');
    fill('net', 2, 100);
    mkdirSync(`${index}/net`, { recursive: true });
    writeFileSync(`${index}/net/taken-4-a09`, Buffer.alloc(20_000, 0xff));
    writeFileSync(`${data}/net/last_reserved_ip.0`, '10.9.0.5');
    expect(await given(net, 'a')).toBe('10.9.0.101/24');
    writeFileSync(`${index}/net/taken-4-a09`, 'short');
    writeFileSync(`${data}/net/last_reserved_ip.0`, '10.9.0.5');
    expect(await given(net, 'b')).toBe('10.9.0.102/24');
    await node.ok('DEL', net, pod('b'));
  });
});
