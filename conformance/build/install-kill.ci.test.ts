import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable, runCommand } from './executable.ts';
import { plantNode, readTree } from './installed-tree.ts';

/**
 * A real SIGKILL before each system call that changes the disk. strace counts per call, and kills before it runs; the
 * n-th of each is tried until a run gets to its end. The question mark lets strace pass over calls that an architecture
 * does not have.
 */
const CHANGES = [
  'renameat',
  'renameat2',
  'linkat',
  'symlinkat',
  'unlinkat',
  'mkdirat',
  'mkdir',
  'fsync',
  'copy_file_range',
];
/**
 * The links of all types are made by the same code, one after the other: after the first dozen of a call every third is
 * tried, and all of them by `make soak`.
 */
const [closely, stride] = process.env['UNDERPOD_INSTALL_KILLS'] === 'all' ? [Infinity, 1] : [12, 3];

/** An install makes fewer than this of any call: more means that no run gets to its end. */
const MOST_CALLS = 200;
const STRACE = Bun.which('strace');
if (STRACE === null) console.log('install under SIGKILL is skipped: strace is missing (make setup)');

describe.skipIf(STRACE === null)('SIGKILL before a change of the disk', () => {
  let scratch = '';
  let underpod = '';
  let nodes = 0;
  beforeAll(() => {
    scratch = mkdtempSync(`${tmpdir()}/underpod-install-kill-`);
    underpod = executable();
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  const freshNode = (): string => {
    nodes += 1;
    plantNode(`${scratch}/${nodes}`);
    return `${scratch}/${nodes}`;
  };
  /** Whether the n-th call was reached. @throws Error when the run ends in any other way than by that kill or well */
  const killed = (call: string, n: number, program: string, root: string): boolean => {
    const inject = `inject=?${call}:signal=KILL:when=${n}`;
    const options = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=?${call}`, '-e', inject];
    const { code, signal, stderr } = runCommand([
      STRACE ?? '',
      ...options,
      underpod,
      program,
      '--root',
      root,
    ]);
    // strace ends by the signal that ended what it traced; a shell in between would make 137 of it.
    if (signal === 'SIGKILL' || code === 137) return true;
    if (code === 0) return false;
    throw new Error(`${program} under ${inject}: ${signal ?? `exit code ${code}`}: ${stderr}`);
  };

  test.each(CHANGES)(
    '%s',
    (call) => {
      for (const program of ['install', 'uninstall']) {
        for (let n = 1, cut = true; cut; n += n < closely ? 1 : stride) {
          expect(n, `${program} does not get to its end`).toBeLessThan(MOST_CALLS);
          const root = freshNode();
          const before = readTree(root);
          if (program === 'uninstall') expect(runCommand([underpod, 'install', '--root', root]).code).toBe(0);
          cut = killed(call, n, program, root);
          const contents = Object.values(readTree(root));
          expect(contents, `lost by a kill in ${program} before ${call} ${n}`).toEqual(
            expect.arrayContaining(['somebody’s bridge', 'somebody’s configuration']),
          );
          expect(runCommand([underpod, 'install', '--root', root]).code).toBe(0);
          expect(runCommand([underpod, 'uninstall', '--root', root])).toMatchObject({ code: 0, stderr: '' });
          expect(readTree(root), `after a kill in ${program} before ${call} ${n}`).toEqual(before);
          rmSync(root, { recursive: true });
        }
      }
    },
    300_000,
  );
});
