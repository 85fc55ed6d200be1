import { afterEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { addressesOf, dualStack, network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
const able = Boolean(node) && kernelHas('vrf');
afterEach(() => node?.reset());

const vrf = (net: Json, more: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: net['name'],
  type: 'vrf',
  vrfname: 'blue',
  ...more,
});

interface Attached {
  readonly net: Json;
  readonly pod: Container;
  readonly previous: Json;
}

const gateway: Json = { isGateway: true, isDefaultGateway: true };

/** A bridged pod, and the result of its ADD. */
async function bridged(ranges?: unknown, pod: Container = node.container()): Promise<Attached> {
  const net = network(gateway, ranges);
  return { net, pod, previous: await node.ok('ADD', net, pod) };
}

/** A second interface of a pod, in another network. */
const secondOf = ({ pod }: Attached): Promise<Attached> =>
  bridged([[{ subnet: '10.201.0.0/24' }], [{ subnet: 'fd00:201::/64' }]], { ...pod, ifname: 'net1' });

const inPod = (pod: Container, line: string): string =>
  run('ip', ...`-n ${pod.id} ${line}`.split(' ')).trim();

const exec = (pod: Container, line: string): string =>
  run('ip', ...`netns exec ${pod.id} ${line}`.split(' '));

/** Name and table of each VRF. */
function vrfs(pod: Container): string[] {
  return node.ipIn(pod, '-d', 'link', 'show', 'type', 'vrf').map(({ ifname, linkinfo }) => {
    const { info_data: data } = linkinfo as { info_data: { table: number } };
    return `${String(ifname)} ${data.table}`;
  });
}

const masterOf = (pod: Container, ifname: string = 'eth0'): unknown =>
  node.ipIn(pod, 'link', 'show', ifname)[0]?.['master'];

/** Destinations, gateways and interfaces of a table's unicast routes, without link-local ones. */
function routes(pod: Container, wanted: string): string[] {
  return ['-4', '-6'].flatMap((family) =>
    node
      .ipIn(pod, family, 'route', 'show', 'table', 'all')
      .filter(({ type = 'unicast', table = 'main' }) => type === 'unicast' && table === wanted)
      .filter(({ dst }) => dst !== 'fe80::/64')
      .map(({ dst, gateway: by, dev }) => `${dst} ${by ?? '-'} ${dev}`)
      .sort(),
  );
}

const addresses = (pod: Container, ifname: string = 'eth0'): Json[] =>
  addressesOf(node.ipIn(pod, 'address', 'show', ifname)).map(({ local, prefixlen, tentative }) => ({
    local,
    prefixlen,
    tentative: tentative ?? false,
  }));

const dualRoutes = [
  '10.200.0.0/24 - eth0',
  'default 10.200.0.1 eth0',
  'default fd00:200::1 eth0',
  'fd00:200::/64 - eth0',
];

describe.skipIf(!able)('vrf', () => {
  test('ADD moves the interface with addresses and routes, CHECK agrees, DEL takes the VRF, twice', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const before = addresses(pod);
    const conf = vrf(net, { prevResult: previous });
    expect(await node.ok('ADD', conf, pod)).toEqual(previous);
    expect([vrfs(pod), masterOf(pod), addresses(pod)]).toEqual([['blue 1'], 'blue', before]);
    expect(routes(pod, '1')).toEqual(dualRoutes);
    expect(routes(pod, 'main')).toEqual([]);
    exec(pod, 'ping -c1 -W5 -I blue 10.200.0.1');
    exec(pod, 'ping -c1 -W5 -I blue fd00:200::1');
    await node.ok('CHECK', conf, pod);
    await node.ok('CHECK', { ...net, prevResult: previous }, pod);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', vrf(net), pod);
    expect([vrfs(pod), masterOf(pod)]).toEqual([[], undefined]);
    await node.ok('DEL', { ...net, prevResult: previous }, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test.each(['0', '1'])('addresses and routes of all tables survive, keep_addr_on_down=%s', async (keep) => {
    const { net, pod, previous } = await bridged(dualStack);
    exec(pod, `sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=${keep}`);
    exec(pod, 'sysctl -qw net.ipv6.conf.eth0.accept_dad=1');
    // One that is looked for duplicates of, and found to be free.
    inPod(pod, '-6 address replace fd00:200::2/64 dev eth0');
    inPod(pod, '-6 address add fd00:200::7/64 dev eth0 preferred_lft 5000 valid_lft 9000');
    for (const line of [
      'route add 192.0.2.0/24 dev eth0',
      'route add 198.51.100.0/24 via 10.200.0.1 metric 7 mtu 1300',
      'route add 203.0.113.0/24 via 10.200.0.1 table 77',
      '-6 route add 2001:db8::/32 via fd00:200::1 table 77',
    ])
      inPod(pod, line);
    await expect
      .poll(() => addresses(pod).some(({ tentative }) => tentative), { timeout: 20_000 })
      .toBe(false);
    const before = addresses(pod);
    await node.ok('ADD', vrf(net, { prevResult: previous }), pod);
    expect(addresses(pod)).toEqual(expect.arrayContaining(before));
    expect(addresses(pod)).toHaveLength(before.length);
    const [limited] = addressesOf(node.ipIn(pod, 'address', 'show', 'eth0')).filter(
      ({ local }) => local === 'fd00:200::7',
    );
    expect((limited as unknown as Json)['valid_life_time']).toBeLessThanOrEqual(9000);
    expect(routes(pod, '1')).toEqual(expect.arrayContaining([...dualRoutes, '192.0.2.0/24 - eth0']));
    expect(inPod(pod, 'route show table 1 198.51.100.0/24')).toMatch(
      /via 10.200.0.1 dev eth0 metric 7 mtu 1300/,
    );
    expect(routes(pod, '77')).toEqual(['203.0.113.0/24 10.200.0.1 eth0', '2001:db8::/32 fd00:200::1 eth0']);
  });

  test('an address that is still looked for duplicates of is waited for', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    exec(pod, 'sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=0 net.ipv6.conf.eth0.accept_dad=1');
    inPod(pod, '-6 address add fd00:200::7/64 dev eth0');
    await node.ok('ADD', vrf(net, { prevResult: previous }), pod);
    expect(addresses(pod)).toContainEqual({ local: 'fd00:200::7', prefixlen: 64, tentative: false });
  });

  test('two interfaces share a VRF, which goes with the last', async () => {
    const first = await bridged(dualStack);
    const second = await secondOf(first);
    const { pod } = first;
    const conf = vrf(first.net, { table: 42, prevResult: first.previous });
    await node.ok('ADD', conf, pod);
    const other = vrf(second.net, { table: 43, prevResult: second.previous });
    expect((await node.call('ADD', other, second.pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/table 42, not 43/),
    });
    const shared = vrf(second.net, { prevResult: second.previous });
    await node.ok('ADD', shared, second.pod);
    expect([vrfs(pod), masterOf(pod), masterOf(pod, 'net1')]).toEqual([['blue 42'], 'blue', 'blue']);
    // The second's default route did not take the first's away.
    expect(inPod(pod, 'route show table 42 default').split('\n')).toHaveLength(2);
    expect((await node.call('CHECK', { ...conf, table: 43 }, pod)).json['code']).toBe(100);
    await node.ok('CHECK', conf, pod);
    await node.ok('DEL', conf, pod);
    expect([vrfs(pod), masterOf(pod), masterOf(pod, 'net1')]).toEqual([['blue 42'], undefined, 'blue']);
    expect((await node.call('CHECK', conf, pod)).json['code']).toBe(100);
    await node.ok('DEL', shared, second.pod);
    expect(vrfs(pod)).toEqual([]);
  });

  test('the way of IPv6 that the kernel has joined with another’s moves alone', async () => {
    const first = await bridged(dualStack);
    const second = await secondOf(first);
    const { pod } = first;
    expect(inPod(pod, '-6 route show default')).toMatch(/nexthop/);
    await node.ok('ADD', vrf(second.net, { prevResult: second.previous }), second.pod);
    expect(routes(pod, '1')).toContain('default fd00:201::1 net1');
    expect(routes(pod, 'main')).toEqual(dualRoutes);
  });

  test('a free table is one that no VRF, rule or route has', async () => {
    const { net, pod, previous } = await bridged();
    inPod(pod, 'link add red type vrf table 1');
    inPod(pod, 'rule add from 192.0.2.1 lookup 2');
    inPod(pod, 'route add blackhole 192.0.2.0/24 table 3');
    await node.ok('ADD', vrf(net, { prevResult: previous }), pod);
    expect(vrfs(pod).sort()).toEqual(['blue 4', 'red 1']);
  });

  test('an ADD that fails leaves everything as it was', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    // The kernel takes no loopback interface into a VRF.
    const answer = await node.call('ADD', vrf(net, { prevResult: previous }), { ...pod, ifname: 'lo' });
    expect(answer.code).toBe(1);
    expect(vrfs(pod)).toEqual([]);
    inPod(pod, 'link add blue type dummy');
    const conf = vrf(net, { prevResult: previous });
    expect((await node.call('ADD', conf, pod)).json['code']).toBe(7);
    await node.ok('DEL', conf, pod);
    expect(routes(pod, 'main')).toEqual(dualRoutes);
    expect(node.ipIn(pod, 'link', 'show', 'blue')).toHaveLength(1);
  });

  test('STATUS is content, and makes no VRF on the node', async () => {
    await node.ok('STATUS', vrf({ name: 'net' }));
    expect(run('ip', '-j', 'link', 'show', 'type', 'vrf').trim()).toMatch(/^(\[\])?$/);
  });

  test('a second ADD is refused and does not undo the first', async () => {
    const { net, pod, previous } = await bridged();
    const conf = vrf(net, { prevResult: previous });
    await node.ok('ADD', conf, pod);
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/belongs to blue already/),
    });
    await node.ok('CHECK', conf, pod);
  });

  test('CHECK sees a VRF that is down or gone; DEL does without interface and namespace', async () => {
    const { net, pod, previous } = await bridged();
    const conf = vrf(net, { prevResult: previous });
    await node.ok('ADD', conf, pod);
    const check = async (): Promise<unknown> => (await node.call('CHECK', conf, pod)).json['msg'];
    inPod(pod, 'link set blue down');
    expect(await check()).toMatch(/is down/);
    inPod(pod, 'link delete eth0');
    await node.ok('DEL', conf, pod);
    expect(vrfs(pod)).toEqual([]);
    expect(await check()).toMatch(/no VRF/);
    node.removeNetns(pod);
    await node.ok('DEL', conf, pod);
  });
});

