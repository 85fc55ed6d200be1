import { afterAll, describe, expect, test } from 'vitest';
import { enterWorld } from '../cni/world.ts';
import { ipJson, run } from '../testing/netns.ts';
import { bridgeState } from './first-add.ts';

const world = enterWorld();
afterAll(() => world?.[Symbol.dispose]());

/** What a first ADD that was cut off could leave undone or done twice: each must show. */
const changes: [string, (mac: string) => void, RegExp][] = [
  ['its MAC is pinned', (mac) => run('ip', 'link', 'set', 'br0', 'address', mac), /^addr_assign_type 3$/],
  ['it is up', () => run('ip', 'link', 'set', 'br0', 'up'), /^flags .*UP/],
  [
    'its address',
    () => run('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'br0'),
    /^address 10\.0\.0\.1\/24 global$/,
  ],
  ['its MTU', () => run('ip', 'link', 'set', 'br0', 'mtu', '1400'), /^mtu 1400 /],
  ['STP', () => run('ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1'), /^stp_state 1$/],
  ['forwarding', () => run('sysctl', '-w', 'net.ipv4.ip_forward=1'), /^net\/ipv4\/ip_forward 1$/],
];

describe.skipIf(!world)("a bridge's state", () => {
  test.each(changes)('tells %s', (_, change, expected) => {
    if (!ipJson<{ ifname: string }[]>('link').some(({ ifname }) => ifname === 'br0'))
      run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    const before = bridgeState('br0');
    const [link] = ipJson<{ address: string }[]>('link', 'show', 'br0');
    change(link?.address ?? '');
    const more = bridgeState('br0').filter((line) => !before.includes(line));
    expect(more).toContainEqual(expect.stringMatching(expected));
  });

  test('is the same for two bridges made alike', () => {
    for (const name of ['br1', 'br2']) run('ip', 'link', 'add', name, 'type', 'bridge');
    const [one, other] = ['br1', 'br2'].map((name) =>
      bridgeState(name).map((line) => line.replace(name, 'br')),
    );
    expect(one).toEqual(other);
  });
});
