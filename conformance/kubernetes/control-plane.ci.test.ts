import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../testing/netns.ts';
import type { KubeApi, KubeObject } from './api.ts';
import { ControlPlane, controlPlaneMissing } from './control-plane.ts';

const missing = controlPlaneMissing();
if (missing !== undefined) process.stderr.write(`skipped: a real kube-apiserver: ${missing}\n`);

const RULES = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list'] }];

describe.skipIf(missing !== undefined || !freshNetns())('a control plane', () => {
  const directory = new TemporaryDirectory();
  let plane: ControlPlane;
  let account: KubeApi;

  beforeAll(async () => {
    plane = await ControlPlane.start({ directory: directory.path });
    await plane.createServiceAccount('tests', 'reader', RULES);
    account = plane.as({ token: await plane.token('tests', 'reader') });
  }, 120_000);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  test('has nodes as a cluster has them, and lets nobody do more than the roles say', async () => {
    const podCidrs = ['10.244.1.0/24', 'fd00:244:1::/64'];
    await plane.createNode({ name: 'a', podCidrs, addresses: ['192.0.2.1'] });
    const { items } = await account.get<{ items: KubeObject[] }>('/api/v1/nodes');
    expect(items.map(({ spec }) => spec?.['podCIDRs'])).toEqual([podCidrs]);
    await expect(account.delete('/api/v1/nodes/a')).rejects.toThrow(/403 .*cannot delete resource "nodes"/);
    const stranger = plane.as(plane.clientCertificate('stranger'));
    await expect(stranger.get('/api/v1/nodes')).rejects.toThrow(/403 .*User "stranger"/);
    await expect(plane.as({ token: 'wrong' }).get('/api/v1/nodes')).rejects.toThrow(/401/);
  });

  test('comes back after a crash with what it had, tokens included', async () => {
    await plane.apiserver.kill();
    await expect(account.get('/readyz')).rejects.toThrow();
    await plane.apiserver.start();
    expect((await account.get('/api/v1/nodes/a')).metadata.name).toBe('a');
  }, 120_000);

  test('hangs without a word while it is paused', async () => {
    await plane.apiserver.pause();
    const asked = account.get('/api/v1/nodes/a');
    expect(await Promise.race([asked, Bun.sleep(100).then(() => 'silent')])).toBe('silent');
    plane.apiserver.resume();
    expect((await asked).metadata.name).toBe('a');
  });
});
