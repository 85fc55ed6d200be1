import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Lease } from '../client/lease.ts';
import { OPTION } from '../codec/option-codes.ts';
import { ipOption } from '../codec/options.ts';
import { LeaseStore } from './lease-store.ts';
import type { LeaseRecord } from './record.ts';
import { encodeRecord } from './record.ts';

const zero = { family: 4, value: 0n } as const;
const server = parseIp('10.9.0.1')!;
const address = parseIp('10.9.0.10')!;

const lease: Lease = {
  ack: {
    op: 2,
    htype: 1,
    hops: 0,
    xid: 7,
    secs: 0,
    flags: 0,
    ciaddr: zero,
    yiaddr: address,
    siaddr: zero,
    giaddr: zero,
    chaddr: Uint8Array.of(2, 0, 0, 0, 0, 2),
    options: [ipOption(OPTION.SERVER_ID, server)],
  },
  address,
  server,
  via: Uint8Array.of(2, 0, 0, 0, 0, 1),
  renewAt: 500,
  rebindAt: 875,
  expiresAt: Number.POSITIVE_INFINITY,
};

const record: LeaseRecord = {
  holder: {
    network: 'net',
    containerId: 'c1',
    ifname: 'eth0',
    netns: '/run/netns/c1',
    provide: [{ code: 12, hex: '706f64' }],
    request: [3, 1],
    priority: 0,
  },
  pod: { netns: '4:1', ifindex: 2, mac: '02:00:00:00:00:02' },
  lease,
  lost: false,
  bootId: 'boot',
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'underpod-leases-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function read(): { readonly good: string[]; readonly bad: string[] } {
  const bad: string[] = [];
  const good = new LeaseStore(directory).read((path) => bad.push(path.slice(directory.length + 1)));
  return { good: good.map(({ name }) => name), bad: bad.sort() };
}

test('what is written is read again', () => {
  const store = new LeaseStore(directory);
  store.write('a1', record);
  expect(store.read(() => expect.unreachable())).toEqual([{ name: 'a1', record }]);
  store.remove('a1');
  store.remove('a1');
  expect(readdirSync(directory)).toEqual([]);
});

const good = JSON.parse(encodeRecord(record)) as Record<string, Record<string, unknown>>;

test.each<[string, string]>([
  ['nothing', ''],
  ['zeros, as a power cut leaves them', '\0'.repeat(200)],
  ['its half', encodeRecord(record).slice(0, 300)],
  ['another version', JSON.stringify({ ...good, version: 2 })],
  [
    'an option that is no hex',
    JSON.stringify({ ...good, holder: { ...good['holder'], provide: [{ code: 12, hex: 'zz' }] } }),
  ],
  [
    'an option of no number',
    JSON.stringify({ ...good, holder: { ...good['holder'], provide: [{ hex: '00' }] } }),
  ],
  ['a hardware address that is none', JSON.stringify({ ...good, pod: { ...good['pod'], mac: 'x' } })],
  ['an answer that is none', JSON.stringify({ ...good, lease: { ...good['lease'], ack: '0102' } })],
])('a file with %s is told of, left, and in nobody’s way', (_what, text) => {
  new LeaseStore(directory).write('a1', record);
  writeFileSync(join(directory, 'b2.json'), text);
  expect(read()).toEqual({ good: ['a1'], bad: ['b2.json'] });
  expect(readdirSync(directory).sort()).toEqual(['a1.json', 'b2.json']);
});

test('of what is not its own, only what a killed write left is removed', () => {
  new LeaseStore(directory).write('a1', record);
  mkdirSync(join(directory, '.directory'));
  mkdirSync(join(directory, 'directory.json'));
  for (const name of ['.bashrc', '.a1.json.4711.1.0123abcd.tmp', 'lock', 'note'])
    writeFileSync(join(directory, name), 'x');
  expect(read()).toEqual({ good: ['a1'], bad: ['directory.json'] });
  expect(readdirSync(directory).sort()).toEqual([
    '.bashrc',
    '.directory',
    'a1.json',
    'directory.json',
    'lock',
    'note',
  ]);
});
