import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main as apply } from './apply.ts';
import { main as backup } from './backup.ts';
import { main as remove } from './delete.ts';
import { main as get } from './get.ts';
import { main as restore } from './restore.ts';
import { CommandBench } from './store/testing.ts';

const node = '{apiVersion: v1, kind: Node, metadata: {name: a}, spec: {podCIDR: 10.0.1.0/24}}';

test('there and back', async () => {
  using bench = new CommandBench();
  await bench.run(apply, ['-f', '-'], node);
  const file = join(bench.directory, 'backup.db');
  const made = await bench.run(backup, [file]);
  expect(made).toEqual({
    code: 0,
    out: expect.stringMatching(/backup\.db: 1 object, \d+ bytes\n$/),
    err: '',
  });
  await bench.run(remove, ['node/a']);
  expect(await bench.run(restore, [file])).toEqual({ code: 0, out: `${file}: 1 object restored\n`, err: '' });
  expect((await bench.run(get, ['no', '-o', 'name'])).out).toBe('node/a\n');
});

test('into a store that is damaged, and into none', async () => {
  using bench = new CommandBench();
  await bench.run(apply, ['-f', '-'], node);
  const file = join(bench.directory, 'backup.db');
  await bench.run(backup, [file]);
  writeFileSync(bench.store, 'garbage');
  const ran = await bench.run(restore, [file]);
  expect([ran.code, ran.out]).toEqual([0, `${file}: 1 object restored\n`]);
  expect(ran.err).toMatch(/the store was damaged \(.*\); it is now .*damaged-/);
  using empty = new CommandBench();
  expect((await empty.run(restore, [file])).code).toBe(0);
  expect((await empty.run(get, ['no', '-o', 'name'])).out).toBe('node/a\n');
});

test('a bad backup touches nothing, not even a damaged store', async () => {
  using bench = new CommandBench();
  const bad = bench.file('bad.db', 'garbage too');
  const ran = await bench.run(restore, [bad]);
  expect(ran.code).toBe(1);
  expect(ran.err).toMatch(/bad\.db is damaged/);
  expect(existsSync(bench.store)).toBe(false);
  bench.file('store.db', 'garbage');
  expect((await bench.run(restore, [bad])).code).toBe(1);
  expect(readFileSync(bench.store, 'utf8')).toBe('garbage');
});

test.each([backup, restore])('arguments', async (command) => {
  using bench = new CommandBench();
  expect((await bench.run(command, [])).code).toBe(2);
  expect((await bench.run(command, ['a', 'b'])).code).toBe(2);
  expect((await bench.run(command, ['--help'])).out).toMatch(
    /usage: underpod (backup|restore) FILE[\s\S]*--store/,
  );
  expect((await bench.run(command, [join(bench.directory, 'none')])).code).toBe(1);
});
