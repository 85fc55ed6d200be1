import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { findProgram, type Output, type Run, runProgram } from './run-program.ts';

let dir: TemporaryDirectory;
beforeEach(() => {
  dir = new TemporaryDirectory();
});
afterEach(() => dir[Symbol.dispose]());

function run(body: string, more: Partial<Run> = {}): Promise<Output> {
  const file = dir.join('p');
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return start({ file, ...more });
}

function start(more: Partial<Run>): Promise<Output> {
  return runProgram({ what: 'p', file: dir.join('p'), variables: {}, stdin: new Uint8Array(), ...more });
}

describe('runProgram', () => {
  test('gives stdin, takes both outputs and the exit code', async () => {
    const stdin = new TextEncoder().encode('given');
    expect(await run('cat; echo log >&2; exit 7', { stdin })).toEqual({
      stdout: 'given',
      stderr: 'log\n',
      exitCode: 7,
    });
  });

  test('hands our environment on without what is Bun’s and what is to be left out', async () => {
    const ours = { RUNTEST_A: 'kept', RUNTEST_B: 'left out', BUN_OPTIONS: '--smol', BUN_INSPECT: 'x' };
    Object.assign(process.env, ours);
    try {
      const { stdout } = await run('env', { variables: { RUNTEST_B: undefined, RUNTEST_C: 'new' } });
      const names = stdout.split('\n').filter((line) => /^(RUNTEST|BUN)_/.test(line));
      expect(names.sort()).toEqual(['RUNTEST_A=kept', 'RUNTEST_C=new']);
    } finally {
      for (const name of Object.keys(ours)) delete process.env[name];
    }
  });

  test('tells who it is before it is given anything, and takes more than a pipe holds', async () => {
    const stdin = new Uint8Array(1 << 20).fill(97);
    let told: string | undefined;
    const running = run('head -c 3; echo " $$"; cat | wc -c', {
      stdin,
      onStart: (pid) => (told = String(pid)),
    });
    expect(told).toMatch(/^\d+$/);
    expect((await running).stdout.replace(/\s+/g, ' ')).toBe(`aaa ${told} ${(1 << 20) - 3} `);
    // Who does not read it has no failure for that.
    expect(await run('exit 5', { stdin, onStart: () => {} })).toMatchObject({ exitCode: 5 });
  });

  test('waits for a file that is being written', async () => {
    writeFileSync(dir.join('p'), readFileSync('/bin/true'), { mode: 0o755 });
    const fd = openSync(dir.join('p'), 'r+');
    const output = start({});
    // The first attempt is made before `runProgram` returns.
    closeSync(fd);
    expect(await output).toMatchObject({ exitCode: 0 });
  });

  test('tells errors of the start by their errno', async () => {
    await expect(start({})).rejects.toMatchObject({ code: 'ENOENT', errno: 2 });
    writeFileSync(dir.join('p'), '', { mode: 0o644 });
    await expect(start({})).rejects.toMatchObject({ code: 'EACCES', errno: 13 });
    await expect(start({})).rejects.toThrow('make it executable');
    writeFileSync(dir.join('p'), 'no program');
    chmodSync(dir.join('p'), 0o755);
    await expect(start({})).rejects.toMatchObject({ code: 'ENOEXEC', errno: 8 });
  });

  test.each([
    ['in our process group', undefined],
    ['in a group of its own', new AbortController().signal],
  ])('kills what prints for ever, %s', async (_, signal) => {
    const more = signal ? { signal } : {};
    await expect(run('exec yes', more)).rejects.toMatchObject({ code: 'EFBIG', errno: 27 });
    await expect(run('exec yes >&2', more)).rejects.toThrow('printed more than');
  });

  test('stays in our process group where no signal can kill it alone', async () => {
    const groupOf = async (more: Partial<Run>): Promise<number> =>
      Number((await run('cut -d" " -f5 /proc/$$/stat', more)).stdout);
    const ours = Number(readFileSync('/proc/self/stat', 'utf8').split(' ')[4]);
    expect(await groupOf({})).toBe(ours);
    expect(await groupOf({ signal: new AbortController().signal })).not.toBe(ours);
  });
});

test('findProgram takes the first regular file, through links, and no directory', () => {
  mkdirSync(dir.join('a/p'), { recursive: true });
  mkdirSync(dir.join('b'));
  symlinkSync('/bin/true', dir.join('b/p'));
  mkdirSync(dir.join('c'));
  writeFileSync(dir.join('c/p'), '');
  expect(findProgram('p', [dir.join('a'), dir.join('b'), dir.join('c')])).toBe(dir.join('b/p'));
  symlinkSync('nowhere', dir.join('a/q'));
  symlinkSync('loop', dir.join('a/loop'));
  for (const name of ['q', 'loop', '', '../b/p']) expect(findProgram(name, [dir.join('a')])).toBeUndefined();
});
