import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outsidePath } from '../../scripts/outside-path.ts';
import { type Outcome, runCommand } from './executable.ts';

let fakes = '';
beforeAll(() => {
  fakes = mkdtempSync(`${tmpdir()}/underpod-setup-`);
});
afterAll(() => rmSync(fakes, { recursive: true }));

/** The list of Debian packages, each line's words. */
function packages(): string[][] {
  const lines = readFileSync('scripts/packages.txt', 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(/ +/));
}

/** Runs setup with programs of ours in front of the machine's. */
function setup(programs: Record<string, string>, ...groups: string[]): Outcome {
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(`${fakes}/${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${fakes}/${name}`, 0o755);
  }
  try {
    const env = { PATH: `${fakes}:${outsidePath()}`, HOME: process.env['HOME'] ?? '' };
    return runCommand(['scripts/setup', ...groups], { env });
  } finally {
    for (const name of Object.keys(programs)) rmSync(`${fakes}/${name}`);
  }
}

/** What takes setup's time: a question to npm or apt. These two tell that they were asked, and fail. */
const slow = Object.fromEntries(['npm', 'apt-get'].map((name) => [name, `echo "${name} $*" >&2; exit 1`]));

/** A command for each package of the list, so that none is missing. */
const present = Object.fromEntries(packages().map(([, command = '']) => [command, 'exit 0']));

test('asks neither npm nor apt when everything is there', () => {
  const { code, stdout, stderr } = setup({ ...present, ...slow }, 'lab', 'test', 'ci');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toMatch(/needs|install(?!ed \(optional)/);
});

test('asks npm when the lists of packages have changed', () => {
  const { code, stderr } = setup({ ...present, ...slow, sha256sum: 'echo another' }, 'none');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^npm install/m);
});

test('a Node that is too old is refused with what is needed', () => {
  const { code, stderr } = setup({ node: 'echo v18.19.0' });
  expect(code).toBe(1);
  expect(stderr).toContain('v18.19.0 is too old: 20 or later');
});

test('every package of the list has a known group and a reason', () => {
  expect(packages().length).toBeGreaterThan(5);
  for (const entry of packages()) expect(entry.join(' ')).toMatch(/^\S+ \S+ (lab|test|ci) \S.{10,}$/);
});

test('no registry host is in what npm reads or wrote', () => {
  for (const file of ['package-lock.json', 'package.json', '.npmrc']) {
    expect(readFileSync(file, 'utf8')).not.toMatch(/"resolved"|registry *=/);
  }
});
