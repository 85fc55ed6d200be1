import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { main } from './copy.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/underpod-copy-`);
  writeFileSync(`${dir}/program`, 'program', { mode: 0o755 });
});
afterEach(() => rmSync(dir, { recursive: true }));

test('copies content and mode, over what is there', () => {
  writeFileSync(`${dir}/flannel`, 'older and longer', { mode: 0o600 });
  expect(main(['-f', `${dir}/program`, `${dir}/flannel`])).toBe(0);
  expect(readFileSync(`${dir}/flannel`, 'utf8')).toBe('program');
  expect(lstatSync(`${dir}/flannel`).mode & 0o777).toBe(0o755);
  expect(readdirSync(dir).sort()).toEqual(['flannel', 'program']);
});

test('follows a link that it reads, and replaces one that it writes', () => {
  writeFileSync(`${dir}/executable`, 'of the node');
  symlinkSync(`${dir}/program`, `${dir}/from`);
  symlinkSync(`${dir}/executable`, `${dir}/to`);
  expect(main([`${dir}/from`, `${dir}/to`])).toBe(0);
  expect(lstatSync(`${dir}/to`).isSymbolicLink()).toBe(false);
  expect(readFileSync(`${dir}/to`, 'utf8')).toBe('program');
  expect(readFileSync(`${dir}/executable`, 'utf8')).toBe('of the node');
});

test('copies into a directory', () => {
  mkdirSync(`${dir}/net.d`);
  expect(main([`${dir}/program`, `${dir}/net.d`])).toBe(0);
  expect(existsSync(`${dir}/net.d/program`)).toBe(true);
});

test.each([
  ['a flag that it does not know', () => ['-r', dir, `${dir}/other`], 2],
  ['one argument', () => [`${dir}/program`], 2],
  ['a file that is not there', () => [`${dir}/nothing`, `${dir}/to`], 1],
])('fails with its reason, and leaves nothing: %s', (_what, args, code) => {
  expect(main(args())).toBe(code);
  expect(readdirSync(dir)).toEqual(['program']);
});
