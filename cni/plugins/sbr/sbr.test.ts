import { afterEach, describe, expect, test } from 'vitest';
import { dualStack, network, reaches } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
afterEach(() => node?.reset());

const sbr = (net: Json, more: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: net['name'],
  type: 'sbr',
  ...more,
});

/** A bridged pod, and the result of its ADD. */
async function bridged(
  ranges?: unknown,
  pod: Container = node.container(),
): Promise<{ net: Json; pod: Container; previous: Json }> {
  const net = network({ isGateway: true, isDefaultGateway: true }, ranges);
  const previous = await node.ok('ADD', net, pod);
  return { net, pod, previous };
}

const inPod = (pod: Container, line: string): string =>
  run('ip', ...`-n ${pod.id} ${line}`.split(' ')).trim();

/** `<family> <source> <table>` of the rules that the kernel does not make by itself, and that have a source. */
function rules(pod: Container): string[] {
  return ['-4', '-6'].flatMap((family) =>
    node
      .ipIn(pod, family, 'rule', 'show')
      .filter(({ src }) => src !== 'all')
      .map(
        ({ src, srclen, table }) => `${family} ${src}${srclen === undefined ? '' : `/${srclen}`} ${table}`,
      ),
  );
}

/** Destinations and gateways of a table's routes. */
function routes(pod: Container, wanted: string): string[] {
  return ['-4', '-6'].flatMap((family) =>
    node
      .ipIn(pod, family, 'route', 'show', 'table', 'all')
      .filter(({ table = 'main' }) => table === wanted)
      .map(({ dst, gateway, dev }) => `${dst} ${gateway ?? '-'} ${dev}`),
  );
}

const everything = (pod: Container): unknown => ({
  rules: rules(pod),
  routes: [inPod(pod, '-4 route show table all'), inPod(pod, '-6 route show table all')],
});

