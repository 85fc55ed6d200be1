import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns } from '../../conformance/testing/netns.ts';
import { KernelNode, makeUnderlay, PROMISE, picture, sh } from './testing/kernel-node.ts';

const available = freshNetns();

/** What a network manager gives the interface back after it took it away. */
const CONFIGURE = `ip link set eth0 up; ip addr replace 192.0.2.1/24 dev eth0; ip -6 addr replace 2001:db8::1/64 dev eth0 nodad
  ip route replace default via 192.0.2.254; ip -6 route replace default via 2001:db8::fe`;

// With plain routes through the interface, which the kernel takes away with its addresses.
describe.skipIf(!available)('the interface towards the other nodes', () => {
  const node = new KernelNode({ Type: 'vxlan', DirectRouting: true });

  beforeAll(async () => {
    makeUnderlay();
    await node.join(1);
    await node.join(2);
    await node.start();
    expect(sh('ip route show proto 93')).toContain('via 192.0.2.101 dev eth0');
  });

  afterAll(() => node[Symbol.asyncDispose]());

  // The last column: what is counted as a repair, which a new interface is none of.
  test.each<[string, string, string[]]>([
    ['set down and up', `ip link set eth0 down; ${CONFIGURE}`, ['route']],
    ['without a carrier for a moment', `ip link set far down; ip link set far up; ${CONFIGURE}`, []],
    ['its addresses flushed and given back', `ip addr flush dev eth0; ${CONFIGURE}`, ['route']],
    [
      'all routes flushed, as a network manager does when it starts again',
      `ip route flush table main; ip -6 route flush table main; ip route add 192.0.2.0/24 dev eth0 src 192.0.2.1; ip -6 route add 2001:db8::/64 dev eth0; ${CONFIGURE}`,
      ['route'],
    ],
    [
      'all routes and addresses flushed, every device set down',
      `for d in eth0 flannel.1 flannel-v6.1; do ip addr flush dev $d; ip link set $d down; done; ip route flush table all; ip -6 route flush table main; ${CONFIGURE}`,
      ['device', 'address', 'route'],
    ],
    ['another MAC', 'ip link set eth0 address 02:00:00:00:00:55; ip route flush proto 93', ['route']],
    [
      'made anew',
      `ip link del eth0; ip link add eth0 type veth peer name far; ip link set far up; ${CONFIGURE}`,
      [],
    ],
  ])('%s: everything is back at once', async (_what, damage, expected) => {
    const kinds = await node.mended(damage, picture);
    expect(kinds).toEqual(expect.arrayContaining(expected));
    expect(Math.max(...node.lags)).toBeLessThan(PROMISE);
  });
});
