import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../shared/config/usage-error.ts';
import { digestFile, openDisk } from './disk.ts';
import type { Layout } from './layout.ts';
import { planInstall, type Wanted } from './plan-install.ts';
import { planUninstall } from './plan-uninstall.ts';
import { type RunOptions, run } from './run.ts';

const LAYOUT: Layout = {
  binary: '/usr/local/bin/underpod',
  cniBinDir: '/opt/cni/bin',
  cniConfDir: '/etc/cni/net.d',
};
const TYPES = ['bridge', 'loopback', 'underpod'];
const OURS = '/etc/cni/net.d/10-underpod.conflist';

let scratch = '';
let root = '';
let count = 0;

beforeAll(() => {
  scratch = mkdtempSync(`${tmpdir()}/underpod-install-`);
  for (const version of ['one', 'two']) writeFileSync(`${scratch}/${version}`, `executable ${version}`);
});
afterAll(() => rmSync(scratch, { recursive: true }));
beforeEach(() => {
  root = freshNode();
});

/** A node on which other plugins and configurations are installed. */
function freshNode(): string {
  count += 1;
  const node = `${scratch}/node${count}`;
  const files: Record<string, string> = {
    '/opt/cni/bin/bridge': 'bridge of a distribution',
    '/opt/cni/bin/portmap': 'portmap of a distribution',
    '/usr/lib/cni/loopback': 'loopback of a distribution',
    '/etc/cni/net.d/05-early.conf': 'early',
    '/etc/cni/net.d/10-flannel.conflist': 'flannel',
    '/etc/cni/net.d/10-flannel.conflist.bak': 'not read by runtimes',
    '/etc/cni/net.d/99-late.conflist': 'late',
    '/etc/cni/net.d/00-multus.d/kubeconfig': 'a directory',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(`${node}${path.slice(0, path.lastIndexOf('/'))}`, { recursive: true });
    writeFileSync(`${node}${path}`, text);
  }
  symlinkSync('/usr/lib/cni/loopback', `${node}/opt/cni/bin/loopback`);
  mkdirSync(`${node}/var/lib`, { recursive: true });
  return node;
}

/** Everything below the root: path to content, `dir`, or `-> target`. */
function tree(directory = root, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(directory)) {
    const path = `${directory}/${name}`;
    const key = `${prefix}/${name}`;
    const status = lstatSync(path);
    if (status.isDirectory()) Object.assign(found, { [key]: 'dir' }, tree(path, key));
    else found[key] = status.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path, 'utf8');
  }
  return found;
}

async function wanted(changes: Partial<Wanted> & { version?: string } = {}): Promise<Wanted> {
  const path = `${scratch}/${changes.version ?? 'one'}`;
  return {
    layout: LAYOUT,
    types: TYPES,
    source: { path, digest: await digestFile(path) },
    conflist: 'ours',
    ...changes,
  };
}

async function install(
  changes: Partial<Wanted> & { version?: string } = {},
  options: RunOptions = {},
): Promise<boolean> {
  const disk = openDisk(root);
  const wish = await wanted(changes);
  return await run(disk, (previous) => planInstall(disk, wish, previous), options);
}

async function uninstall(options: RunOptions = {}): Promise<boolean> {
  const disk = openDisk(root);
  return await run(
    disk,
    async (record) => (record ? await planUninstall(disk, record) : { steps: [], notes: [] }),
    options,
  );
}

class Crash extends Error {}

/** Runs until the n-th change of the disk. @returns false when there were fewer */
async function crashAt(n: number, act: (options: RunOptions) => Promise<boolean>): Promise<boolean> {
  let changes = 0;
  try {
    await act({
      checkpoint: (change) => {
        if (changes++ === n) throw new Crash(change);
      },
    });
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    throw error;
  }
}

/** What must hold at any moment: nothing is lost, plugins can be called, there is a network configuration. */
function expectAlive(before: Record<string, string>): void {
  const now = tree();
  const contents = new Set(Object.values(now));
  for (const [path, content] of Object.entries(before)) {
    expect(contents, `the content of ${path}`).toContain(content);
  }
  for (const type of ['bridge', 'loopback', 'portmap']) {
    const link = now[`/opt/cni/bin/${type}`];
    expect(link, `plugin ${type}`).toBeDefined();
    if (link?.startsWith('-> ')) expect(now[link.slice(3)], `where plugin ${type} leads`).toBeDefined();
  }
  const configurations = Object.keys(now).filter((path) =>
    /net\.d\/[^./]+\.(conf|conflist|json)$/.test(path),
  );
  expect(configurations.sort()[0]).toMatch(/05-early|10-flannel|10-underpod/);
}

/** Runs `check` on a fresh node for every point at which `act` can be cut off. */
async function atEveryPoint(
  prepare: () => Promise<unknown>,
  act: (options: RunOptions) => Promise<boolean>,
  check: (before: Record<string, string>) => Promise<void>,
): Promise<number> {
  for (let n = 0; ; n++) {
    root = freshNode();
    const before = tree();
    await prepare();
    if (!(await crashAt(n, act))) return n;
    expectAlive(before);
    await check(before);
  }
}

