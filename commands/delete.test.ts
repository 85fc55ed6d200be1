import { expect, test } from 'vitest';
import { parseNetConf } from '../shared/config/net-conf.ts';
import { EmbeddedRegistry } from '../shared/store/embedded/registry.ts';
import { main as apply } from './apply.ts';
import { main as remove } from './delete.ts';
import { main as get } from './get.ts';
import { CommandBench } from './store/testing.ts';

const networks = parseNetConf('{"Network":"10.244.0.0/16"}');

test('a node goes with its lease, and a running watch hears of it at once', async () => {
  using bench = new CommandBench();
  using store = bench.open();
  const registry = new EmbeddedRegistry(store, { networks });
  await registry.acquire({ name: 'a', backend: { type: 'vxlan' } });
  const watch = registry.watch((await registry.list()).version, new AbortController().signal);
  const next = watch.next();
  expect(await bench.run(remove, ['node/a'])).toEqual({ code: 0, out: 'node/a deleted\n', err: '' });
  expect((await next).value?.events).toEqual([{ type: 'removed', node: 'a', reason: 'deleted' }]);
  await watch.return();
  expect((await bench.run(get, ['no,leases', '-A', '-o', 'name'])).out).toBe('');
});

test('several objects, in every spelling', async () => {
  using bench = new CommandBench();
  const pod = (name: string): string =>
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: x}}\n---\n`;
  await bench.run(apply, ['-f', '-'], pod('a') + pod('b') + pod('c'));
  expect((await bench.run(remove, ['pods', 'a', 'b', '-n', 'x'])).out).toBe('pod/a deleted\npod/b deleted\n');
  const ran = await bench.run(remove, ['po/c', 'po/d', '--namespace=x']);
  expect(ran).toEqual({
    code: 1,
    out: 'pod/c deleted\n',
    err: 'underpod delete: pod/d in namespace x does not exist\n',
  });
  expect(await bench.run(remove, ['po/d', '--ignore-not-found'])).toEqual({ code: 0, out: '', err: '' });
});

test('a kind without a name deletes nothing', async () => {
  using bench = new CommandBench();
  const ran = await bench.run(remove, ['nodes']);
  expect([ran.code, ran.out]).toEqual([2, '']);
  expect(ran.err).toContain('underpod delete node/NAME');
  expect((await bench.run(remove, ['--help'])).out).toContain('--ignore-not-found');
});
