import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { loadDefaultNetwork, loadDirectory, loadNetwork } from './load.ts';

let dir: TemporaryDirectory;
beforeEach(() => {
  dir = new TemporaryDirectory();
});
afterEach(() => dir[Symbol.dispose]());

function put(file: string, content: unknown): void {
  writeFileSync(dir.join(file), typeof content === 'string' ? content : JSON.stringify(content));
}

const types = (network: { plugins: readonly { type: string }[] }): string[] =>
  network.plugins.map(({ type }) => type);

describe('loadNetwork', () => {
  test('the first list by file name wins, and lists win over single plugins', () => {
    put('00-single.conf', { name: 'a', type: 'single' });
    put('20.conflist', { name: 'a', plugins: [{ type: 'second' }] });
    put('10.conflist', { name: 'a', plugins: [{ type: 'first' }] });
    put('05.json', { name: 'b', type: 'json' });
    put('06.conf.bak', { name: 'b', type: 'backup' });
    expect(types(loadNetwork(dir.path, 'a'))).toEqual(['first']);
    expect(types(loadNetwork(dir.path, 'b'))).toEqual(['json']);
  });

  test('without a name it is the first file of any kind', () => {
    put('20.conflist', { name: 'list', plugins: [{ type: 'x' }] });
    put('10.conf', { name: 'single', type: 'y' });
    expect(loadDefaultNetwork(dir.path).name).toBe('single');
  });

  test('plugins of the directory named like the network are appended, in order', () => {
    put('10.conflist', { name: 'net', plugins: [{ type: 'inline' }] });
    mkdirSync(dir.join('net'));
    put('net/20.conf', { type: 'later' });
    put('net/10.conf', { type: 'sooner' });
    put('net/30.json', { type: 'ignored' });
    expect(types(loadNetwork(dir.path, 'net'))).toEqual(['inline', 'sooner', 'later']);
    put('10.conflist', { name: 'net' });
    expect(types(loadNetwork(dir.path, 'net'))).toEqual(['sooner', 'later']);
    put('10.conflist', { name: 'net', loadOnlyInlinedPlugins: true, plugins: [{ type: 'inline' }] });
    expect(types(loadNetwork(dir.path, 'net'))).toEqual(['inline']);
  });

  test('a broken file keeps nobody else from being used, and is named when nothing is found', () => {
    put('00.conflist', '{');
    put('01.conflist', { name: 'no-plugins' });
    put('10.conflist', { name: 'net', plugins: [{ type: 'x' }] });
    expect(loadNetwork(dir.path, 'net').name).toBe('net');
    expect(loadDefaultNetwork(dir.path).name).toBe('net');
    expect(loadDirectory(dir.path).problems.map(({ file }) => file)).toEqual([
      dir.join('00.conflist'),
      dir.join('01.conflist'),
    ]);
    expect(() => loadNetwork(dir.path, 'other')).toThrow(
      expect.objectContaining({
        code: 7,
        message: `no network "other" in ${dir.path}`,
        details: expect.stringMatching(
          /found: net \(.*10\.conflist\); not usable: .*00\.conflist is not valid JSON/,
        ),
      }),
    );
  });

  test('an empty or missing directory says so', () => {
    expect(() => loadDefaultNetwork(dir.path)).toThrow('no network configuration');
    expect(() => loadNetwork(dir.join('missing'), 'x')).toThrow('no network "x"');
  });
});
