import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { writeFile } from '../../../shared/sys/file.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { GcRequest } from '../../protocol/plugin.ts';
import { network } from '../testing/bridge.ts';
import { list, read, TestNode } from '../testing/node.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash } from './attachment.ts';
import { lockAttachment, lockPath } from './attachment-lock.ts';
import { execPlugin } from './exec-plugin.ts';
import { Keep } from './keep.ts';
import { prepareGcMasquerade } from './masquerade-gc.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => {
  rmSync('/run/bin', { recursive: true, force: true });
  node?.reset();
});

const key: AttachmentKey = { network: 'n', containerId: 'abc', ifname: 'eth0' };

/** GC of a plugin that writes down what it was told. */
async function foreignGc(keep: Keep): Promise<void> {
  mkdirSync('/run/bin', { recursive: true });
  writeFileSync('/run/bin/foreign', '#!/bin/sh\ncat > /run/bin/stdin\n', { mode: 0o755 });
  const conf = netConfFromObject({ cniVersion: '1.1.0', name: 'n', type: 'foreign' });
  const env = { command: 'GC', args: { text: '' }, path: ['/run/bin'] } as unknown as GcRequest['env'];
  await (await execPlugin('foreign').prepareGc({ conf, env, valid: [] }))(keep);
}

describe.skipIf(!node)('a delegate of another project', () => {
  test('is told of an attachment that was kept by its hash, once its call says whose it is', async () => {
    const keep = new Keep('n', []);
    using _running = lockAttachment(key);
    expect(keep.claimHash(attachmentHash(key))).toBeUndefined();
    await foreignGc(keep);
    expect(JSON.parse(read('/run/bin/stdin'))).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: 'abc', ifname: 'eth0' }],
    });
  });

  test('is not called while nobody tells what is kept', async () => {
    const keep = new Keep('n', []);
    using _running = lockAttachment(key);
    writeFile(lockPath(key), '');
    expect(keep.claimHash(attachmentHash(key))).toBeUndefined();
    await expect(foreignGc(keep)).rejects.toMatchObject({
      code: 11,
      message: expect.stringMatching(/left out/),
    });
    expect(list('/run/bin')).toEqual(['foreign']);
  });
});

describe.skipIf(!node)('GC of rules whose comments were cut', () => {
  test('leaves those made since it looked', async () => {
    const net = network({ ipMasq: true });
    const pod = { ...node.container(), id: 'c'.repeat(100) };
    await node.ok('ADD', net, pod);
    const remove = prepareGcMasquerade(String(net['name']));
    const keep = new Keep(String(net['name']), []);
    await node.ok('DEL', net, pod);
    await node.ok('ADD', net, pod);
    const [comment] = node.masqueradeRules();
    expect(Buffer.byteLength(comment ?? '')).toBe(128);
    remove(keep);
    expect(node.masqueradeRules()).toEqual([comment]);
    prepareGcMasquerade(String(net['name']))(keep);
    expect(node.masqueradeRules()).toEqual([]);
    await node.ok('DEL', net, pod);
  });
});
