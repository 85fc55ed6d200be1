import { describe, expect, test } from 'vitest';
import { exec } from './exec.ts';

/** Runs code in a process of its own, as the path of exec.ts is there. */
function inProcess(code: string): { readonly pid: number; readonly output: Promise<string> } {
  const child = Bun.spawn({
    cmd: [
      process.execPath,
      '-e',
      `import { exec } from ${JSON.stringify(import.meta.resolve('./exec.ts'))}; ${code}`,
    ],
    stdout: 'pipe',
    stderr: 'inherit',
    env: { PATH: process.env['PATH'] ?? '', HIDDEN: 'yes' },
  });
  return { pid: child.pid, output: child.stdout.text() };
}

describe('exec', () => {
  test('becomes the program: same number, the given name, arguments and environment', async () => {
    const { pid, output } = inProcess(
      `exec('/bin/sh', ['called', '-c', 'echo "$0|$1|$$|$A|\${HIDDEN+set}"', 'zero', 'größer'], { A: 'a=b', B: undefined })`,
    );
    expect(await output).toBe(`zero|größer|${pid}|a=b|\n`);
  });

  test('many arguments arrive whole', async () => {
    const { output } = inProcess(
      `exec('/bin/sh', ['sh', '-c', 'echo $# $* | md5sum', 'sh', ...Array.from({ length: 3000 }, (_, n) => 'argument-' + n)], { PATH: '/usr/bin:/bin' })`,
    );
    const text = `3000 ${Array.from({ length: 3000 }, (_, n) => `argument-${n}`).join(' ')}\n`;
    expect(await output).toBe(`${new Bun.CryptoHasher('md5').update(text).digest('hex')}  -\n`);
  });

  test('says so where there is no such program, and nothing has happened', () => {
    expect(() => exec('/nowhere/at-all', ['x'], {})).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});
