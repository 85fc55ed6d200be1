import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../package.json' with { type: 'json' };
import { getuid } from '../../shared/sys/process.ts';
import { executable, runCommand, VERSION_CALL } from './executable.ts';

let scratch = '';
let underpod = '';
let bridge = '';

beforeAll(() => {
  scratch = mkdtempSync(`${tmpdir()}/underpod-surroundings-`);
  underpod = executable();
  bridge = `${scratch}/bridge`;
  symlinkSync(underpod, bridge);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const expectVersions = (stdout: string): void => {
  expect(JSON.parse(stdout).supportedVersions).toContain('1.1.0');
};

describe('how it is called', () => {
  test('through a link named like a type', () => {
    const { code, stdout } = runCommand([bridge], { env: VERSION_CALL });
    expect(code).toBe(0);
    expectVersions(stdout);
  });

  test('by a bare name, with the directory in PATH', () => {
    const shell = ['/bin/sh', '-c', 'bridge'];
    expectVersions(runCommand(shell, { env: { ...VERSION_CALL, PATH: scratch } }).stdout);
  });

  test('by CNI_COMMAND alone it is the type underpod', () => {
    expectVersions(runCommand([underpod], { env: VERSION_CALL }).stdout);
  });

  test('with its version', () => {
    expect(runCommand([underpod, 'version']).stdout).toContain(`underpod ${version} `);
  });

  test('with an unknown program: says what there is, exit code 2', () => {
    const { code, stderr } = runCommand([underpod, 'agnet']);
    expect(code).toBe(2);
    expect(stderr).toContain('--help');
  });
});

describe('with an empty environment', () => {
  test('a plugin says what it is and that CNI_COMMAND is missing', () => {
    const { code, stderr } = runCommand([bridge]);
    expect(code).toBe(0);
    expect(stderr).toContain('bridge');
  });

  test.each([[['version']], [['--help']], [['agent', '--help']], [['install', '--help']]])('%j', (args) => {
    const { code, stdout } = runCommand([underpod, ...args]);
    expect(code).toBe(0);
    expect(stdout).not.toBe('');
  });
});

describe.skipIf(getuid() !== 0)(
  'with everything read-only (skipped unless root: it needs a mount namespace)',
  () => {
    /** Every mount point read-only, in a mount namespace of its own; then the command. */
    const readOnly = (command: string, env: Record<string, string>) =>
      runCommand(
        [
          '/usr/bin/unshare',
          '--mount',
          '--propagation=private',
          '/bin/sh',
          '-euc',
          `cut -d' ' -f2 /proc/self/mounts | sort -u | while read -r point; do
           mount -o remount,bind,ro "$point" 2>/dev/null || true
         done
         if touch ${scratch}/probe 2>/dev/null; then echo 'still writable' >&2; exit 99; fi
         exec ${command}`,
        ],
        { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env } },
      );

    test('a CNI call', () => {
      const { code, stdout, stderr } = readOnly(bridge, { ...VERSION_CALL });
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expectVersions(stdout);
    });

    test.each(['version', 'agent --help', 'install --help'])('underpod %s', (args) => {
      const { code, stdout } = readOnly(`${underpod} ${args}`, {});
      expect(code).toBe(0);
      expect(stdout).not.toBe('');
    });
  },
);

/**
 * Bun reads two variables before any code of ours, and no build option turns them off. Whoever can set them for a
 * process of root's could as well set LD_PRELOAD, so they give away nothing; these tests tell when that changes. What
 * is left to do is to hand children an environment without them.
 */
describe('variables that Bun obeys', () => {
  test('BUN_OPTIONS runs a preload; NODE_OPTIONS and the debugger’s do not', () => {
    const evil = `${scratch}/evil.js`;
    const marker = `${scratch}/marker`;
    writeFileSync(evil, `require('node:fs').writeFileSync(${JSON.stringify(marker)}, 'ran')`);
    const ran = (variables: Record<string, string>): boolean => {
      rmSync(marker, { force: true });
      runCommand([bridge], { env: { ...VERSION_CALL, ...variables } });
      return existsSync(marker);
    };
    expect(ran({ BUN_OPTIONS: `--preload ${evil}` })).toBe(true);
    expect(ran({ NODE_OPTIONS: `--require ${evil}` })).toBe(false);
    expect(ran({ BUN_INSPECT_PRELOAD: evil })).toBe(false);
  });

  test('BUN_BE_BUN makes it a plain Bun', () => {
    const { stdout } = runCommand([underpod, '--version'], { env: { BUN_BE_BUN: '1' } });
    expect(stdout.trim()).toBe(JSON.parse(readFileSync('package.json', 'utf8')).engines.bun);
  });
});
