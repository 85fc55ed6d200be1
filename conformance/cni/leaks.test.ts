import { mkdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { writeFile } from '../../shared/sys/file.ts';
import { lock } from '../../shared/sys/lock.ts';
import { run } from '../testing/netns.ts';
import { leaked, snapshot } from './leaks.ts';
import { enterWorld } from './world.ts';

const world = enterWorld();
afterAll(() => world?.[Symbol.dispose]());

/** Each kind of leak, planted by hand: the check that guards the kill rounds must see every one. */
const plants: [string, () => unknown, RegExp][] = [
  [
    'a host veth',
    () => run('ip', 'link', 'add', 'vethdeadbeef', 'type', 'veth', 'peer', 'name', 'p0'),
    /^link vethdeadbeef$/,
  ],
  [
    'an address',
    () => {
      mkdirSync('/var/lib/cni/networks/n', { recursive: true });
      writeFile('/var/lib/cni/networks/n/10.0.0.2', 'x');
    },
    /^address .*10\.0\.0\.2$/,
  ],
  [
    'a lock file that nobody holds',
    () => {
      mkdirSync('/run/underpod/cni', { recursive: true });
      writeFile('/run/underpod/cni/a.lock', '');
    },
    /^file .*a\.lock$/,
  ],
  ['a lock that is held', () => lock('/run/underpod/cni/b.lock', 0), /^lock .*b\.lock$/],
  ['a temporary file', () => writeFile('/var/lib/cni/.x.tmp', ''), /^file .*\.x\.tmp$/],
  [
    'a masquerade rule',
    () =>
      run(
        'nft',
        'add table inet t; add chain inet t c; add rule inet t c ip saddr 10.0.0.2 masquerade comment "x"',
      ),
    /^rule t c .*masquerade/,
  ],
  [
    'a set element',
    () => run('nft', 'add set inet t s { type ipv4_addr; }; add element inet t s { 10.0.0.2 }'),
    /^element t s "10.0.0.2"/,
  ],
  [
    "host-local's lock while it is held",
    () => lock('/var/lib/cni/networks/n/lock', 0),
    /^lock .*networks\/n\/lock$/,
  ],
];

describe.skipIf(!world)('the leak check', () => {
  test.each(plants)('sees %s', (_, plant, expected) => {
    const before = snapshot();
    const held = plant();
    const found = leaked(before, snapshot());
    expect(found.filter((line) => expected.test(line))).toHaveLength(1);
    if (held && typeof held === 'object' && Symbol.dispose in held) (held as Disposable)[Symbol.dispose]();
  });

  test('lets host-local keep its own files', () => {
    const before = snapshot();
    writeFile('/var/lib/cni/networks/n/lock', '');
    writeFile('/var/lib/cni/networks/n/last_reserved_ip.0', '10.0.0.2');
    expect(leaked(before, snapshot())).toEqual([]);
  });
});
