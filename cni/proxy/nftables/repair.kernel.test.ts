import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { FakeTime } from '../testing/fake-time.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { layoutOf } from './layout.ts';
import { LINGER, NftablesMode } from './nftables-mode.ts';

const available = freshNetns();

const web = port({
  name: 'default/web:http',
  frontends: ['cluster-ip 10.96.0.1:80', 'load-balancer 192.0.2.2:80 local', 'node-port 30080'],
  endpoints: ['10.244.1.1:8080', '10.244.2.1:8080', '10.244.3.1:8080'],
  local: ['10.244.1.1:8080'],
  sources: ['198.51.100.0/24'],
});
const sticky = port({
  name: 'default/sticky',
  frontends: ['cluster-ip 10.96.0.3:80'],
  endpoints: ['10.244.1.3:8080', '10.244.2.3:8080'],
  affinity: 10_800,
});
const empty = port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.4:80'] });

describe.skipIf(!available)('a table that somebody else touched', () => {
  const kernel = KernelNftables.open();
  const time = new FakeTime();
  const ports = new Ports(web, sticky, empty);
  afterAll(() => kernel[Symbol.dispose]());

  let mode: NftablesMode;
  let listing: string;
  const list = (): string =>
    run('nft', 'list', 'table', 'ip', 'underpod-proxy')
      .split('\n')
      .map((line) => line.trim())
      .sort()
      .join('\n');

  beforeEach(async () => {
    kernel.run(new Transaction().destroyTable(layoutOf(4).table));
    mode = new NftablesMode(settings(4), kernel, time);
    await mode.replace(ports);
    listing = list();
  });

  test.each([
    ['an element deleted', 'delete element ip underpod-proxy frontends { 10.96.0.1 . tcp . 80 }', 1],
    ['a slot deleted', 'delete element ip underpod-proxy slots { 10.96.0.1 . tcp . 80 . 2 }', 1],
    ['a map emptied', 'flush map ip underpod-proxy slots', 6],
    ['a set emptied', 'flush set ip underpod-proxy cluster-ips', 3],
    ['a chain emptied', 'flush chain ip underpod-proxy services', 1],
    ['all chains emptied', 'flush table ip underpod-proxy', 20],
    ['a rule added', 'insert rule ip underpod-proxy services ip daddr 10.96.0.1 drop', 1],
    ['an element added', 'add element ip underpod-proxy rejected { 10.96.0.1 . tcp . 80 }', 1],
    ['a verdict deleted', 'delete element ip underpod-proxy treatments { 7502:3 }', 1],
    ['networks changed', 'add element ip underpod-proxy sources-default/web/http { 203.0.113.0/24 }', 1],
    ['the table put to sleep', 'add table ip underpod-proxy { flags dormant; }', 1],
  ] as const)('%s is mended, and nothing else', async (_, command, differences) => {
    run('nft', command);
    const before = list();
    expect(before).not.toBe(listing);
    const report = await mode.verify(ports);
    expect(report.refused).toEqual([]);
    expect(report.repairs).toBeGreaterThanOrEqual(differences);
    expect(list()).toBe(listing);
    expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
  });

  test('a chain, a set and slots that nobody knows are cleared away, a second later', async () => {
    run('nft', 'add chain ip underpod-proxy mine');
    run('nft', 'add rule ip underpod-proxy mine counter');
    run('nft', 'add set ip underpod-proxy others { type ipv4_addr; }');
    run('nft', 'add element ip underpod-proxy slots { 10.96.0.1 . tcp . 80 . 7 : 10.244.9.9 . 80 }');
    expect((await mode.verify(ports)).repairs).toBe(2);
    await time.advance(3 * LINGER);
    expect(list()).toBe(listing);
  });

  test('a table deleted, or the whole ruleset, is made anew', async () => {
    run('nft', 'delete table ip underpod-proxy');
    expect((await mode.verify(ports)).repairs).toBeGreaterThan(20);
    expect(list()).toBe(listing);
    run('nft', 'flush ruleset');
    ports.set(port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.5:80'] }));
    // Found out by the next change: the kernel refuses it, the table is read back and made anew.
    expect(await mode.update(ports, new Set(['default/empty']))).toMatchObject({ refused: [] });
    expect(list()).toBe(listing.replaceAll('10.96.0.4', '10.96.0.5'));
    ports.set(empty);
    await mode.update(ports, new Set(['default/empty']));
  });

  test('an element that another one is in the way of does not stop the others', async () => {
    run('nft', 'add element ip underpod-proxy frontends { 10.96.0.9 . tcp . 80 : 7503:1 }');
    ports.set(
      port({ name: 'default/new', frontends: ['cluster-ip 10.96.0.9:80'], endpoints: ['10.244.1.9:80'] }),
    );
    ports.set(
      port({ name: 'default/newer', frontends: ['cluster-ip 10.96.0.10:80'], endpoints: ['10.244.1.9:80'] }),
    );
    const report = await mode.update(ports, new Set(['default/new', 'default/newer']));
    expect(report.refused).toEqual([]);
    expect(list()).toContain('10.96.0.9 . tcp . 80 : 7502:1');
    ports.delete('default/new');
    ports.delete('default/newer');
    await mode.update(ports, new Set(['default/new', 'default/newer']));
    await time.advance(3 * LINGER);
    expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
  });

  test('another layout is replaced in one transaction, and clients stay with their endpoints', async () => {
    const clients = 'clients-default/sticky/0af40203-1f90';
    run('nft', 'delete table ip underpod-proxy');
    run('nft', 'add table ip underpod-proxy { comment "underpod service proxy, layout 0"; }');
    run('nft', `add set ip underpod-proxy ${clients} { type ipv4_addr; flags dynamic,timeout; }`);
    run('nft', `add element ip underpod-proxy ${clients} { 10.244.7.7 timeout 3h expires 2h }`);
    run('nft', 'add chain ip underpod-proxy old { type nat hook prerouting priority dstnat; }');
    const generation = kernel.getGeneration();
    using next = new NftablesMode(settings(4), kernel, time);
    expect(await next.replace(ports)).toMatchObject({ refused: [] });
    expect(kernel.getGeneration()).toBe(generation + 1);
    const text = run('nft', 'list', 'table', 'ip', 'underpod-proxy');
    expect(text).toContain('layout 1');
    expect(text).not.toContain('chain old');
    expect(run('nft', 'list', 'set', 'ip', 'underpod-proxy', clients)).toMatch(
      /10\.244\.7\.7 timeout 3h expires 1h59m/,
    );
  });

  test('settings that changed change the chains that follow from them, and no others', async () => {
    mode[Symbol.dispose]();
    using next = new NftablesMode(settings(4, { masqueradeBit: 15, serviceCidrs: [] }), kernel, time);
    const report = await next.replace(ports);
    expect(report.refused).toEqual([]);
    // Two masqueraded treatments, one by source, cluster-ips, masquerading, nat-postrouting and what sticky has.
    expect(report.changes).toBeLessThan(12);
    expect(list()).toBe(
      listing.replaceAll('0x00004000', '0x00008000').replace(/ip daddr 10\.96\.0\.0\/16 drop\n/, ''),
    );
  });

  test('is gone after cleaning up, which can be repeated', async () => {
    await mode.cleanUp();
    await mode.cleanUp();
    expect(run('nft', 'list', 'ruleset')).toBe('');
    expect(await mode.replace(ports)).toMatchObject({ refused: [] });
    expect(list()).toBe(listing);
  });

  test('is told of in words', async () => {
    expect(await mode.explain(web)).toEqual([
      "10.96.0.1 80/TCP: to 3 endpoints, masqueraded unless from this node's pods",
      '  0: 10.244.1.1:8080',
      '  1: 10.244.2.1:8080',
      '  2: 10.244.3.1:8080',
      '192.0.2.2 80/TCP: only for 198.51.100.0-198.51.100.255',
      '192.0.2.2 80/TCP: to 3 endpoints, by source: pods as they are, this node masqueraded',
      '  0: 10.244.1.1:8080',
      '  1: 10.244.2.1:8080',
      '  2: 10.244.3.1:8080',
      '192.0.2.2 80/TCP: to 1 endpoint, not masqueraded, for packets from elsewhere',
      '  0: 10.244.1.1:8080',
      'node port 30080/TCP: to 3 endpoints, masqueraded',
      '  0: 10.244.1.1:8080',
      '  1: 10.244.2.1:8080',
      '  2: 10.244.3.1:8080',
    ]);
    expect(await mode.explain(sticky)).toEqual([
      "10.96.0.3 80/TCP: to 2 endpoints with affinity, masqueraded unless from this node's pods",
      '  0: 10.244.1.3:8080, remembered by 0 clients',
      '  1: 10.244.2.3:8080, remembered by 0 clients',
    ]);
    expect(await mode.explain(empty)).toEqual(['10.96.0.4 80/TCP: rejected']);
  });
});
