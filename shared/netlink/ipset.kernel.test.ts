import { describe, expect, test } from 'vitest';
import { freshNetns } from '../../conformance/testing/netns.ts';
import type { IpSetEntry, IpSetType } from './codec/ipset.ts';
import { isNetlinkError } from './error.ts';
import { IpSets, ipSetProblem } from './ipset.ts';
import { addIpSetEntry, delIpSetEntry, formatEntry } from './requests/ipset.ts';
import { ip } from './testing/golden.ts';

const TYPES: readonly [IpSetType, 4 | 6, IpSetEntry[]][] = [
  ['hash:ip', 4, [{ ip: ip('10.96.0.1') }]],
  [
    'hash:ip,port',
    4,
    [
      { ip: ip('10.96.0.1'), port: 443, protocol: 6 },
      { ip: ip('10.96.0.1'), port: 443, protocol: 132 },
    ],
  ],
  ['hash:ip,port', 6, [{ ip: ip('fd00::1'), port: 53, protocol: 17 }]],
  ['hash:ip,port,ip', 6, [{ ip: ip('fd00::1'), port: 53, protocol: 17, ip2: ip('fd00::1') }]],
  [
    'hash:ip,port,net',
    4,
    [
      { ip: ip('192.0.2.1'), port: 80, protocol: 6, ip2: ip('10.0.0.0'), prefix2: 8 },
      { ip: ip('192.0.2.1'), port: 80, protocol: 6, ip2: ip('11.0.0.1'), prefix2: 32 },
    ],
  ],
  ['bitmap:port', 6, [{ port: 30080 }, { port: 65535 }]],
];

describe.skipIf(!freshNetns())('sets in the kernel', () => {
  test.each(TYPES)('%s of IPv%i: entries come back, and go', (type, family, entries) => {
    using sets = IpSets.open();
    const sizes = type === 'bitmap:port' ? {} : { hashSize: 1024, maxElements: 65536 };
    const spec = { name: 'ONE', type, family, ...sizes };
    sets.create(spec);
    sets.create(spec);
    sets.socket.requestAll(entries.map((entry) => addIpSetEntry('ONE', entry)));
    sets.socket.requestAll(entries.map((entry) => addIpSetEntry('ONE', entry)));
    const sorted = (list: readonly IpSetEntry[] = []): string[] => list.map(formatEntry).sort();
    expect(sorted(sets.entries('ONE'))).toEqual(sorted(entries));
    expect(sets.names()).toEqual(['ONE']);
    sets.socket.requestAll(entries.map((entry) => delIpSetEntry('ONE', entry)));
    sets.socket.requestAll(entries.map((entry) => delIpSetEntry('ONE', entry)));
    expect(sets.entries('ONE')).toEqual([]);
    expect(sets.destroy('ONE')).toBe(true);
    expect(sets.destroy('ONE')).toBe(true);
    expect(sets.entries('ONE')).toBeUndefined();
    expect(sets.names()).toEqual([]);
  });

  test('ten thousand entries take several messages', () => {
    using sets = IpSets.open();
    sets.create({ name: 'MANY', type: 'hash:ip,port', family: 4, hashSize: 1024, maxElements: 10_000 });
    const entry = (n: number): IpSetEntry => ({
      ip: { family: 4, value: 0x0a60_0000n + BigInt(n) },
      port: 80,
      protocol: 6,
    });
    sets.socket.requestAll(Array.from({ length: 10_000 }, (_, n) => addIpSetEntry('MANY', entry(n))));
    expect(new Set(sets.entries('MANY')?.map((one) => one.ip?.value)).size).toBe(10_000);
    // The kernel counts by regions of the table.
    const more = Array.from({ length: 5000 }, (_, n) => addIpSetEntry('MANY', entry(10_000 + n)));
    const problems = sets.socket.transact(more).map(({ error }) => error && ipSetProblem(error));
    expect(problems).toContain('the set is full');
  });

  test('a set of another kind is not taken for the one that is wanted', () => {
    using sets = IpSets.open();
    sets.create({ name: 'KIND', type: 'hash:ip', family: 4, hashSize: 1024, maxElements: 65536 });
    const again = (): void =>
      sets.create({ name: 'KIND', type: 'hash:ip,port', family: 4, hashSize: 1024, maxElements: 65536 });
    expect(again).toThrow(/make set KIND/);
    try {
      again();
    } catch (error) {
      expect(isNetlinkError(error, 'EEXIST')).toBe(true);
    }
  });
});