describe.skipIf(!node)('sbr', () => {
  test('each address gets a table with the interface’s routes; DEL takes the rules, twice', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { prevResult: previous });
    expect(await node.ok('ADD', conf, pod)).toEqual(previous);
    expect(rules(pod)).toEqual(['-4 10.200.0.2 100', '-6 fd00:200::2 101']);
    expect(routes(pod, '100')).toEqual(['default 10.200.0.1 eth0', '10.200.0.0/24 - eth0']);
    expect(routes(pod, '101')).toEqual([
      'fd00:200::/64 - eth0',
      'fe80::/64 - eth0',
      'default fd00:200::1 eth0',
    ]);
    // What link-local addresses send follows no rule.
    expect(routes(pod, 'main')).toEqual(['fe80::/64 - eth0']);
    await node.ok('CHECK', conf, pod);
    await node.ok('CHECK', { ...net, prevResult: previous }, pod);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', sbr(net), pod);
    expect(rules(pod)).toEqual([]);
    await node.ok('DEL', { ...net, prevResult: previous }, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('two interfaces with default routes are both reached, each by its own', async () => {
    const first = await bridged(dualStack);
    const pod = { ...first.pod, ifname: 'net1' };
    const second = await bridged([[{ subnet: '10.201.0.0/24' }], [{ subnet: 'fd00:201::/64' }]], pod);
    // The kernel lists both ways to ::/0 as one route.
    expect(inPod(pod, '-6 route show default')).toMatch(/nexthop/);
    await node.ok('ADD', sbr(second.net, { prevResult: second.previous }), pod);
    expect(rules(pod)).toEqual(['-4 10.201.0.2 100', '-6 fd00:201::2 101']);
    expect(routes(pod, 'main')).toEqual([
      'default 10.200.0.1 eth0',
      '10.200.0.0/24 - eth0',
      'fd00:200::/64 - eth0',
      'fe80::/64 - eth0',
      'fe80::/64 - net1',
      'default fd00:200::1 eth0',
    ]);
    for (const [source, device] of [
      ['10.200.0.2', 'eth0'],
      ['10.201.0.2', 'net1'],
      ['fd00:200::2', 'eth0'],
      ['fd00:201::2', 'net1'],
    ] as const) {
      const target = source.includes(':') ? '2001:db8::1' : '192.0.2.1';
      expect(node.ipIn(pod, 'route', 'get', target, 'from', source)).toMatchObject([{ dev: device }]);
    }
    expect(reaches(pod, '10.201.0.1')).toBe(true);
    // A third's tables come after those that are taken, by a rule or by a route alone.
    inPod(pod, 'rule delete from 10.201.0.2 lookup 100');
    await node.ok('ADD', sbr(first.net, { prevResult: first.previous }), first.pod);
    expect(rules(pod)).toEqual(
      expect.arrayContaining(['-4 10.200.0.2 102', '-6 fd00:200::2 103', '-6 fd00:201::2 101']),
    );
    expect(routes(pod, '100')).toEqual(['default 10.201.0.1 net1', '10.201.0.0/24 - net1']);
  });

  test('with a table only rules are made, and only those that lead there are taken away', async () => {
    const { net, pod, previous } = await bridged();
    const before = routes(pod, 'main');
    const [address] = previous['ips'] as { address: string }[];
    const ip = address?.address.split('/')[0];
    inPod(pod, `rule add from ${ip} lookup 300`);
    const conf = sbr(net, { table: 4_000_000_000, prevResult: previous });
    await node.ok('ADD', conf, pod);
    expect(rules(pod)).toContain(`-4 ${ip} 4000000000`);
    expect(routes(pod, 'main')).toEqual(before);
    await node.ok('CHECK', conf, pod);
    // The kernel takes a rule twice.
    await node.ok('ADD', conf, pod);
    await node.ok('DEL', conf, pod);
    expect(rules(pod)).toEqual([`-4 ${ip} 300`]);
    await node.ok('DEL', sbr(net), pod);
    expect(rules(pod)).toEqual([]);
  });

  test('gateways of the configuration take the place of the others', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { gateways: ['10.200.0.9', 'fd00:200::9'], prevResult: previous });
    await node.ok('ADD', conf, pod);
    expect(routes(pod, '100')).toEqual(['default 10.200.0.9 eth0', '10.200.0.0/24 - eth0']);
    expect(routes(pod, '101')).toContain('default fd00:200::9 eth0');
    await node.ok('CHECK', conf, pod);
    expect((await node.call('CHECK', sbr(net, { prevResult: previous }), pod)).json['code']).toBe(100);
  });

  test('source hints keep the subnets in the main table', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    inPod(pod, 'route add 198.51.100.0/24 dev eth0');
    await node.ok('ADD', sbr(net, { addSourceHints: true, prevResult: previous }), pod);
    expect(
      inPod(pod, '-4 route show')
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual([
      '10.200.0.0/24 dev eth0 proto kernel scope link src 10.200.0.2',
      '198.51.100.0/24 dev eth0 scope link',
    ]);
    expect(routes(pod, 'main')).not.toContain('default fd00:200::1 eth0');
    expect(node.ipIn(pod, '-6', 'route', 'show', 'fd00:200::/64')).toMatchObject([
      { dev: 'eth0', prefsrc: 'fd00:200::2' },
    ]);
    expect(routes(pod, '100')).toContain('198.51.100.0/24 - eth0');
  });

  test('routes of no address go to all tables of their family, others stay', async () => {
    const { net, pod, previous } = await bridged([[{ subnet: '10.202.0.0/24' }]]);
    inPod(pod, 'route add 192.0.2.0/24 via 169.254.1.1 dev eth0 onlink');
    inPod(pod, '-6 address add fd00:202::2/64 dev eth0 nodad');
    inPod(pod, '-6 route add default via fe80::1 dev eth0');
    await node.ok('ADD', sbr(net, { prevResult: previous }), pod);
    expect(routes(pod, '100')).toContain('192.0.2.0/24 169.254.1.1 eth0');
    expect(routes(pod, 'main')).toEqual(['fd00:202::/64 - eth0', 'fe80::/64 - eth0', 'default fe80::1 eth0']);
  });

  test('routes of one destination and metric are all copied, in their order', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    inPod(pod, 'route append default via 10.200.0.7 dev eth0');
    inPod(pod, 'route append default via 10.200.0.8 dev eth0 metric 9');
    inPod(pod, '-6 route append default via fd00:200::7 dev eth0');
    await node.ok('ADD', sbr(net, { prevResult: previous }), pod);
    expect(routes(pod, '100')).toEqual([
      'default 10.200.0.1 eth0',
      'default 10.200.0.7 eth0',
      'default 10.200.0.8 eth0',
      '10.200.0.0/24 - eth0',
    ]);
    expect(inPod(pod, '-6 route show table 101 default')).toMatch(/via fd00:200::1 .*via fd00:200::7 /s);
    expect(routes(pod, 'main')).toEqual(['fe80::/64 - eth0']);
  });

  test('an ADD that fails leaves everything as it was', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    inPod(pod, 'route add 192.0.2.0/24 via 10.200.0.1 metric 7');
    const before = everything(pod);
    const conf = sbr(net, { gateways: ['203.0.113.1'], prevResult: previous });
    const answer = await node.call('ADD', conf, pod);
    expect(answer.json).toMatchObject({ code: 7, msg: expect.stringContaining('203.0.113.1') });
    expect(everything(pod)).toEqual(before);
  });

  test.each([
    ['text for a table', { table: 'seven' }, 6],
    ['table 0', { table: 0 }, 7],
    ['a table beyond 32 bits', { table: 2 ** 32 }, 7],
    ['a gateway that is no address', { gateways: ['x'] }, 7],
    ['two gateways of a family', { gateways: ['10.0.0.1', '10.0.0.2'] }, 7],
    ['a number for a gateway', { gateways: [1] }, 6],
    ['text for a switch', { addSourceHints: 'yes' }, 6],
  ])('refuses %s', async (_what, more, code) => {
    const { net, pod, previous } = await bridged();
    const conf = sbr(net, { ...more, prevResult: previous });
    expect((await node.call('ADD', conf, pod)).json['code']).toBe(code);
    expect((await node.call('STATUS', sbr(net, more))).json['code']).toBe(code);
    await node.ok('DEL', conf, pod);
  });

  test('needs prevResult with addresses of the interface, and the interface', async () => {
    const { net, pod, previous } = await bridged();
    expect((await node.call('ADD', sbr(net), pod)).json['code']).toBe(7);
    const without = sbr(net, { prevResult: { ...previous, ips: [] } });
    expect((await node.call('ADD', without, pod)).json['code']).toBe(7);
    const conf = sbr(net, { prevResult: previous });
    const other = { ...pod, ifname: 'eth1' };
    expect((await node.call('ADD', conf, other)).json['code']).toBe(7);
    expect(rules(pod)).toEqual([]);
  });

  test('DEL finds rules by prevResult when the interface is gone, and does without the namespace', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { prevResult: previous });
    await node.ok('ADD', conf, pod);
    inPod(pod, 'rule add from 10.200.0.77 lookup 100');
    inPod(pod, 'link delete eth0');
    await node.ok('DEL', conf, pod);
    expect(rules(pod)).toEqual(['-4 10.200.0.77 100']);
    node.removeNetns(pod);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', conf, { ...pod, netns: '' });
  });

  test('DEL finds rules of addresses that the interface has lost', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { prevResult: previous });
    await node.ok('ADD', conf, pod);
    inPod(pod, '-6 address flush dev eth0');
    await node.ok('DEL', conf, pod);
    expect(rules(pod)).toEqual([]);
  });

  test('CHECK sees what is missing', async () => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { prevResult: previous });
    await node.ok('ADD', conf, pod);
    const check = async (): Promise<unknown> => (await node.call('CHECK', conf, pod)).json['msg'];
    inPod(pod, '-6 route delete default table 101');
    expect(await check()).toMatch(/no default route to fd00:200::1/);
    inPod(pod, 'rule delete from 10.200.0.2 lookup 100');
    expect(await check()).toMatch(/10\.200\.0\.2 have no rule/);
    inPod(pod, 'link delete eth0');
    expect(await check()).toMatch(/no interface/);
  });
});

