import { describe, expect, test } from 'vitest';
import { freshNetns, TemporaryDirectory } from '../testing/netns.ts';
import { etcdProgram } from './program.ts';
import { Etcd } from './server.ts';

// Fetched where it is missing, before the test leaves the network of the machine.
const fetched = etcdProgram();
const program = freshNetns() ? fetched : undefined;

describe.skipIf(!program)('an etcd of a test', () => {
  test.each([false, true])('keeps its data over a kill and a restart, certificates: %s', async (tls) => {
    using directory = new TemporaryDirectory();
    await using etcd = await Etcd.start({ program: program ?? '', directory: directory.path, tls });
    const { ID } = await etcd.call<{ ID: string }>('lease/grant', { TTL: 100 });
    await etcd.put('/a/1', 'ä');
    await etcd.put('/a/2', 'two', ID);
    await etcd.put('/b', 'other');
    await etcd.daemon.kill();
    await etcd.daemon.start();
    expect(await etcd.list('/a/')).toEqual([
      { key: '/a/1', value: 'ä', lease: '0' },
      { key: '/a/2', value: 'two', lease: ID },
    ]);
    expect((await etcd.lease(ID)).granted).toBe(100);
    await etcd.revoke(ID);
    expect((await etcd.list('/a/')).map(({ key }) => key)).toEqual(['/a/1']);
    if (tls)
      await expect(
        fetch(`${etcd.endpoint}/health`, { tls: { ca: etcd.authority?.cert } } as RequestInit),
      ).rejects.toThrow();
  });

  test('answers nobody while it is paused', async () => {
    using directory = new TemporaryDirectory();
    await using etcd = await Etcd.start({ program: program ?? '', directory: directory.path });
    await etcd.daemon.pause();
    const asked = etcd.list('/');
    expect(await Promise.race([asked, Bun.sleep(100).then(() => 'silent')])).toBe('silent');
    etcd.daemon.resume();
    expect(await asked).toEqual([]);
  });

  test('that does not come up says why', async () => {
    using directory = new TemporaryDirectory();
    const start = Etcd.start({
      program: program ?? '',
      directory: directory.path,
      flags: ['--no-such-flag'],
    });
    await expect(start).rejects.toThrow(/^etcd ended \(\d+\)\n/);
  });
});
