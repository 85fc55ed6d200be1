import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { nativeArchitecture } from '../../scripts/bun-runtime.ts';
import { compile, FAST_START, NO_AUTOLOAD } from '../../scripts/compile.ts';
import { executable, runCommand, VERSION_CALL } from './executable.ts';

/**
 * A runtime calls plugins from a directory that it does not choose with care. Bun obeys bunfig.toml and .env of the
 * working directory unless the executable was built not to.
 */
let scratch = '';
let hostile = '';
let marker = '';
const planted = 'conformance/build/fixtures/planted.ts';

beforeAll(() => {
  scratch = mkdtempSync(`${tmpdir()}/underpod-planted-`);
  hostile = `${scratch}/hostile`;
  marker = `${scratch}/marker`;
  mkdirSync(hostile);
  writeFileSync(`${hostile}/evil.js`, `require('node:fs').writeFileSync(${JSON.stringify(marker)}, 'ran')`);
  for (const name of ['bunfig.toml', '.bunfig.toml']) {
    writeFileSync(`${hostile}/${name}`, `preload = [${JSON.stringify(`${hostile}/evil.js`)}]\n`);
  }
  for (const name of ['.env', '.env.local', '.env.production'])
    writeFileSync(`${hostile}/${name}`, 'PLANTED=1\n');
  writeFileSync(`${hostile}/tsconfig.json`, '{"compilerOptions": {"paths": {"*": ["./evil.js"]}}}');
  writeFileSync(`${hostile}/package.json`, '{"main": "evil.js", "imports": {"#*": "./evil.js"}}');
});
afterAll(() => rmSync(scratch, { recursive: true }));
beforeEach(() => rmSync(marker, { force: true }));

/** The working directory is hostile, and so is what Bun may take for the user's own configuration. */
function surroundings(env: Record<string, string> = {}): { cwd: string; env: Record<string, string> } {
  return { cwd: hostile, env: { HOME: hostile, XDG_CONFIG_HOME: hostile, ...env } };
}

describe('files in the working directory', () => {
  test('are run by a build without the two flags: what follows can fail', () => {
    const path = `${scratch}/obedient`;
    compile(nativeArchitecture(), { output: path, entry: planted, flags: FAST_START });
    expect(runCommand([path], surroundings()).stdout.trim()).toBe('1');
    expect(existsSync(marker)).toBe(true);
  });

  test('are not used by the same program built as ours is', () => {
    const path = `${scratch}/careful`;
    compile(nativeArchitecture(), { output: path, entry: planted, flags: [...FAST_START, ...NO_AUTOLOAD] });
    expect(runCommand([path], surroundings()).stdout.trim()).toBe('clean');
    expect(existsSync(marker)).toBe(false);
  });

  test.each([
    ['a CNI call', [], { argv0: 'bridge', ...surroundings({ ...VERSION_CALL }) }],
    ['the agent', ['agent', '--help'], surroundings()],
    ['a command', ['version'], surroundings()],
  ])('are not used by the executable: %s', (_what, args, setting) => {
    const { code, stdout } = runCommand([executable(), ...args], setting);
    expect(code).toBe(0);
    expect(stdout).not.toBe('');
    expect(existsSync(marker)).toBe(false);
  });
});