describe.skipIf(!node || !go)('with upstream', () => {
  test.each(['ours', 'theirs'])('what %s added the other checks and deletes', async (first) => {
    const { net, pod, previous } = await bridged(dualStack);
    const conf = sbr(net, { cniVersion: '1.0.0', prevResult: { ...previous, cniVersion: '1.0.0' } });
    const call = async (who: string, command: 'ADD' | 'CHECK' | 'DEL'): Promise<void> => {
      const answer =
        who === 'ours' ? await node.call(command, conf, pod) : node.exec(go as string, command, conf, pod);
      expect(answer).toMatchObject({ code: 0 });
    };
    await call(first, 'ADD');
    expect(rules(pod)).toEqual(['-4 10.200.0.2 100', '-6 fd00:200::2 101']);
    const second = first === 'ours' ? 'theirs' : 'ours';
    await call(second, 'CHECK');
    await call(second, 'DEL');
    expect(rules(pod)).toEqual([]);
  });

  test('behind ptp, whose subnet is reached by the gateway, tables are upstream’s', async () => {
    const states: unknown[] = [];
    for (const who of ['ours', 'theirs']) {
      const pod = node.container();
      const ptp = { ...network({}, dualStack), type: 'ptp', cniVersion: '1.0.0' };
      const added = node.exec(go as string, 'ADD', ptp, pod);
      expect(added).toMatchObject({ code: 0 });
      for (const line of ['route replace default via 10.200.0.1', '-6 route replace default via fd00:200::1'])
        inPod(pod, line);
      const conf = sbr(ptp, { cniVersion: '1.0.0', prevResult: added.json });
      if (who === 'ours') await node.ok('ADD', conf, pod);
      else expect(node.exec(go as string, 'ADD', conf, pod)).toMatchObject({ code: 0 });
      run('ip', 'netns', 'exec', pod.id, 'ping', '-c1', '-W5', '-I', '10.200.0.2', '10.200.0.1');
      states.push({
        rules: rules(pod),
        ipv4: routes(pod, '100').filter((line) => !line.includes('::')),
        ipv6: routes(pod, '101'),
        main: routes(pod, 'main').filter((line) => !line.startsWith('fe80::/64')),
      });
      expect(node.exec(go as string, 'DEL', ptp, pod)).toMatchObject({ code: 0 });
      node.reset();
    }
    expect(states[0]).toEqual(states[1]);
    expect(states[0]).toMatchObject({
      ipv4: expect.arrayContaining(['10.200.0.0/24 10.200.0.1 eth0']),
      main: [],
    });
  });
});
