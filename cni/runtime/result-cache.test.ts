import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import type { CachedAttachment } from './result-cache.ts';
import { ResultCache } from './result-cache.ts';

let dir: TemporaryDirectory;
let cache: ResultCache;
beforeEach(() => {
  dir = new TemporaryDirectory();
  cache = new ResultCache(dir.path);
});
afterEach(() => dir[Symbol.dispose]());

const entry: CachedAttachment = {
  containerId: 'c0ffee',
  ifname: 'eth0',
  networkName: 'net',
  netns: '/run/netns/blue',
  args: [['K8S_POD_NAME', 'web-0']],
  capabilityArgs: { portMappings: [{ hostPort: 80 }] },
  config: new TextEncoder().encode('{"name":"net"}'),
  result: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }], dns: { domain: '<&>' } },
};

/** What libcni 1.3.0 writes for the same attachment. */
const libcni =
  '{"kind":"cniCacheV1","containerId":"c0ffee","config":"eyJuYW1lIjoibmV0In0=","ifName":"eth0","networkName":"net",' +
  '"netns":"/run/netns/blue","cniArgs":[["K8S_POD_NAME","web-0"]],"capabilityArgs":{"portMappings":[{"hostPort":80}]},' +
  '"result":{"cniVersion":"1.1.0","dns":{"domain":"\\u003c\\u0026\\u003e"},"ips":[{"address":"10.0.0.2/24"}]}}';

function put(name: string, content: string): void {
  mkdirSync(dir.join('results'), { recursive: true });
  writeFileSync(dir.join('results', name), content);
}

describe('ResultCache', () => {
  test('writes what libcni writes, for the owner only', () => {
    cache.write(entry);
    const file = dir.join('results/net-c0ffee-eth0');
    expect(readFileSync(file, 'utf8')).toBe(libcni);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(dir.join('results')).mode & 0o777).toBe(0o700);
  });

  test('replaces, reads back and removes, leaving nothing', () => {
    cache.write({ ...entry, netns: '/other' });
    cache.write(entry);
    expect(cache.read('net', entry)).toEqual(entry);
    expect(cache.readResult('net', entry)?.ips).toHaveLength(1);
    cache.remove('net', entry);
    cache.remove('net', entry);
    expect(cache.read('net', entry)).toBeUndefined();
    expect(cache.readResult('net', entry)).toBeUndefined();
    expect(readdirSync(dir.join('results'))).toEqual([]);
  });

  test('leaves out what is empty', () => {
    cache.write({
      containerId: 'a',
      ifname: 'b',
      networkName: 'n',
      config: new Uint8Array(),
      result: undefined,
    });
    const text = readFileSync(dir.join('results/n-a-b'), 'utf8');
    expect(text).toBe('{"kind":"cniCacheV1","containerId":"a","config":"","ifName":"b","networkName":"n"}');
  });

  test('reads the bare result of older runtimes', () => {
    put('net-c0ffee-eth0', '{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.0.0.2/24"}]}');
    expect(cache.readResult('net', entry)?.ips).toHaveLength(1);
    expect(() => cache.read('net', entry)).toThrow('cniCacheV1');
  });

  test.each(['', '{', '[]', '{"kind":"cniCacheV1","result":7}', '{"ips":1,"cniVersion":"1.0.0"}'])(
    'says which file is broken: %j',
    (content) => {
      put('net-c0ffee-eth0', content);
      expect(() => cache.readResult('net', entry)).toThrow(dir.join('results/net-c0ffee-eth0'));
    },
  );

  test('another attachment under the same file name is none of ours', () => {
    cache.write({ ...entry, networkName: 'net-c0ffee', containerId: 'eth0', ifname: 'x' });
    expect(cache.readResult('net', { containerId: 'c0ffee', ifname: 'eth0-x' })).toBeUndefined();
    expect(cache.read('net', { containerId: 'c0ffee', ifname: 'eth0-x' })).toBeUndefined();
  });

  test('lists by container and passes over what is broken', () => {
    cache.write(entry);
    cache.write({ ...entry, ifname: 'eth1' });
    cache.write({ ...entry, containerId: 'decaf' });
    put('junk', 'junk');
    put('net-bad-eth0', '{"kind":"cniCacheV1","ifName":"eth0"}');
    const problems: string[] = [];
    const all = cache.list({ onProblem: (problem) => problems.push(problem) });
    expect(all.map(({ containerId, ifname }) => `${containerId}/${ifname}`)).toEqual([
      'c0ffee/eth0',
      'c0ffee/eth1',
      'decaf/eth0',
    ]);
    expect(problems).toHaveLength(2);
    expect(cache.list({ containerId: 'c0ffee' })).toHaveLength(2);
    expect(cache.list({ containerId: 'c0f' })).toEqual([]);
    expect(new ResultCache(dir.join('missing')).list()).toEqual([]);
  });
});
