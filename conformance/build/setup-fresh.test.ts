import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { engines } from '../../package.json' with { type: 'json' };
import { outsidePath } from '../../scripts/outside-path.ts';
import { type Outcome, runCommand } from './executable.ts';

/** What setup itself needs. Its PATH holds these and the programs of a test, so that nothing else is "installed". */
const TOOLS = ['cat', 'dirname', 'flock', 'head', 'mkdir', 'mktemp', 'rm', 'sed', 'sha256sum', 'chmod'];
const FILES = ['scripts/setup', 'scripts/packages.txt', 'package.json', 'package-lock.json', '.npmrc'];

let scratch = '';
let checkout = '';
let count = 0;

beforeAll(() => {
  scratch = mkdtempSync(`${tmpdir()}/underpod-fresh-`);
  mkdirSync(`${scratch}/tools`);
  for (const tool of TOOLS) {
    symlinkSync(Bun.which(tool, { PATH: outsidePath() }) ?? '', `${scratch}/tools/${tool}`);
  }
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** A clone of the repository as far as setup looks at it, and an empty directory of programs. */
beforeEach(() => {
  count += 1;
  checkout = `${scratch}/${count}`;
  for (const file of FILES) {
    mkdirSync(dirname(`${checkout}/${file}`), { recursive: true });
    cpSync(file, `${checkout}/${file}`);
  }
  mkdirSync(`${checkout}/fakes`);
  write({ node: 'echo v22.0.0', npm: installsBun(engines.bun), id: 'echo 0' });
});

function write(programs: Record<string, string>): void {
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(`${checkout}/fakes/${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${checkout}/fakes/${name}`, 0o755);
  }
}

/** An npm that puts a Bun of this version in place, and notes that it ran. */
function installsBun(version: string): string {
  return `[ "$1" = --version ] && { echo 11; exit; }
echo "npm $*" >>calls
mkdir -p node_modules/.bin node_modules/bun
printf '#!/bin/sh\\necho ${version}\\n' >node_modules/.bin/bun
chmod 755 node_modules/.bin/bun`;
}

/** An apt-get that notes what it is asked, and does this. */
function aptGet(script: string): string {
  return `echo "apt-get $*" >>calls\n${script}`;
}

const environment = (): Record<string, string> => ({ PATH: `${checkout}/fakes:${scratch}/tools` });

function setup(...groups: string[]): Outcome {
  return runCommand(['/bin/sh', 'scripts/setup', ...groups], { cwd: checkout, env: environment() });
}

/** What was run by npm and apt-get, a line a call. */
function calls(): string[] {
  const file = `${checkout}/calls`;
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

describe('Debian packages that are missing', () => {
  test('without root: prints what to install and why, and goes on', () => {
    write({ id: 'echo 1000', 'apt-get': aptGet('exit 1') });
    const { code, stdout, stderr } = setup('ci');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('setup: needs git: ');
    expect(stdout).toMatch(/not root, .*: sudo apt-get install --no-install-recommends git .*cpio/);
    expect(calls()).toEqual([expect.stringMatching(/^npm install/)]);
  });

  test('as root: installs them', () => {
    write({ 'apt-get': aptGet('') });
    expect(setup('ci')).toMatchObject({ code: 0, stderr: '' });
    expect(calls().slice(1)).toEqual([
      expect.stringMatching(/^apt-get .* install --simulate --no-install-recommends git /),
      expect.stringMatching(/^apt-get .* install --no-install-recommends git /),
    ]);
  });

  test('as root, with package lists that do not do: fetches new ones first', () => {
    write({ 'apt-get': aptGet('case "$*" in *update) : >fresh ;; *) [ -e fresh ] ;; esac') });
    expect(setup('ci').code).toBe(0);
    expect(calls()[2]).toMatch(/^apt-get .* update$/);
    expect(calls().at(-1)).toMatch(/ install --no-install-recommends git /);
  });

  test('as root, when apt-get fails: says what it said', () => {
    write({ 'apt-get': aptGet('echo "E: no such mirror"; exit 100') });
    const { code, stderr } = setup('ci');
    expect(code).toBe(1);
    expect(stderr).toContain('E: no such mirror');
    expect(stderr).toContain('setup: apt-get could not install: git');
  });

  test('on another distribution: names them, and goes on', () => {
    const { code, stdout } = setup('ci');
    expect(code).toBe(0);
    expect(stdout).toMatch(/this is not a Debian: install the equivalents of: git /);
  });
});

describe('Bun', () => {
  test('whose install script npm did not run: runs it', () => {
    write({
      npm: installsBun('0.0.0'),
      node: `[ "$1" = install.js ] || { echo v22.0.0; exit; }
printf '#!/bin/sh\\necho ${engines.bun}\\n' >../.bin/bun`,
    });
    const { code, stdout } = setup('none');
    expect(code).toBe(0);
    expect(stdout).toContain("npm did not run bun's install script");
  });

  test('of another version in the end: is refused, and tried again the next time', () => {
    write({ npm: installsBun('1.0.0') });
    for (const _ of [1, 2]) {
      const { code, stderr } = setup('none');
      expect(code).toBe(1);
      expect(stderr).toContain(`bun --version says '1.0.0', wanted ${engines.bun}: remove node_modules`);
    }
    expect(calls()).toHaveLength(2);
  });
});

test('says that Go is missing when it installs something, and is silent after that', () => {
  expect(setup('none').stdout).toContain('Go is not installed (optional)');
  expect(setup('none')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  rmSync(`${checkout}/node_modules`, { recursive: true });
  write({ go: '' });
  expect(setup('none').stdout).not.toContain('Go is not installed');
});

test('two at once install once', async () => {
  // The first npm waits for somebody to open the pipe, which happens when the second setup waits for the first.
  runCommand(['/usr/bin/mkfifo', `${checkout}/gate`]);
  write({ npm: `${installsBun(engines.bun)}\n: <gate` });
  const start = (): Bun.Subprocess<'ignore', 'pipe', 'inherit'> =>
    Bun.spawn(['/bin/sh', 'scripts/setup', 'none'], {
      cwd: checkout,
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const both = [start(), start()];
  const outputs = both.map(() => '');
  await Promise.all(
    both.map(async (child, i) => {
      for await (const chunk of child.stdout) {
        outputs[i] += new TextDecoder().decode(chunk);
        if (outputs[i]?.includes('waiting')) writeFileSync(`${checkout}/gate`, '');
      }
    }),
  );
  expect(await Promise.all(both.map((child) => child.exited))).toEqual([0, 0]);
  expect(outputs.filter((text) => text.includes('waiting for another setup'))).toHaveLength(1);
  expect(calls()).toHaveLength(1);
}, 10_000);