describe('install', () => {
  test('puts executable, links and conflist in place and sets aside what would win', async () => {
    await install();
    const now = tree();
    expect(now['/usr/local/bin/underpod']).toBe('executable one');
    expect(lstatSync(`${root}/usr/local/bin/underpod`).mode & 0o777).toBe(0o755);
    for (const type of TYPES) expect(now[`/opt/cni/bin/${type}`]).toBe('-> /usr/local/bin/underpod');
    expect(now[OURS]).toBe('ours');
    expect(readdirSync(`${root}/etc/cni/net.d`).sort()).toEqual([
      '00-multus.d',
      '05-early.conf.underpod-saved',
      '10-flannel.conflist.bak',
      '10-flannel.conflist.underpod-saved',
      '10-underpod.conflist',
      '99-late.conflist',
    ]);
    expect(now['/opt/cni/bin/bridge.underpod-saved']).toBe('bridge of a distribution');
    expect(now['/opt/cni/bin/loopback.underpod-saved']).toBe('-> /usr/lib/cni/loopback');
    expect(now['/opt/cni/bin/portmap']).toBe('portmap of a distribution');
    expect(JSON.parse(now['/var/lib/underpod/install.json'] ?? '')).toMatchObject({ state: 'installed' });
  });

  test('a second time has nothing to do', async () => {
    expect(await install()).toBe(true);
    const once = tree();
    expect(await install()).toBe(false);
    expect(tree()).toEqual(once);
  });

  test('a dry run says what it would do and does nothing', async () => {
    const before = tree();
    const lines: string[] = [];
    await install({}, { dryRun: true, print: (line) => lines.push(line) });
    expect(tree()).toEqual(before);
    expect(lines).toContain('would set aside /opt/cni/bin/bridge as /opt/cni/bin/bridge.underpod-saved');
    expect(lines).toContain(`would write ${OURS}`);
  });

  test('without the conflist it leaves the configuration directory alone', async () => {
    const before = readdirSync(`${root}/etc/cni/net.d`);
    await install({ conflist: undefined });
    expect(readdirSync(`${root}/etc/cni/net.d`)).toEqual(before);
  });

  test('leaves a conflist of its name that it did not write', async () => {
    writeFileSync(`${root}${OURS}`, 'the operator’s');
    const before = tree();
    await install();
    expect(tree()[OURS]).toBe('the operator’s');
    await uninstall();
    expect(tree()).toEqual(before);
  });

  test('somebody’s executable of our name is set aside too', async () => {
    mkdirSync(`${root}/usr/local/bin`, { recursive: true });
    writeFileSync(`${root}/usr/local/bin/underpod`, 'something else');
    const before = tree();
    await install();
    expect(tree()['/usr/local/bin/underpod']).toBe('executable one');
    await uninstall();
    expect(tree()).toEqual(before);
  });

  test('a plugin that a package put over our link is set aside as well, the newest returns', async () => {
    await install();
    rmSync(`${root}/opt/cni/bin/bridge`);
    writeFileSync(`${root}/opt/cni/bin/bridge`, 'bridge, next release');
    await install();
    expect(tree()['/opt/cni/bin/bridge']).toBe('-> /usr/local/bin/underpod');
    const notes: string[] = [];
    await uninstall({ print: (line) => notes.push(line) });
    expect(tree()['/opt/cni/bin/bridge']).toBe('bridge, next release');
    expect(tree()['/opt/cni/bin/bridge.underpod-saved']).toBe('bridge of a distribution');
    expect(notes).toContainEqual(expect.stringContaining('older /opt/cni/bin/bridge stays at'));
  });

  test('a configuration that somebody writes again and again does not pile up', async () => {
    await install();
    for (let n = 0; n < 3; n++) {
      writeFileSync(`${root}/etc/cni/net.d/10-flannel.conflist`, 'flannel');
      expect(await install()).toBe(true);
    }
    const saved = Object.keys(tree()).filter((path) => path.includes('10-flannel.conflist.underpod'));
    expect(saved).toEqual(['/etc/cni/net.d/10-flannel.conflist.underpod-saved']);
  });

  test.each([
    ['a plugin that is a directory', () => mkdirSync(`${root}/opt/cni/bin/underpod`)],
    ['a record of another version', () => writeRecord('{"version": 2}')],
    ['a damaged record', () => writeRecord('{"version": ')],
  ])('refuses, and changes nothing: %s', async (_what, spoil) => {
    spoil();
    const before = tree();
    await expect(install()).rejects.toThrow(UsageError);
    expect(tree()).toEqual(before);
  });

  test('refuses another place while it is installed', async () => {
    await install();
    const other = { ...LAYOUT, binary: '/opt/bin/underpod' };
    await expect(install({ layout: other })).rejects.toThrow(/uninstall.*first/);
  });
});

