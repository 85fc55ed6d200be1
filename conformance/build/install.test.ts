import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { executable, runCommand, VERSION_CALL } from './executable.ts';
import { plantNode, readTree } from './installed-tree.ts';

let root = '';
let underpod = '';
beforeAll(() => {
  root = mkdtempSync(`${tmpdir()}/underpod-installed-`);
  underpod = executable();
  plantNode(root);
});
afterAll(() => rmSync(root, { recursive: true }));

test('the compiled executable installs itself, upgrades over itself and uninstalls', () => {
  const before = readTree(root);
  const installed = runCommand([underpod, 'install', '--root', root]);
  expect(installed).toMatchObject({ code: 0, stderr: '' });
  expect(installed.stdout).toContain('set aside /opt/cni/bin/bridge');

  const now = readTree(root);
  expect(Object.keys(now).filter((path) => path.startsWith('/opt/cni/bin/'))).toEqual(
    expect.arrayContaining(pluginTypes.map((type) => `/opt/cni/bin/${type}`)),
  );
  expect(now['/opt/cni/bin/bridge']).toBe('-> /usr/local/bin/underpod');
  expect(JSON.parse(now['/etc/cni/net.d/10-underpod.conflist'] ?? '')).toMatchObject({
    name: 'cbr0',
    plugins: [{ type: 'underpod', capabilities: { portMappings: true, bandwidth: true } }],
  });

  const copy = `${root}/usr/local/bin/underpod`;
  for (const argv0 of pluginTypes) {
    const { code, stdout } = runCommand([copy], { argv0, env: VERSION_CALL });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).supportedVersions).toContain('1.1.0');
  }
  expect(runCommand([copy, 'install', '--root', root]).stdout).toBe('everything is in place already\n');

  const gone = runCommand([copy, 'uninstall', '--root', root]);
  expect(gone).toMatchObject({ code: 0, stderr: '' });
  expect(readTree(root)).toEqual(before);
  expect(runCommand([underpod, 'uninstall', '--root', root])).toMatchObject({ code: 0 });
});

test.each([
  ['an unknown flag', ['install', '--bindir=/x']],
  ['a relative directory', ['install', '--cni-bin-dir=bin', '--root', '/nonexistent']],
  ['an argument', ['uninstall', 'now']],
])('%s is refused with exit code 2', (_what, args) => {
  const { code, stderr } = runCommand([underpod, ...args]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^underpod (un)?install: /);
});
