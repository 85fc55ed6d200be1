import { chmodSync, closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import type { Answer } from '../protocol/dispatch.ts';
import { ExecRunner } from './exec-runner.ts';
import type { PluginCall } from './plugin-runner.ts';

let dir: TemporaryDirectory;
beforeEach(() => {
  dir = new TemporaryDirectory();
});
afterEach(() => dir[Symbol.dispose]());

function script(name: string, body: string): void {
  writeFileSync(dir.join(name), `#!/bin/sh\n${body}\n`);
  chmodSync(dir.join(name), 0o755);
}

function run(type: string, more: Partial<PluginCall> = {}): Promise<Answer> {
  const call: PluginCall = {
    type,
    variables: { CNI_COMMAND: 'ADD', CNI_ARGS: '' },
    stdin: new TextEncoder().encode('the configuration'),
    path: [dir.join('none'), dir.path],
    ...more,
  };
  return new ExecRunner().run(call);
}

/** Resolves once the script has written the file. */
async function appears(file: string): Promise<void> {
  while (!existsSync(file)) await new Promise((resolve) => setImmediate(resolve));
}

describe('ExecRunner', () => {
  test('gives environment and stdin, takes stdout, stderr and exit status', async () => {
    script('p', 'echo "$CNI_COMMAND $0"; cat; echo log >&2; exit 7');
    const answer = await run('p');
    expect(answer).toEqual({
      stdout: `ADD ${dir.join('p')}\nthe configuration`,
      stderr: 'log\n',
      exitCode: 7,
    });
  });

  test('hands on our environment, without what changes a program that Bun compiled', async () => {
    process.env['UNDERPOD_TEST'] = 'here';
    process.env['BUN_OPTIONS'] = '--smol';
    try {
      script('p', 'env');
      const { stdout } = await run('p');
      expect(stdout).toContain('UNDERPOD_TEST=here');
      expect(stdout).not.toContain('BUN_OPTIONS');
    } finally {
      delete process.env['UNDERPOD_TEST'];
      delete process.env['BUN_OPTIONS'];
    }
  });

  test('a plugin that does not read its stdin is no failure', async () => {
    script('p', 'echo ok');
    expect(await run('p', { stdin: new Uint8Array(4_000_000) })).toMatchObject({
      stdout: 'ok\n',
      exitCode: 0,
    });
  });

  test('says what is wrong with a file that cannot be started', async () => {
    await expect(run('missing')).rejects.toMatchObject({
      code: 5,
      message: expect.stringContaining('not found in'),
    });
    await expect(run('p', { path: [] })).rejects.toThrow('CNI_PATH is empty');
    script('p', '');
    chmodSync(dir.join('p'), 0o644);
    await expect(run('p')).rejects.toThrow('make it executable');
    writeFileSync(dir.join('q'), 'no program', { mode: 0o755 });
    await expect(run('q')).rejects.toThrow('it is no program');
  });

  test('waits for a file that is being written', async () => {
    writeFileSync(dir.join('p'), readFileSync('/bin/true'), { mode: 0o755 });
    const fd = openSync(dir.join('p'), 'r+');
    const answer = run('p');
    // The first attempt is made before `run` returns.
    closeSync(fd);
    expect(await answer).toMatchObject({ exitCode: 0 });
  });

  test('an abort kills the plugin and what it has started', async () => {
    script(
      'p',
      `(sleep 60; echo) & echo $! > ${dir.join('pid')}.new; mv ${dir.join('pid')}.new ${dir.join('pid')}; wait`,
    );
    const stop = new AbortController();
    const answer = run('p', { signal: stop.signal });
    await appears(dir.join('pid'));
    stop.abort();
    await expect(answer).rejects.toThrow('plugin p (ADD) was stopped');
    const pid = Number(readFileSync(dir.join('pid'), 'utf8'));
    // Its output pipe was open in the child too: the answer came, so the child has exited; at most it is a zombie.
    const state = existsSync(`/proc/${pid}/stat`)
      ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2]
      : 'gone';
    expect(['gone', 'Z', 'X']).toContain(state);
  });

  test('is not started after an abort', async () => {
    script('p', `touch ${dir.join('started')}`);
    await expect(run('p', { signal: AbortSignal.abort() })).rejects.toThrow('was stopped');
    expect(existsSync(dir.join('started'))).toBe(false);
  });

  test('a plugin that prints for ever is killed', async () => {
    script('p', 'exec yes');
    await expect(run('p')).rejects.toThrow('printed more than');
  });
});
