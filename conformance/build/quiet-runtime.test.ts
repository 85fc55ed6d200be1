import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { executable } from './executable.ts';

let underpod = '';
const directory = mkdtempSync(`${tmpdir()}/underpod-quiet-`);

beforeAll(() => {
  underpod = executable();
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true }));

/** What the kernel knows of an agent that waits for its etcd, which is not there. */
async function startAgent(
  calledAs: string,
  args: string[],
): Promise<Record<'environ' | 'comm' | 'cmdline', string>> {
  const child = Bun.spawn({
    cmd: [
      'setpriv',
      '--pdeathsig',
      'KILL',
      '--',
      ...[calledAs, ...args, '--etcd-endpoints=http://127.0.0.1:1', `--state-dir=${directory}/state`],
      ...[`--run-dir=${directory}/run`, '--healthz-port=0', '--metrics-port=0'],
    ],
    env: { PATH: process.env['PATH'] ?? '', NODE_NAME: 'node-1' },
    stdout: 'ignore',
    stderr: 'pipe',
  });
  try {
    const { value } = await child.stderr.getReader().read();
    expect(new TextDecoder().decode(value)).toContain('starting');
    const of = (name: string): string => readFileSync(`/proc/${child.pid}/${name}`, 'utf8');
    return { environ: of('environ'), comm: of('comm'), cmdline: of('cmdline') };
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

test('a program that stays runs with a runtime that does not wake it, under its own name and number', async () => {
  const { environ, comm, cmdline } = await startAgent(underpod, ['agent']);
  expect(environ.split('\0')).toEqual(
    expect.arrayContaining([
      'BUN_GC_TIMER_DISABLE=1',
      'MIMALLOC_SCAVENGER=0',
      'BUN_JSC_useDFGJIT=0',
      'NODE_NAME=node-1',
    ]),
  );
  expect(comm).toMatch(/^underpod/);
  expect(cmdline).toContain(`${underpod}\0agent\0--etcd-endpoints=`);
});

test('called by another name, that is its name all the time', async () => {
  const link = `${directory}/flanneld`;
  symlinkSync(underpod, link);
  const { environ, comm, cmdline } = await startAgent(link, []);
  expect(environ).toContain('BUN_GC_TIMER_DISABLE=1');
  expect(comm).toBe('flanneld\n');
  expect(cmdline.startsWith(`${link}\0--etcd`)).toBe(true);
});
