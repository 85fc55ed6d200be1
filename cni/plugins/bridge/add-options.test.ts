import { afterEach, describe, expect, test } from 'vitest';
import { readSysctl } from '../../../shared/sys/sysctl.ts';
import { addressesOf, interfaces, link, network } from '../testing/bridge.ts';
import type { Json } from '../testing/node.ts';
import { ipJson, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

function port(name: string): Json {
  return (link(name)['linkinfo'] as Json)['info_slave_data'] as Json;
}

describe.skipIf(!node)('ADD with', () => {
  test.each([1500, 1200])("the bridge's port has no IPv6 of its own, with an mtu of %i", async (mtu) => {
    const net = network({ mtu });
    const pod = node.container();
    const { interfaces } = await node.ok('ADD', net, pod);
    const host = (interfaces as { name: string }[])[1]?.name ?? '';
    expect(link(host)).toMatchObject({ operstate: 'UP', mtu });
    expect(ipJson('-6', 'address', 'show', 'dev', host).flatMap((one) => one['addr_info'] ?? [])).toEqual([]);
    // Nor the multicast route that every interface with IPv6 has.
    expect(run('ip', '-6', 'route', 'show', 'table', 'all', 'dev', host)).toBe('');
    expect(readSysctl(`net/ipv6/conf/${host}/disable_ipv6`)).toBe(mtu < 1280 ? undefined : '1');
    await node.ok('DEL', net, pod);
  });

  test('mtu, MAC, hairpin, isolation', async () => {
    const net = network({
      mtu: 1400,
      hairpinMode: true,
      portIsolation: true,
      runtimeConfig: { mac: '02:11:22:33:44:55' },
    });
    const pod = node.container('net1');
    const result = await node.ok('ADD', net, pod, { CNI_ARGS: 'MAC=02:00:00:00:00:01' });
    const host = interfaces(result)[1]?.name ?? '';
    expect(interfaces(result)[2]).toEqual({ name: 'net1', mac: '02:11:22:33:44:55', sandbox: pod.netns });
    expect([link(String(net['bridge']))['mtu'], link(host)['mtu']]).toEqual([1400, 1400]);
    expect(node.ipIn(pod, 'link', 'show', 'net1')[0]).toMatchObject({
      mtu: 1400,
      address: '02:11:22:33:44:55',
    });
    expect(port(host)).toMatchObject({ hairpin: true, isolated: true });
    await node.ok('DEL', net, pod);
  });

  test('without hairpin and isolation the port has neither', async () => {
    const net = network();
    const pod = node.container();
    const host = interfaces(await node.ok('ADD', net, pod))[1]?.name ?? '';
    expect(port(host)).toMatchObject({ hairpin: false, isolated: false });
    await node.ok('DEL', net, pod);
  });

  test('promiscMode', async () => {
    const net = network({ promiscMode: true });
    const pod = node.container();
    const prevResult = await node.ok('ADD', net, pod);
    expect(link(String(net['bridge']))['flags']).toContain('PROMISC');
    await node.ok('CHECK', { ...net, prevResult }, pod);
    run('ip', 'link', 'set', String(net['bridge']), 'promisc', 'off');
    expect((await node.call('CHECK', { ...net, prevResult }, pod)).json['msg']).toMatch(
      /not in promiscuous mode/,
    );
    await node.ok('DEL', net, pod);
  });

  test('without ipam the interface is up and has no addresses', async () => {
    const net = network({ ipam: {} });
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    expect([result['ips'], result['routes']]).toEqual([undefined, undefined]);
    const inside = node.ipIn(pod, 'address', 'show', 'eth0');
    expect(inside[0]?.['flags']).toContain('UP');
    expect(addressesOf(inside)).toEqual([]);
    await node.ok('DEL', net, pod);
    expect(node.hostVeths()).toEqual([]);
  });

  test('disableContainerInterface leaves it down', async () => {
    const net = network({ ipam: undefined, disableContainerInterface: true });
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    const inside = node.ipIn(pod, 'link', 'show', 'eth0')[0];
    expect(inside?.['flags']).not.toContain('UP');
    expect(interfaces(result)[2]?.mac).toBe(inside?.['address']);
    await node.ok('CHECK', { ...net, prevResult: result }, pod);
    await node.ok('DEL', net, pod);
  });

  test('an existing bridge keeps its MTU, MAC and further IPv6 addresses', async () => {
    const net = network({ isGateway: true, mtu: 1300 });
    const name = String(net['bridge']);
    run('ip', 'link', 'add', name, 'address', '02:00:00:00:00:99', 'type', 'bridge');
    run('ip', 'link', 'set', name, 'mtu', '1450');
    run('ip', 'address', 'add', 'fd00:77::1/64', 'dev', name, 'nodad');
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    expect(interfaces(result)[0]).toEqual({ name, mac: '02:00:00:00:00:99' });
    expect(link(name)).toMatchObject({ mtu: 1450, address: '02:00:00:00:00:99' });
    expect(addressesOf(ipJson('address', 'show', name)).map(({ local }) => local)).toContain('fd00:77::1');
    await node.ok('DEL', net, pod);
  });

  test('a conflicting address of the bridge is an error, or replaced with forceAddress', async () => {
    const net = network({ isGateway: true });
    const name = String(net['bridge']);
    run('ip', 'link', 'add', name, 'type', 'bridge');
    run('ip', 'address', 'add', '192.0.2.1/24', 'dev', name);
    const pod = node.container();
    const { json } = await node.call('ADD', net, pod);
    expect(json['msg']).toMatch(/has the address 192\.0\.2\.1\/24, which 10\.\d+\.0\.1\/24 conflicts with/);
    expect(json['details']).toMatch(/"forceAddress": true/);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
    await node.ok('ADD', { ...net, forceAddress: true }, pod);
    expect(addressesOf(ipJson('address', 'show', name)).map(({ local }) => local)).toEqual([
      expect.stringMatching(/^10\.\d+\.0\.1$/),
    ]);
    await node.ok('DEL', net, pod);
  });

  test('with forceAddress the gateway of a subnet that the node had before is removed, of either family', async () => {
    const of = (third: number): Json => ({
      ranges: [[{ subnet: `10.211.${third}.0/24` }], [{ subnet: `fd00:211:0:${third}::/64` }]],
      routes: [{ dst: '10.211.0.0/16' }, { dst: 'fd00:211::/48' }],
    });
    const net = network({
      isDefaultGateway: true,
      forceAddress: true,
      ipam: { type: 'host-local', ...of(1) },
    });
    const name = String(net['bridge']);
    const gateways = (): unknown[] =>
      addressesOf(ipJson('address', 'show', name))
        .filter(({ scope }) => scope === 'global')
        .map(({ local }) => local);
    const [before, after] = [node.container(), node.container()];
    await node.ok('ADD', net, before);
    // What shares the bridge with this network.
    run('ip', 'address', 'add', 'fd00:212::1/64', 'dev', name);
    expect(gateways()).toEqual(['10.211.1.1', 'fd00:212::1', 'fd00:211:0:1::1']);
    await node.ok('DEL', net, before);
    const moved = { ...net, ipam: { type: 'host-local', ...of(2) } };
    await node.ok('ADD', moved, after);
    expect(gateways()).toEqual(['10.211.2.1', 'fd00:211:0:2::1', 'fd00:212::1']);
    await node.ok('DEL', moved, after);
  });

  test('routes of IPAM, with their own gateway, metric, table and mtu', async () => {
    const routes = [
      { dst: '192.0.2.0/24' },
      { dst: '198.51.100.0/24', gw: '10.210.0.9', priority: 50, mtu: 1280, advmss: 1220 },
      { dst: '203.0.113.0/24', table: 100 },
    ];
    const net = network({ ipam: { type: 'host-local', subnet: '10.210.0.0/24', routes } });
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    expect(result['routes']).toEqual(routes);
    const table = node.ipIn(pod, 'route', 'show', 'table', 'all', 'type', 'unicast');
    const find = (dst: string): Json | undefined => table.find((route) => route['dst'] === dst);
    expect(find('192.0.2.0/24')).toMatchObject({ gateway: '10.210.0.1' });
    expect(find('198.51.100.0/24')).toMatchObject({
      gateway: '10.210.0.9',
      metric: 50,
      metrics: [{ mtu: 1280, advmss: 1220 }],
    });
    expect(find('203.0.113.0/24')).toMatchObject({ table: '100' });
    await node.ok('CHECK', { ...net, prevResult: result }, pod);
    await node.ok('DEL', net, pod);
  });

  test('dns of the configuration takes the place of IPAM’s', async () => {
    const net = network({ dns: { nameservers: ['192.0.2.53'], search: ['a.example'] } });
    const pod = node.container();
    expect((await node.ok('ADD', net, pod))['dns']).toEqual({
      nameservers: ['192.0.2.53'],
      search: ['a.example'],
    });
    await node.ok('DEL', net, pod);
  });
});
