import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { executable, LabUnderTest, labsAvailable, membersOf } from './lab-under-test.ts';
import { isAlive } from './processes.ts';

/** Resolves when `condition` holds; a kernel's answer is polled, the bound is only for a broken lab. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(2);
  }
}

describe.skipIf(!labsAvailable())('an aborted run', () => {
  /** Moments at which `up` is killed, by what can be seen from outside. */
  const moments: readonly [string, (lab: LabUnderTest, out: () => string) => boolean][] = [
    ['the holder has just started', (lab) => lab.instance.readState() !== undefined],
    ['nodes are being started', (lab) => existsSync(lab.instance.socket)],
    ['checks are running', (_, out) => out().includes('"row"')],
  ];

  test.each(moments)('%s: ends with the command, and down removes the files', async (_, reached) => {
    await using lab = new LabUnderTest('abort');
    let out = '';
    const child = lab.spawn('up', '--binary', executable(), '--nodes', '2', '--ipv', '4', '--json');
    const reading = (async () => {
      for await (const chunk of child.stdout) out += new TextDecoder().decode(chunk);
    })();
    await until(() => reached(lab, () => out), 'the moment to kill');
    const state = lab.instance.readState();
    if (state === undefined) throw new Error('no state was written');
    const members = membersOf(state.parent.pid);
    child.kill('SIGKILL');
    await Promise.all([child.exited, reading]);
    await until(() => !isAlive(state.holder) && !isAlive(state.parent), 'the end of the holder');
    await lab.must('down');
    expect(members.filter(isAlive)).toEqual([]);
    expect(lab.instance.holders()).toEqual([]);
    expect(existsSync(lab.instance.directory)).toBe(false);
  });

  test('Ctrl-C removes everything at once', async () => {
    await using lab = new LabUnderTest('interrupted');
    const child = lab.spawn('up', '--binary', executable(), '--nodes', '2', '--ipv', '4');
    await until(() => existsSync(lab.instance.socket), 'the lab to be built');
    const members = membersOf(lab.instance.readState()?.parent.pid ?? 0);
    child.kill('SIGINT');
    expect(await child.exited).toBe(130);
    expect(members.filter(isAlive)).toEqual([]);
    expect(existsSync(lab.instance.directory)).toBe(false);
  });

  test('a holder that hangs, and whose state file is lost, is found and ended', async () => {
    await using lab = new LabUnderTest('lost');
    await using other = new LabUnderTest('other');
    await Promise.all([lab, other].map((one) => one.up('--nodes', '1', '--ipv', '4', '--no-checks')));
    const state = lab.instance.readState();
    if (state === undefined) throw new Error('no state was written');
    const members = membersOf(state.parent.pid);
    process.kill(state.holder.pid, 'SIGSTOP');
    rmSync(join(lab.instance.directory, 'state.json'));
    await lab.must('down');
    expect(members.filter(isAlive)).toEqual([]);
    expect(existsSync(lab.instance.directory)).toBe(false);
    // Another lab of the same checkout is not disturbed.
    const { rows } = await other.must('check', '--only', 'same-node,outside');
    expect(rows.map((row) => row.outcome)).toEqual(['passed', 'passed']);
  });
});