describe.skipIf(!node)('vrf refuses', () => {
  test.each([
    ['no name', { vrfname: undefined }, 7],
    ['a name that is none', { vrfname: 'a/b' }, 7],
    ['a number for a name', { vrfname: 5 }, 6],
    ['text for a table', { table: 'seven' }, 6],
    ['a table beyond 32 bits', { table: 2 ** 32 }, 7],
  ])('%s', async (_what, more, code) => {
    const pod = node.container();
    const prevResult = { cniVersion: '1.1.0', ips: [] };
    const conf = vrf({ name: 'net' }, { ...more, prevResult });
    expect((await node.call('ADD', conf, pod)).json['code']).toBe(code);
    expect((await node.call('STATUS', conf)).json['code']).toBe(code);
    await node.ok('DEL', conf, pod);
  });

  test.skipIf(able)('to be ready where the kernel has no VRFs, and says so in ADD', async () => {
    expect((await node.call('STATUS', vrf({ name: 'net' }))).json['code']).toBe(50);
    const { net, pod, previous } = await bridged();
    expect((await node.call('ADD', vrf(net, { prevResult: previous }), pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/load the module/),
    });
  });

  test('a call without prevResult, or without the interface', async () => {
    const pod = node.container();
    expect((await node.call('ADD', vrf({ name: 'net' }), pod)).json['code']).toBe(7);
    const conf = vrf({ name: 'net' }, { prevResult: { cniVersion: '1.1.0', ips: [] } });
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/no interface eth0/),
    });
  });
});

describe.skipIf(!able || !go)('with upstream', () => {
  test.each(['ours', 'theirs'])('what %s added the other checks and deletes', async (first) => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = vrf(net, { cniVersion: '1.0.0', prevResult: { ...previous, cniVersion: '1.0.0' } });
    const call = async (who: string, command: 'ADD' | 'CHECK' | 'DEL'): Promise<void> => {
      const answer =
        who === 'ours' ? await node.call(command, conf, pod) : node.exec(go as string, command, conf, pod);
      expect(answer).toMatchObject({ code: 0 });
    };
    await call(first, 'ADD');
    expect([vrfs(pod), routes(pod, '1')]).toEqual([['blue 1'], dualRoutes]);
    const second = first === 'ours' ? 'theirs' : 'ours';
    await call(second, 'CHECK');
    await call(second, 'DEL');
    expect([vrfs(pod), masterOf(pod)]).toEqual([[], undefined]);
  });
});
