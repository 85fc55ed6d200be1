import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MS } from '../../../shared/sys/constants.ts';
import { mount } from '../../../shared/sys/mount.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, list, read, TestNode } from '../testing/node.ts';

const node = TestNode.enter();
const go = goPlugins();
const data = '/var/lib/cni/networks';

function conf(name: string, ipam: Json = { subnet: '10.1.0.0/29' }, more: Json = {}): Json {
  return { cniVersion: '1.1.0', name, type: 'host-local', ipam: { type: 'host-local', ...ipam }, ...more };
}

function ips(result: Json): string[] {
  return (result['ips'] as { address: string }[]).map(({ address }) => address);
}

function pod(id: string, ifname: string = 'eth0'): Container {
  return { id, ifname, netns: '/nonexistent' };
}

describe.skipIf(!node)('host-local', () => {
  const { call, ok } = bind(node as TestNode);

  test('writes what upstream writes', async () => {
    const result = await ok(
      'ADD',
      conf('format', { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00:9::/64' }]] }),
      pod('abc'),
    );
    expect(result['ips']).toEqual([
      { address: '10.1.0.2/24', gateway: '10.1.0.1' },
      { address: 'fd00:9::2/64', gateway: 'fd00:9::1' },
    ]);
    expect(result['interfaces']).toBeUndefined();
    expect(list(`${data}/format`)).toEqual([
      '10.1.0.2',
      'fd00:9::2',
      'last_reserved_ip.0',
      'last_reserved_ip.1',
      'lock',
    ]);
    expect(read(`${data}/format/10.1.0.2`)).toBe('abc\r\neth0');
    expect(read(`${data}/format/last_reserved_ip.1`)).toBe('fd00:9::2');
    expect(statSync(`${data}/format/10.1.0.2`).mode & 0o777).toBe(0o600);
    expect(statSync(`${data}/format`).mode & 0o777).toBe(0o755);
  });

  test('goes round robin and comes back to what was released', async () => {
    const network = conf('round', { subnet: '10.1.0.0/29' });
    const given: string[] = [];
    for (let round = 0; round < 7; round++) {
      given.push(...ips(await ok('ADD', network, pod(`c${round}`))));
      await ok('DEL', network, pod(`c${round}`));
    }
    expect(given.map((text) => text.replace('/29', ''))).toEqual(
      [2, 3, 4, 5, 6, 2, 3].map((last) => `10.1.0.${last}`),
    );
  });

  test('a full range is an error that names it and says what to do', async () => {
    const network = conf('full', { subnet: '10.1.0.0/29' });
    for (let index = 0; index < 5; index++) await ok('ADD', network, pod(`c${index}`));
    const { code, json } = await call('ADD', network, pod('c5'));
    expect(code).toBe(1);
    expect(json).toMatchObject({ code: 11, msg: 'no address is free in 10.1.0.1-10.1.0.6' });
    expect(json['details']).toMatch(/\/var\/lib\/cni\/networks\/full: delete pods, widen the range/);
    await ok('DEL', network, pod('c2'));
    expect(ips(await ok('ADD', network, pod('c5')))).toEqual(['10.1.0.4/29']);
  });

  test('a second range set that is full gives the first one’s address back', async () => {
    const network = conf('half', { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: '10.2.0.0/30' }]] });
    await ok('ADD', network, pod('c0'));
    expect((await call('ADD', network, pod('c1'))).code).toBe(1);
    expect(node?.addresses('half')).toEqual(['10.1.0.2', '10.2.0.2']);
  });

  test('an attachment is added once', async () => {
    const network = conf('twice');
    await ok('ADD', network, pod('abc'));
    const { json } = await call('ADD', network, pod('abc'));
    expect(json).toMatchObject({ code: 7, msg: '10.1.0.2 has already been given to eth0 of container abc' });
    expect(ips(await ok('ADD', network, pod('abc', 'eth1')))).toEqual(['10.1.0.3/29']);
    await ok('DEL', network, pod('abc'));
    expect(node?.addresses('twice')).toEqual(['10.1.0.3']);
  });

  test('requested addresses', async () => {
    const network = conf('wish', { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]] });
    const wish = (list: string[]): Json => ({ ...network, runtimeConfig: { ips: list } });
    expect(ips(await ok('ADD', wish(['fd00::77', '10.1.0.9/16']), pod('a')))).toEqual([
      '10.1.0.9/24',
      'fd00::77/64',
    ]);
    const byArgs = await ok('ADD', network, pod('b'), { CNI_ARGS: 'IP=10.1.0.20' });
    expect(ips(byArgs)).toEqual(['10.1.0.20/24', 'fd00::78/64']);
    const refusals: [string[], RegExp][] = [
      [['10.1.0.9'], /10\.1\.0\.9 is taken by container a/],
      [['10.1.0.1'], /10\.1\.0\.1 is the gateway/],
      [['10.9.9.9'], /10\.9\.9\.9 cannot be given out/],
      [['10.1.0.30', '10.1.0.31'], /10\.1\.0\.31 cannot be given out/],
    ];
    for (const [wanted, message] of refusals) {
      const { json } = await call('ADD', wish(wanted), pod('c'));
      expect(json['msg']).toMatch(message);
    }
    expect(node?.addresses('wish')).toEqual(['10.1.0.20', '10.1.0.9', 'fd00::77', 'fd00::78']);
  });

  test('files without content, which a power cut leaves, are used again when nothing else is free', async () => {
    mkdirSync(`${data}/empty`, { recursive: true });
    for (const last of [2, 3, 4, 5, 6])
      writeFileSync(`${data}/empty/10.1.0.${last}`, last === 4 ? '' : 'x\r\neth0');
    writeFileSync(`${data}/empty/last_reserved_ip.0`, 'nonsense');
    expect(ips(await ok('ADD', conf('empty'), pod('abc')))).toEqual(['10.1.0.4/29']);
    expect(read(`${data}/empty/10.1.0.4`)).toBe('abc\r\neth0');
  });

  test('DEL finds old records, tolerates all that is missing, and can be repeated', async () => {
    const network = conf('old');
    await ok('DEL', network, pod('abc'));
    expect(list(data)).not.toContain('old');
    mkdirSync(`${data}/old`);
    writeFileSync(`${data}/old/10.1.0.2`, 'abc');
    writeFileSync(`${data}/old/10.1.0.3`, 'abc\n');
    writeFileSync(`${data}/old/10.1.0.4`, 'abcd\r\neth0');
    writeFileSync(`${data}/old/10.1.0.5`, '\0\u0001garbage');
    await ok('DEL', network, pod('abc'));
    await ok('DEL', network, pod('abc'));
    expect(node?.addresses('old')).toEqual(['10.1.0.4', '10.1.0.5']);
  });

  test('DEL needs no sensible ranges', async () => {
    await ok('ADD', conf('changed'), pod('abc'));
    await ok('DEL', conf('changed', { ranges: [[{ subnet: 'nonsense' }]] }), pod('abc'));
    expect(node?.addresses('changed')).toEqual([]);
  });

  test('DEL with prevResult releases only what is the attachment’s own', async () => {
    const network = conf('previous');
    const result = await ok('ADD', network, pod('abc'));
    await ok('DEL', { ...network, prevResult: result }, pod('other'));
    expect(node?.addresses('previous')).toEqual(['10.1.0.2']);
    await ok('DEL', { ...network, prevResult: result }, pod('abc'));
    expect(node?.addresses('previous')).toEqual([]);
  });

  test('a read-only directory is an error at once, for STATUS as well', async () => {
    const network = conf('readonly');
    await ok('ADD', network, pod('abc'));
    mount(`${data}/readonly`, `${data}/readonly`, 'none', MS.BIND);
    mount('none', `${data}/readonly`, 'none', MS.BIND | MS.REMOUNT | MS.RDONLY);
    const add = await call('ADD', network, pod('def'));
    expect(add.json).toMatchObject({ code: 5 });
    expect(add.json['details']).toMatch(/mount it writable/);
    expect((await call('DEL', network, pod('abc'))).code).toBe(1);
    const status = await call('STATUS', network);
    expect(status.json).toMatchObject({ code: 50 });
    expect(status.json['msg']).toMatch(/cannot write \/var\/lib\/cni\/networks\/readonly/);
    expect(node?.addresses('readonly')).toEqual(['10.1.0.2']);
  });

  test('resolvConf becomes the DNS section', async () => {
    writeFileSync('/run/resolv.conf', 'nameserver 192.0.2.1\n');
    const good = conf('dns', { subnet: '10.1.0.0/29', resolvConf: '/run/resolv.conf' });
    expect((await ok('ADD', good, pod('abc')))['dns']).toEqual({ nameservers: ['192.0.2.1'] });
    await ok('STATUS', good);
    const bad = conf('dns', { subnet: '10.1.0.0/29', resolvConf: '/run/missing' });
    expect((await call('ADD', bad, pod('def'))).json['msg']).toMatch(/cannot read \/run\/missing/);
    expect((await call('STATUS', bad)).json).toMatchObject({ code: 50 });
  });

  test('CHECK', async () => {
    const network = conf('check');
    const prevResult = await ok('ADD', network, pod('abc'));
    await ok('CHECK', { ...network, prevResult }, pod('abc'));
    expect((await call('CHECK', { ...network, prevResult }, pod('def'))).json).toMatchObject({ code: 100 });
    writeFileSync(`${data}/check/10.1.0.2`, 'def\r\neth0');
    writeFileSync(`${data}/check/10.1.0.3`, 'abc\r\neth0');
    const { json } = await call('CHECK', { ...network, prevResult }, pod('abc'));
    expect(json['msg']).toMatch(/10\.1\.0\.2 is no longer reserved/);
  });

  test('STATUS does not call a full range unavailable', async () => {
    const network = conf('busy', { subnet: '10.1.0.0/30' });
    await ok('ADD', network, pod('abc'));
    await ok('STATUS', network);
    expect((await call('STATUS', conf('busy', {}))).json).toMatchObject({ code: 7 });
  });

  test.skipIf(!go)('works on one directory with upstream’s plugin', async () => {
    const network = conf('shared', { subnet: '10.1.0.0/29' });
    await ok('ADD', network, pod('ours-1'));
    const theirs = node?.exec(go as string, 'ADD', { ...network, cniVersion: '1.0.0' }, pod('theirs-1'));
    expect(theirs && ips(theirs.json)).toEqual(['10.1.0.3/29']);
    expect(ips(await ok('ADD', network, pod('ours-2')))).toEqual(['10.1.0.4/29']);
    expect(node?.exec(go as string, 'DEL', { ...network, cniVersion: '1.0.0' }, pod('ours-1')).code).toBe(0);
    await ok('DEL', network, pod('theirs-1'));
    expect(node?.addresses('shared')).toEqual(['10.1.0.4']);
    await ok('GC', { ...network, 'cni.dev/valid-attachments': [] });
    expect(node?.addresses('shared')).toEqual([]);
  });
});

function bind(testNode: TestNode): Pick<TestNode, 'call' | 'ok'> {
  return {
    call: (...args) => testNode.call(...args),
    ok: (...args) => testNode.ok(...args),
  };
}
