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

test('does nothing within a second when everything is there', () => {
  const started = performance.now();
  expect(setup({}, 'none').code).toBe(0);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('a Node that is too old is refused with what is needed', () => {
  const { code, stderr } = setup({ node: 'echo v18.19.0' });
  expect(code).toBe(1);
  expect(stderr).toContain('v18.19.0 is too old: 20 or later');
});

test('every package of the list has a known group and a reason', () => {
  const lines = readFileSync('scripts/packages.txt', 'utf8').split('\n');
  const entries = lines.filter((line) => line !== '' && !line.startsWith('#'));
  expect(entries.length).toBeGreaterThan(5);
  for (const entry of entries) expect(entry).toMatch(/^\S+ +\S+ +(lab|test|ci) +\S.{10,}$/);
});

test('no registry host is in what npm reads or wrote', () => {
  for (const file of ['package-lock.json', 'package.json', '.npmrc']) {
    expect(readFileSync(file, 'utf8')).not.toMatch(/"resolved"|registry *=/);
  }
});
