import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { areBuilt, buildGo, type GoModule, TOO_LATE } from './go-programs.ts';

const directories: string[] = [];
afterEach(() => {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** A program without dependencies. */
function hello(body = 'println("hello")'): GoModule {
  const root = mkdtempSync(join(tmpdir(), 'go-programs-'));
  directories.push(root);
  const sources = join(root, 'sources');
  mkdirSync(join(sources, 'hello'), { recursive: true });
  writeFileSync(join(sources, 'go.mod'), 'module example.test\n\ngo 1.21\n');
  writeFileSync(join(sources, 'hello', 'main.go'), `package main\n\nfunc main() { ${body} }\n`);
  return { sources, output: join(root, 'output') };
}

const withoutGo = Bun.which('go') === null;
if (withoutGo) console.log('go-programs: skipped, no Go here');

describe.skipIf(withoutGo)('building programs in Go', () => {
  it('takes a limit that is no whole number, as what is left until a deadline is none', {
    timeout: 120_000,
  }, async () => {
    const module = hello();
    expect(await buildGo(module, ['./hello'], 119_000.25)).toBeUndefined();
    expect(areBuilt(module, ['./hello'])).toBe(true);
  });

  it('says that there was no time, and that nothing was built', async () => {
    const module = hello();
    expect(await buildGo(module, ['./hello'], 0.4)).toBe(TOO_LATE);
    expect(areBuilt(module, ['./hello'])).toBe(false);
  });

  it('tells what the compiler said', { timeout: 120_000 }, async () => {
    const module = hello('nonsense()');
    expect(await buildGo(module, ['./hello'])).toMatch(/could not be built: [\s\S]*nonsense/);
  });
});
