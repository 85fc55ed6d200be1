import { beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import type { KernelEvent } from './event.ts';
import { LinuxKernel } from './linux-kernel.ts';

const available = freshNetns();
const sh = (script: string): string => run('sh', '-ec', script);

/** An event in a form that is easy to compare. */
function show(event: KernelEvent): string {
  switch (event.kind) {
    case 'link':
      return `link ${event.name}`;
    case 'address':
      return `address ${event.family}`;
    case 'route':
      return `route ${formatCidr(event.destination)} proto ${event.protocol} dev ${event.device > 0 ? 'some' : 'none'}`;
    case 'forwarding':
      return `forwarding ${event.family}`;
    case 'nftables':
      return `nft ${event.family} ${event.table} ${event.chain ?? '-'}${event.isBaseChain ? ' base' : ''}`;
    default:
      return event.kind;
  }
}

describe.skipIf(!available)('events of the kernel', () => {
  beforeAll(() => {
    sh(
      'ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up; ip addr add 192.0.2.1/24 dev eth0',
    );
  });

  test.each<[string, string]>([
    ['ip link add br7 type bridge', 'link br7'],
    ['ip link del br7', 'link br7'],
    ['ip addr add 192.0.2.7/24 dev eth0', 'address 4'],
    ['ip -6 addr add 2001:db8::7/64 dev eth0', 'address 6'],
    ['ip route add 10.1.0.0/16 via 192.0.2.9 proto 44', 'route 10.1.0.0/16 proto 44 dev some'],
    ['ip route del 10.1.0.0/16', 'route 10.1.0.0/16 proto 44 dev some'],
    ['ip route add default via 192.0.2.9', 'route 0.0.0.0/0 proto 3 dev some'],
    ['ip route add blackhole 10.2.0.0/16', 'route 10.2.0.0/16 proto 3 dev none'],
    ['ip -6 route add fd00::/48 dev eth0', 'route fd00::/48 proto 3 dev some'],
    ['ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:01 dev eth0', 'neighbour'],
    [
      'bridge fdb add 02:00:00:00:00:01 dev eth0 || ip neigh add 192.0.2.99 lladdr 02:00:00:00:00:01 dev eth0',
      'neighbour',
    ],
    ['echo 1 > /proc/sys/net/ipv4/ip_forward', 'forwarding 4'],
    ['echo 1 > /proc/sys/net/ipv6/conf/all/forwarding', 'forwarding 6'],
    ['nft add table ip t', 'nft ip t -'],
    ['nft add chain ip t c', 'nft ip t c'],
    ['nft add chain ip t f "{ type filter hook forward priority 0; }"', 'nft ip t f base'],
    ['nft add rule ip t f accept', 'nft ip t f'],
    ['nft delete table ip t', 'nft ip t -'],
  ])('`%s` is told as "%s"', async (command, expected) => {
    using kernel = LinuxKernel.open();
    const seen: string[] = [];
    let wake = (): void => {};
    using _watch = await kernel.watch((event) => {
      seen.push(show(event));
      if (seen.includes(expected)) wake();
    });
    const heard = new Promise<void>((resolve) => {
      wake = resolve;
    });
    sh(command);
    const silence = AbortSignal.timeout(2000);
    silence.addEventListener('abort', () => wake());
    await heard;
    expect(seen).toContain(expected);
  });

  test('an IPv6 address for the link is told when it goes, as every device gets one', async () => {
    using kernel = LinuxKernel.open();
    const seen: string[] = [];
    const { promise: marker, resolve } = Promise.withResolvers<void>();
    using _watch = await kernel.watch((event) => {
      seen.push(show(event));
      if (event.kind === 'link' && event.name === 'behind') resolve();
    });
    sh('ip -6 addr add fe80::7/64 dev eth0 nodad; echo come; ip link add before type bridge');
    sh('ip -6 addr del fe80::7/64 dev eth0; ip link add behind type bridge');
    await marker;
    expect(seen.filter((event) => event.startsWith('address') || event === 'link before')).toEqual([
      'link before',
      'address 6',
    ]);
  });

  test('what the kernel object does itself is not told', async () => {
    using kernel = LinuxKernel.open();
    const seen: string[] = [];
    let wake = (): void => {};
    using _watch = await kernel.watch((event) => {
      seen.push(show(event));
      if (event.kind === 'link' && event.name === 'marker') wake();
    });
    const marker = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const destination = { ip: { family: 4, value: 0x0a090000n }, prefix: 16 } as const;
    expect(kernel.apply([{ kind: 'set-route', route: { destination, onlink: false } }])).toEqual([]);
    sh('ip link add marker type bridge');
    await marker;
    expect(seen.filter((event) => event.startsWith('route 10.9.'))).toEqual([]);
  });
});
