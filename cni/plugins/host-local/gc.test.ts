import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tryLock } from '../../../shared/sys/lock.ts';
import { dispatch } from '../../protocol/dispatch.ts';
import { attachmentHash } from '../common/attachment.ts';
import { heldLockVariable, lockAttachment, lockDirectory } from '../common/attachment-lock.ts';
import { loadPlugin } from '../registry.ts';
import type { Container, Json } from '../testing/node.ts';
import { list, TestNode } from '../testing/node.ts';

const node = TestNode.enter();
const data = '/var/lib/cni/networks';

function conf(name: string, ipam: Json = { subnet: '10.1.0.0/29' }, more: Json = {}): Json {
  return { cniVersion: '1.1.0', name, type: 'host-local', ipam: { type: 'host-local', ...ipam }, ...more };
}

function pod(id: string, ifname: string = 'eth0'): Container {
  return { id, ifname, netns: '/nonexistent' };
}

describe.skipIf(!node)('GC of addresses', () => {
  const { ok } = bind(node as TestNode);
  const valid = (...pods: Container[]): Json => ({
    'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
  });

  test('removes what is not valid, old and empty files as well, and nothing else', async () => {
    const network = conf('gc', { subnet: '10.1.0.0/24' });
    for (const id of ['a', 'b', 'c']) await ok('ADD', network, pod(id));
    await ok('ADD', network, pod('b', 'eth1'));
    writeFileSync(`${data}/gc/10.1.0.50`, 'a\n');
    writeFileSync(`${data}/gc/10.1.0.51`, 'old\n');
    writeFileSync(`${data}/gc/10.1.0.52`, '');
    writeFileSync(`${data}/gc/10.1.0.53`, '\0corrupt');
    writeFileSync(`${data}/gc/.10.1.0.9.123.1.tmp`, 'x');
    writeFileSync(`${data}/gc/note.txt`, 'not ours');
    await ok('GC', { ...network, ...valid(pod('a'), pod('b', 'eth1')) });
    expect(list(`${data}/gc`)).toEqual([
      '10.1.0.2',
      '10.1.0.5',
      '10.1.0.50',
      'last_reserved_ip.0',
      'lock',
      'note.txt',
    ]);
  });

  test('without the list of valid attachments removes nothing', async () => {
    const network = conf('careless');
    await ok('ADD', network, pod('a'));
    await ok('GC', network);
    expect(node?.addresses('careless')).toEqual(['10.1.0.2']);
  });

  test('touches its own network only', async () => {
    await ok('ADD', conf('one'), pod('a'));
    await ok('ADD', conf('two'), pod('a'));
    await ok('GC', { ...conf('one'), ...valid() });
    expect([node?.addresses('one'), node?.addresses('two')]).toEqual([[], ['10.1.0.2']]);
  });

  test('keeps an attachment whose ADD is still running, and its lock', async () => {
    const network = conf('running');
    await ok('ADD', network, pod('a'));
    const key = { network: 'running', containerId: 'a', ifname: 'eth0' };
    {
      using _running = lockAttachment(key);
      await ok('GC', { ...network, ...valid() });
      expect(node?.addresses('running')).toEqual(['10.1.0.2']);
      expect(node?.locks()).toHaveLength(1);
    }
    await ok('GC', { ...network, ...valid() });
    expect(node?.addresses('running')).toEqual([]);
    expect(node?.locks()).toEqual([]);
  });

  test('removes lock files of calls that were killed', async () => {
    rmSync(lockDirectory, { recursive: true, force: true });
    tryLock(`${lockDirectory}/0123.lock`)?.release();
    expect(node?.locks()).toEqual(['0123.lock']);
    await ok('GC', { ...conf('locks'), ...valid() });
    expect(node?.locks()).toEqual([]);
  });
});

describe.skipIf(!node)('the attachment’s lock', () => {
  test('is not waited for by a plugin that is executed under the one that holds it', async () => {
    const key = { network: 'nested', containerId: 'a', ifname: 'eth0' };
    using _held = lockAttachment(key);
    const plugin = loadPlugin('host-local', attachmentHash(key));
    expect(heldLockVariable).toBe('UNDERPOD_CNI_LOCK');
    const answer = await dispatch(plugin as NonNullable<typeof plugin>, {
      env: { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_IFNAME: 'eth0', CNI_NETNS: '/x', CNI_PATH: '/x' },
      stdin: () => new TextEncoder().encode(JSON.stringify(conf('nested'))),
    });
    expect(answer.exitCode).toBe(0);
  });
});

function bind(testNode: TestNode): Pick<TestNode, 'call' | 'ok'> {
  return {
    call: (...args) => testNode.call(...args),
    ok: (...args) => testNode.ok(...args),
  };
}
