import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, nftJson, run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { writeFile } from '../../../shared/sys/file.ts';
import { FakeTime } from '../testing/fake-time.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { NftablesMode } from './nftables-mode.ts';

const available = freshNetns();

const everything = [
  port({
    name: 'default/web:http',
    frontends: [
      'cluster-ip 10.96.0.1:80',
      'external-ip 192.0.2.1:80',
      'load-balancer 192.0.2.2:80',
      'node-port 30080',
    ],
    endpoints: ['10.244.1.1:8080', '10.244.2.1:8080', '10.244.3.1:8080'],
    local: ['10.244.1.1:8080'],
    sources: ['198.51.100.0/24', '198.51.100.7/32', '203.0.113.9/32'],
  }),
  port({
    name: 'default/local:http',
    frontends: ['cluster-ip 10.96.0.2:80', 'load-balancer 192.0.2.3:80 local', 'node-port 30081 local'],
    endpoints: ['10.244.1.2:8080', '10.244.2.2:8080'],
    local: ['10.244.1.2:8080'],
  }),
  port({
    name: 'default/sticky:http',
    protocol: 'UDP',
    frontends: ['cluster-ip 10.96.0.3:80', 'load-balancer 192.0.2.4:80 local', 'node-port 30082'],
    endpoints: ['10.244.1.3:8080', '10.244.2.3:8080'],
    local: ['10.244.1.3:8080'],
    affinity: 10_800,
  }),
  port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.4:80', 'node-port 30083'] }),
  port({
    name: 'default/inside',
    protocol: 'SCTP',
    frontends: ['cluster-ip 10.96.0.5:80 local'],
    endpoints: ['10.244.2.5:80'],
  }),
];

const everything6 = [
  port({
    name: 'default/web:http',
    frontends: [
      'cluster-ip [fd00:96::1]:80',
      'load-balancer [2001:db8::2]:80 local',
      'node-port 30080 local',
    ],
    endpoints: ['[fd00:244::1]:8080', '[fd00:244:0:1::1]:8080'],
    local: ['[fd00:244::1]:8080'],
    affinity: 10,
    sources: ['2001:db8::/32'],
  }),
  port({
    name: 'default/web:dns',
    protocol: 'UDP',
    frontends: ['cluster-ip [fd00:96::1]:53', 'node-port 30053'],
    endpoints: ['[fd00:244::1]:53'],
    local: ['[fd00:244::1]:53'],
  }),
];

describe.skipIf(!available)('the table in the kernel', () => {
  const kernel = KernelNftables.open();
  const time = new FakeTime();
  const folder = new TemporaryDirectory();
  afterAll(() => {
    kernel[Symbol.dispose]();
    folder[Symbol.dispose]();
  });
  beforeEach(() => {
    for (const { family, name } of kernel.listTables())
      kernel.run(new Transaction().destroyTable({ family, name }));
  });

  test.each([
    ['IPv4', 4, everything],
    ['IPv6', 6, everything6],
  ] as const)('is listed by nft, and its listing loaded by it again: %s', async (_, family, ports) => {
    using mode = new NftablesMode(settings(family), kernel, time);
    expect(await mode.replace(new Ports(...ports))).toMatchObject({ refused: [], repairs: 0 });
    const listing = run('nft', 'list', 'ruleset');
    expect(nftJson('list', 'ruleset').nftables.length).toBeGreaterThan(50);
    writeFile(folder.join('ruleset.nft'), new TextEncoder().encode(listing));
    run('nft', 'flush', 'ruleset');
    run('nft', '-f', folder.join('ruleset.nft'));
    expect(run('nft', 'list', 'ruleset')).toBe(listing);
    expect(await mode.verify(new Ports(...ports))).toEqual({ changes: 0, refused: [], repairs: 0 });
    if (process.env['SHOW']) process.stderr.write(listing);
  });

  test.each([
    ['IPv4', 4, everything],
    ['IPv6', 6, everything6],
  ] as const)('is taken over as it is by a program that starts anew: %s', async (_, family, ports) => {
    using first = new NftablesMode(settings(family), kernel, time);
    await first.replace(new Ports(...ports));
    const listing = run('nft', '-a', 'list', 'ruleset');
    const generation = kernel.getGeneration();
    using second = new NftablesMode(settings(family), kernel, time);
    expect(await second.replace(new Ports(...ports))).toEqual({ changes: 0, refused: [], repairs: 0 });
    await time.advance(5000);
    expect(kernel.getGeneration()).toBe(generation);
    expect(run('nft', '-a', 'list', 'ruleset')).toBe(listing);
  });
});