function writeRecord(text: string): void {
  mkdirSync(`${root}/var/lib/underpod`);
  writeFileSync(`${root}/var/lib/underpod/install.json`, text);
}

describe('upgrade', () => {
  test('replaces the executable and an untouched conflist, nothing else', async () => {
    await install();
    const old = tree();
    await install({ version: 'two', conflist: 'ours, next' });
    expect(tree()).toMatchObject({ '/usr/local/bin/underpod': 'executable two', [OURS]: 'ours, next' });
    expect(Object.keys(tree())).toEqual(Object.keys(old));
  });

  test('leaves an edited conflist', async () => {
    await install();
    writeFileSync(`${root}${OURS}`, 'edited');
    const lines: string[] = [];
    await install({ version: 'two', conflist: 'ours, next' }, { print: (line) => lines.push(line) });
    expect(tree()[OURS]).toBe('edited');
    expect(lines).toContainEqual(expect.stringContaining('not as underpod wrote it'));
  });

  test('a type that is no longer built gives its place back', async () => {
    await install();
    await install({ types: ['underpod'] });
    expect(tree()['/opt/cni/bin/bridge']).toBe('bridge of a distribution');
    expect(tree()['/opt/cni/bin/loopback']).toBe('-> /usr/lib/cni/loopback');
  });
});

describe('uninstall', () => {
  test('leaves the node as it was', async () => {
    const before = tree();
    await install();
    await install({ version: 'two' });
    await uninstall();
    expect(tree()).toEqual(before);
  });

  test('again, or where nothing was installed, does nothing', async () => {
    const before = tree();
    expect(await uninstall()).toBe(false);
    await install();
    await uninstall();
    expect(await uninstall()).toBe(false);
    expect(tree()).toEqual(before);
  });

  test('keeps an edited conflist under another name, and a plugin that somebody put in our place', async () => {
    await install();
    writeFileSync(`${root}${OURS}`, 'edited');
    rmSync(`${root}/opt/cni/bin/bridge`);
    writeFileSync(`${root}/opt/cni/bin/bridge`, 'newer');
    const lines: string[] = [];
    await uninstall({ print: (line) => lines.push(line) });
    const now = tree();
    expect(now[OURS]).toBeUndefined();
    expect(now[`${OURS}.underpod-saved`]).toBe('edited');
    expect(now['/opt/cni/bin/bridge']).toBe('newer');
    expect(now['/opt/cni/bin/bridge.underpod-saved']).toBe('bridge of a distribution');
    expect(lines.filter((line) => line.startsWith('note: '))).toHaveLength(2);
  });

  test('the state of the other programs stays', async () => {
    await install();
    writeFileSync(`${root}/var/lib/underpod/store.db`, 'leases');
    await uninstall();
    expect(tree()['/var/lib/underpod/store.db']).toBe('leases');
  });
});

describe('cut off at every point', () => {
  test('of an install: running it again completes it, and uninstall still finds everything', async () => {
    root = freshNode();
    await install();
    const complete = tree();
    const points = await atEveryPoint(
      async () => {},
      (options) => install({}, options),
      async (before) => {
        await install();
        expect(tree()).toEqual(complete);
        await uninstall();
        expect(tree()).toEqual(before);
      },
    );
    expect(points).toBeGreaterThan(15);
  });

  test('of an install: uninstall puts everything back at once', async () => {
    await atEveryPoint(
      async () => {},
      (options) => install({}, options),
      async (before) => {
        const leftovers = Object.keys(tree()).some((path) =>
          path.startsWith('/var/lib/underpod/install.json'),
        );
        await uninstall();
        // Without a record nothing but the preparation of one had happened.
        if (leftovers) expect(tree()).toEqual(before);
      },
    );
  });

  test('of an upgrade: again completes it, the old executable never counts as somebody’s', async () => {
    await atEveryPoint(
      () => install(),
      (options) => install({ version: 'two', conflist: 'ours, next' }, options),
      async (before) => {
        await install({ version: 'two', conflist: 'ours, next' });
        expect(Object.keys(tree()).filter((path) => path.includes('underpod.underpod-saved'))).toEqual([]);
        await uninstall();
        expect(tree()).toEqual(before);
      },
    );
  });

  test('of an uninstall: again completes it', async () => {
    const points = await atEveryPoint(
      () => install(),
      (options) => uninstall(options),
      async (before) => {
        await uninstall();
        expect(tree()).toEqual(before);
      },
    );
    expect(points).toBeGreaterThan(8);
  });

  test('of an uninstall: install instead, then uninstall', async () => {
    await atEveryPoint(
      () => install(),
      (options) => uninstall(options),
      async (before) => {
        await install();
        expect(tree()['/opt/cni/bin/bridge']).toBe('-> /usr/local/bin/underpod');
        await uninstall();
        expect(tree()).toEqual(before);
      },
    );
  });
});
