import { mkdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Container, Json } from '../testing/node.ts';
import { list, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const data = '/var/lib/cni/networks';
afterEach(() => node?.reset());

function conf(name: string, ranges: unknown): Json {
  return { cniVersion: '1.1.0', name, type: 'host-local', ipam: { type: 'host-local', ranges } };
}

const pod: Container = { id: 'a', ifname: 'eth0', netns: '/nonexistent' };

describe.skipIf(!node)('an address whose place in the round robin cannot be written', () => {
  test('is not given out, nor are those of the sets before', async () => {
    const net = conf('obstacle', [[{ subnet: '10.1.0.0/29' }], [{ subnet: '10.2.0.0/29' }]]);
    mkdirSync(`${data}/obstacle/last_reserved_ip.1`, { recursive: true });
    const { json } = await node.call('ADD', net, pod);
    expect(json['code']).toBe(5);
    expect(list(`${data}/obstacle`)).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
  });

  test('nor on a full disk', async () => {
    const net = conf('full', [[{ subnet: '10.1.0.0/29' }]]);
    mkdirSync(`${data}/full`, { recursive: true });
    // One inode for the root directory, one for the lock, one for an address.
    run('mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=3', 'tmpfs', `${data}/full`);
    try {
      expect((await node.call('ADD', net, pod)).json).toMatchObject({ code: 5 });
      expect(list(`${data}/full`)).toEqual(['lock']);
      await node.ok('DEL', net, pod);
    } finally {
      run('umount', `${data}/full`);
    }
  });
});
