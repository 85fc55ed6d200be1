import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { instanceId } from './instance.ts';

test('the id stays, in a directory that is made for it', () => {
  using directory = new TemporaryDirectory();
  const state = directory.join('a/state');
  const id = instanceId(state);
  expect(instanceId(state)).toBe(id);
  expect(statSync(`${state}/agent.id`).mode & 0o777).toBe(0o600);
  expect(readdirSync(state)).toEqual(['agent.id']);
});

test.each([
  ['empty', ''],
  ['a blank line', '\n'],
  ['zeros', '\0'.repeat(37)],
  ['cut off', 'a3f\n'],
])('a file that a power cut left %s is written anew, once', (_what, content) => {
  using directory = new TemporaryDirectory();
  const path = directory.join('agent.id');
  writeFileSync(path, content);
  const id = instanceId(directory.path);
  expect(readFileSync(path, 'utf8')).toBe(`${id}\n`);
  expect(instanceId(directory.path)).toBe(id);
});

test('an id that somebody chose is taken', () => {
  using directory = new TemporaryDirectory();
  writeFileSync(directory.join('agent.id'), 'rack-7.node-12\n');
  expect(instanceId(directory.path)).toBe('rack-7.node-12');
});
