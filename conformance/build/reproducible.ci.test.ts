import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ARCHITECTURES, sha256 } from '../../scripts/bun-runtime.ts';
import { outsidePath } from '../../scripts/outside-path.ts';
import { runCommand } from './executable.ts';

function whyNot(): string | undefined {
  if (Bun.which('git') === null) return 'git is missing (scripts/setup ci)';
  return existsSync('.git') ? undefined : 'this is no checkout of git: there is nothing to clone';
}

const reason = whyNot();
if (reason !== undefined) console.log(`the comparison of two clones is skipped: ${reason}`);

/** Two clean clones of what is committed, in directories with names of different length, each set up from nothing. */
describe.skipIf(reason !== undefined)('two clean clones', () => {
  let scratch = '';
  const clones: string[] = [];

  beforeAll(() => {
    scratch = mkdtempSync(`${tmpdir()}/underpod-clones-`);
    // CI checks out as one user and tests as another, which git refuses ("dubious ownership") unless HOME allows it.
    const home = `${scratch}/home`;
    mkdirSync(home);
    writeFileSync(`${home}/.gitconfig`, '[safe]\n\tdirectory = *\n');
    for (const name of ['a', 'in/a/rather/deeper/directory']) {
      const clone = `${scratch}/${name}/underpod`;
      // The second from the first: somebody may commit here meanwhile.
      const origin = clones[0] ?? '.';
      clones.push(clone);
      const env = { PATH: outsidePath(), HOME: process.env['HOME'] ?? '' };
      const made = runCommand(['git', 'clone', '--quiet', '--no-hardlinks', origin, clone], {
        env: { ...env, HOME: home },
        timeoutMs: 120_000,
      });
      expect(made.stderr).toBe('');
      const built = runCommand(['make', 'dist'], { cwd: clone, env, timeoutMs: 300_000 });
      expect(built.code, built.stderr).toBe(0);
    }
  }, 600_000);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  test.each(ARCHITECTURES)('give the same bytes for %s', (arch) => {
    const [one, other] = clones.map((clone) => sha256(`${clone}/dist/underpod-linux-${arch}`));
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(other).toBe(one);
  });

  test('and SHA256SUMS that sha256sum accepts', () => {
    for (const clone of clones) {
      const checked = runCommand(['/usr/bin/sha256sum', '--check', '--strict', 'SHA256SUMS'], {
        cwd: `${clone}/dist`,
      });
      expect(checked).toMatchObject({
        code: 0,
        stdout: ARCHITECTURES.map((a) => `underpod-linux-${a}: OK\n`).join(''),
      });
    }
  });

  test('and no path of theirs is in the executables', () => {
    for (const clone of clones) {
      for (const arch of ARCHITECTURES) {
        expect(readFileSync(`${clone}/dist/underpod-linux-${arch}`).includes(clone)).toBe(false);
      }
    }
  });
});
