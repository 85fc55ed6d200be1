import { afterEach, describe, expect, test } from 'vitest';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { attachmentAlias, hostVethName } from '../common/attachment.ts';
import { lockAttachment } from '../common/attachment-lock.ts';
import type { Container, Json } from '../testing/node.ts';
import { ipJson, list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

interface Address {
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly broadcast?: string;
  readonly nodad?: boolean;
  readonly tentative?: boolean;
}

let networks = 0;

/** A network of its own: name, bridge and subnet. */
function conf(more: Json = {}, ranges: unknown = undefined): Json {
  networks += 1;
  const subnet = `10.${networks}.0.0/24`;
  return {
    cniVersion: '1.1.0',
    name: `net${networks}`,
    type: 'bridge',
    bridge: `br${networks}`,
    ipam: { type: 'host-local', ranges: ranges ?? [[{ subnet }]] },
    ...more,
  };
}

const dual = [[{ subnet: '10.200.0.0/24' }], [{ subnet: 'fd00:200::/64' }]];

function interfaces(result: Json): { name: string; mac: string; sandbox?: string }[] {
  return result['interfaces'] as { name: string; mac: string; sandbox?: string }[];
}

function addressesOf(links: Json[]): Address[] {
  const all = (links[0]?.['addr_info'] ?? []) as Address[];
  return all.filter(({ scope }) => scope === 'global');
}

function link(name: string): Json {
  return ipJson('link', 'show', name)[0] as Json;
}

function port(name: string): Json {
  return (link(name)['linkinfo'] as Json)['info_slave_data'] as Json;
}

function reachable(from: Container, target: string): boolean {
  try {
    run('ip', 'netns', 'exec', from.id, 'ping', '-c1', '-W2', target);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!node)('ADD', () => {
  test('gives what upstream gives: bridge, host veth, container, in this order', async () => {
    const network = conf({ isGateway: true });
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    const key = { network: String(network['name']), containerId: pod.id, ifname: 'eth0' };
    const host = hostVethName(key);
    const inside = node.ipIn(pod, 'address', 'show', 'eth0');
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: network['bridge'], mac: link(String(network['bridge']))['address'] },
        { name: host, mac: link(host)['address'] },
        { name: 'eth0', mac: inside[0]?.['address'], sandbox: pod.netns },
      ],
      ips: [{ interface: 2, address: '10.1.0.2/24', gateway: '10.1.0.1' }],
    });
    expect(link(host)).toMatchObject({
      ifalias: attachmentAlias(key),
      master: network['bridge'],
      operstate: 'UP',
    });
    expect(addressesOf(inside)).toEqual([
      expect.objectContaining({ local: '10.1.0.2', prefixlen: 24, broadcast: '10.1.0.255' }),
    ]);
    expect(addressesOf(ipJson('address', 'show', String(network['bridge'])))[0]).toMatchObject({
      local: '10.1.0.1',
      prefixlen: 24,
      broadcast: '10.1.0.255',
    });
    expect(readSysctl('net/ipv4/ip_forward')).toBe('1');
    await node.ok('DEL', network, pod);
  });

  test('two pods reach each other, the gateway, and nothing is left after DEL', async () => {
    const network = conf({ isDefaultGateway: true, ipMasq: true });
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', network, one);
    await node.ok('ADD', network, two);
    expect(reachable(one, '10.2.0.3')).toBe(true);
    expect(reachable(two, '10.2.0.1')).toBe(true);
    expect(node.ipIn(one, 'route', 'show', 'default')).toMatchObject([{ gateway: '10.2.0.1', dev: 'eth0' }]);
    expect(node.masqueradeRules()).toHaveLength(2);
    await node.ok('DEL', network, one);
    expect(node.masqueradeRules()).toHaveLength(1);
    await node.ok('DEL', network, two);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });

  test('both families: usable at once, with default routes', async () => {
    const network = conf({ isDefaultGateway: true, ipMasq: true }, dual);
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect(result['ips']).toEqual([
      { interface: 2, address: '10.200.0.2/24', gateway: '10.200.0.1' },
      { interface: 2, address: 'fd00:200::2/64', gateway: 'fd00:200::1' },
    ]);
    const [v4, v6] = addressesOf(node.ipIn(pod, 'address', 'show', 'eth0'));
    expect([v4?.local, v6?.local, v6?.tentative]).toEqual(['10.200.0.2', 'fd00:200::2', undefined]);
    expect(reachable(pod, '10.200.0.1')).toBe(true);
    expect(reachable(pod, 'fd00:200::1')).toBe(true);
    expect(node.ipIn(pod, '-6', 'route', 'show', 'default')).toMatchObject([{ gateway: 'fd00:200::1' }]);
    expect(readSysctl('net/ipv6/conf/all/forwarding')).toBe('1');
    expect(node.masqueradeRules()).toHaveLength(2);
    await node.ok('DEL', network, pod);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });

  test('IPv6 alone, where the runtime switched it off in the namespace', async () => {
    const network = conf({ isDefaultGateway: true }, [[{ subnet: 'fd00:201::/64' }]]);
    const pod = node.container();
    run(
      'ip',
      'netns',
      'exec',
      pod.id,
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
    );
    await node.ok('ADD', network, pod);
    expect(reachable(pod, 'fd00:201::1')).toBe(true);
    await node.ok('DEL', network, pod);
  });

  test('with enabledad it waits for duplicate address detection', async () => {
    const network = conf({ isGateway: true, enabledad: true }, [[{ subnet: 'fd00:202::/64' }]]);
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', network, one);
    const [address] = addressesOf(node.ipIn(one, 'address', 'show', 'eth0'));
    expect([address?.tentative, address?.nodad]).toEqual([undefined, undefined]);
    // Someone on the bridge already has the next pod's address.
    run('ip', '-n', one.id, 'address', 'add', 'fd00:202::3/64', 'dev', 'eth0', 'nodad');
    const { code, json } = await node.call('ADD', network, two);
    expect([code, json['code'], json['msg']]).toEqual([
      1,
      101,
      expect.stringMatching(/fd00:202::3 is in use by another interface/),
    ]);
    await node.ok('DEL', network, one);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });

  test('mtu, MAC, hairpin, isolation', async () => {
    const network = conf({
      mtu: 1400,
      hairpinMode: true,
      portIsolation: true,
      runtimeConfig: { mac: '02:11:22:33:44:55' },
    });
    const pod = node.container('net1');
    const result = await node.ok('ADD', network, pod, { CNI_ARGS: 'MAC=02:00:00:00:00:01' });
    const host = interfaces(result)[1]?.name ?? '';
    expect(interfaces(result)[2]).toEqual({ name: 'net1', mac: '02:11:22:33:44:55', sandbox: pod.netns });
    expect([link(String(network['bridge']))['mtu'], link(host)['mtu']]).toEqual([1400, 1400]);
    expect(node.ipIn(pod, 'link', 'show', 'net1')[0]).toMatchObject({
      mtu: 1400,
      address: '02:11:22:33:44:55',
    });
    expect(port(host)).toMatchObject({ hairpin: true, isolated: true });
    await node.ok('DEL', network, pod);
  });

  test('without hairpin and isolation the port has neither', async () => {
    const network = conf();
    const pod = node.container();
    const host = interfaces(await node.ok('ADD', network, pod))[1]?.name ?? '';
    expect(port(host)).toMatchObject({ hairpin: false, isolated: false });
    await node.ok('DEL', network, pod);
  });

  test('promiscMode', async () => {
    const network = conf({ promiscMode: true });
    const pod = node.container();
    const prevResult = await node.ok('ADD', network, pod);
    expect(link(String(network['bridge']))['flags']).toContain('PROMISC');
    await node.ok('CHECK', { ...network, prevResult }, pod);
    run('ip', 'link', 'set', String(network['bridge']), 'promisc', 'off');
    expect((await node.call('CHECK', { ...network, prevResult }, pod)).json['msg']).toMatch(
      /not in promiscuous mode/,
    );
    await node.ok('DEL', network, pod);
  });

  test('without ipam the interface is up and has no addresses', async () => {
    const network = conf({ ipam: {} });
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect([result['ips'], result['routes']]).toEqual([undefined, undefined]);
    const inside = node.ipIn(pod, 'address', 'show', 'eth0');
    expect(inside[0]?.['flags']).toContain('UP');
    expect(addressesOf(inside)).toEqual([]);
    await node.ok('DEL', network, pod);
    expect(node.hostVeths()).toEqual([]);
  });

  test('disableContainerInterface leaves it down', async () => {
    const network = conf({ ipam: undefined, disableContainerInterface: true });
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    const inside = node.ipIn(pod, 'link', 'show', 'eth0')[0];
    expect(inside?.['flags']).not.toContain('UP');
    expect(interfaces(result)[2]?.mac).toBe(inside?.['address']);
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    await node.ok('DEL', network, pod);
  });

  test('an existing bridge keeps its MTU, MAC and further IPv6 addresses', async () => {
    const network = conf({ isGateway: true, mtu: 1300 });
    const name = String(network['bridge']);
    run('ip', 'link', 'add', name, 'address', '02:00:00:00:00:99', 'type', 'bridge');
    run('ip', 'link', 'set', name, 'mtu', '1450');
    run('ip', 'address', 'add', 'fd00:77::1/64', 'dev', name, 'nodad');
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect(interfaces(result)[0]).toEqual({ name, mac: '02:00:00:00:00:99' });
    expect(link(name)).toMatchObject({ mtu: 1450, address: '02:00:00:00:00:99' });
    expect(addressesOf(ipJson('address', 'show', name)).map(({ local }) => local)).toContain('fd00:77::1');
    await node.ok('DEL', network, pod);
  });

  test('a conflicting address of the bridge is an error, or replaced with forceAddress', async () => {
    const network = conf({ isGateway: true });
    const name = String(network['bridge']);
    run('ip', 'link', 'add', name, 'type', 'bridge');
    run('ip', 'address', 'add', '192.0.2.1/24', 'dev', name);
    const pod = node.container();
    const { json } = await node.call('ADD', network, pod);
    expect(json['msg']).toMatch(/has the address 192\.0\.2\.1\/24, which 10\.\d+\.0\.1\/24 conflicts with/);
    expect(json['details']).toMatch(/"forceAddress": true/);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
    await node.ok('ADD', { ...network, forceAddress: true }, pod);
    expect(addressesOf(ipJson('address', 'show', name)).map(({ local }) => local)).toEqual([
      expect.stringMatching(/^10\.\d+\.0\.1$/),
    ]);
    await node.ok('DEL', network, pod);
  });

  test('routes of IPAM, with their own gateway, metric, table and mtu', async () => {
    const routes = [
      { dst: '192.0.2.0/24' },
      { dst: '198.51.100.0/24', gw: '10.210.0.9', priority: 50, mtu: 1280, advmss: 1220 },
      { dst: '203.0.113.0/24', table: 100 },
    ];
    const network = conf({ ipam: { type: 'host-local', subnet: '10.210.0.0/24', routes } });
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
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
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    await node.ok('DEL', network, pod);
  });

  test('dns of the configuration takes the place of IPAM’s', async () => {
    const network = conf({ dns: { nameservers: ['192.0.2.53'], search: ['a.example'] } });
    const pod = node.container();
    expect((await node.ok('ADD', network, pod))['dns']).toEqual({
      nameservers: ['192.0.2.53'],
      search: ['a.example'],
    });
    await node.ok('DEL', network, pod);
  });

  test('a node that lives on router advertisements goes on doing so when it forwards', async () => {
    run('ip', 'link', 'add', 'uplink0', 'type', 'veth', 'peer', 'name', 'uplink1');
    run('ip', 'link', 'set', 'uplink0', 'up');
    run('ip', 'link', 'set', 'uplink1', 'up');
    run('ip', '-6', 'route', 'add', '2001:db8::/64', 'dev', 'uplink0', 'proto', 'ra');
    writeSysctl('net/ipv6/conf/all/forwarding', '0');
    const before = readSysctl('net/ipv6/conf/uplink0/accept_ra');
    const network = conf({ isGateway: true }, [[{ subnet: 'fd00:211::/64' }]]);
    const pod = node.container();
    await node.ok('ADD', network, pod);
    expect([
      before,
      readSysctl('net/ipv6/conf/uplink0/accept_ra'),
      readSysctl('net/ipv6/conf/uplink1/accept_ra'),
    ]).toEqual(['1', '2', '1']);
    await node.ok('DEL', network, pod);
    run('ip', 'link', 'delete', 'uplink0');
  });
});

describe.skipIf(!node)('a failed ADD leaves nothing', () => {
  const clean = (network: Json): void => expect(node.leftovers(String(network['name']))).toEqual(nothing);

  test('missing or wrong namespace', async () => {
    const network = conf();
    const gone = { ...node.container(), netns: '/run/netns/gone' };
    expect((await node.call('ADD', network, gone)).json).toMatchObject({
      code: 8,
      msg: expect.stringMatching(/sandbox may be gone/),
    });
    expect((await node.call('ADD', network, { ...gone, netns: '/proc/self/status' })).json).toMatchObject({
      code: 8,
    });
    clean(network);
    expect(list('/sys/class/net')).not.toContain(network['bridge']);
  });

  test('the container has the interface already', async () => {
    const network = conf();
    const pod = node.container();
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
    const { json } = await node.call('ADD', network, pod);
    expect(json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/eth0 of container .* exists already/),
    });
    clean(network);
  });

  test('the attachment exists already', async () => {
    const network = conf();
    const pod = node.container();
    await node.ok('ADD', network, pod);
    const { json } = await node.call('ADD', network, pod);
    expect(json).toMatchObject({ code: 7, details: expect.stringMatching(/call DEL before the next ADD/) });
    expect(node.addresses(String(network['name']))).toHaveLength(1);
    await node.ok('DEL', network, pod);
    clean(network);
  });

  test('the bridge’s name is another link’s', async () => {
    const network = conf({ bridge: 'lo' });
    expect((await node.call('ADD', network, node.container())).json['msg']).toMatch(
      /lo exists but is no bridge/,
    );
    expect((await node.call('STATUS', network)).json).toMatchObject({ code: 50 });
    clean(network);
  });

  test('a route that cannot be set', async () => {
    const network = conf({
      ipMasq: true,
      isGateway: true,
      ipam: {
        type: 'host-local',
        subnet: '10.220.0.0/24',
        routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }],
      },
    });
    const pod = node.container();
    expect((await node.call('ADD', network, pod)).json['msg']).toMatch(
      /add route to 192\.0\.2\.0\/24 via 203\.0\.113\.1/,
    );
    clean(network);
    expect(node.ipIn(pod, 'link', 'show', 'type', 'veth')).toEqual([]);
  });

  test('a full range', async () => {
    const network = conf({}, [[{ subnet: '10.221.0.0/30' }]]);
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', network, one);
    expect((await node.call('ADD', network, two)).json).toMatchObject({ code: 11 });
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', network, one);
    clean(network);
  });

  test('an unknown IPAM plugin', async () => {
    const network = conf({ ipam: { type: 'nonexistent' } });
    expect((await node.call('ADD', network, node.container())).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/no plugin "nonexistent" is in CNI_PATH/),
    });
    clean(network);
  });
});

describe.skipIf(!node)('DEL', () => {
  test('finds the host end when the namespace is gone, and can be repeated', async () => {
    const network = conf({ ipMasq: true });
    const pod = node.container();
    await node.ok('ADD', network, pod);
    const nowhere = { ...pod, netns: '' };
    await node.ok('DEL', network, nowhere);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
    await node.ok('DEL', network, nowhere);
    await node.ok('DEL', network, { ...pod, netns: '/run/netns/never' });
    await node.ok('DEL', network, { ...pod, netns: '/etc/passwd' });
    await node.ok('DEL', network, pod);
  });

  test('finds the host end under its second name, where a foreign link had the first', async () => {
    const network = conf();
    const pod = node.container();
    const key = { network: String(network['name']), containerId: pod.id, ifname: 'eth0' };
    run('ip', 'link', 'add', hostVethName(key), 'type', 'bridge');
    const result = await node.ok('ADD', network, pod);
    expect(interfaces(result)[1]?.name).toBe(hostVethName(key, 1));
    await node.ok('DEL', network, { ...pod, netns: '' });
    expect(node.hostVeths()).toEqual([]);
    expect(link(hostVethName(key))).toMatchObject({ ifname: hostVethName(key) });
    run('ip', 'link', 'delete', hostVethName(key));
  });

  test('deletes an interface that another plugin made, by its name in the container', async () => {
    const network = conf();
    const pod = node.container();
    run('ip', 'link', 'add', 'vethother', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.id);
    await node.ok('DEL', network, pod);
    expect(node.hostVeths()).toEqual([]);
  });

  test('without namespace, deletes the veth that prevResult names, if it is surely that one', async () => {
    const network = conf();
    const pod = { ...node.container(), netns: '' };
    const bridge = String(network['bridge']);
    run('ip', 'link', 'add', bridge, 'type', 'bridge');
    run(
      'ip',
      'link',
      'add',
      'veththeirs',
      'address',
      '02:00:00:00:00:07',
      'type',
      'veth',
      'peer',
      'name',
      'vethpeer',
    );
    run('ip', 'link', 'set', 'veththeirs', 'master', bridge);
    const previous = (mac: string): Json => ({
      ...network,
      prevResult: {
        cniVersion: '1.1.0',
        interfaces: [{ name: bridge }, { name: 'veththeirs', mac }, { name: 'eth0', sandbox: '/x' }],
      },
    });
    await node.ok('DEL', previous('02:00:00:00:00:08'), pod);
    expect(node.hostVeths()).toContain('veththeirs');
    await node.ok('DEL', previous('02:00:00:00:00:07'), pod);
    expect(node.hostVeths()).not.toContain('veththeirs');
  });

  test('needs no sensible configuration', async () => {
    const network = conf();
    const pod = node.container();
    await node.ok('ADD', network, pod);
    await node.ok('DEL', { ...network, vlan: 5, mtu: 'x', hairpinMode: true, promiscMode: true }, pod);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });
});

describe.skipIf(!node)('CHECK', () => {
  const broken: [string, (pod: Container, host: string, bridge: string) => void, RegExp][] = [
    [
      'address',
      (pod) => run('ip', '-n', pod.id, 'address', 'flush', 'dev', 'eth0'),
      /does not have the address 10\.\d+\.0\.2\/24/,
    ],
    ['route', (pod) => run('ip', '-n', pod.id, 'route', 'delete', 'default'), /no route to 0\.0\.0\.0\/0/],
    [
      'container’s MAC',
      (pod) => run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:01'),
      /has the MAC address 02:00:00:00:00:01, not/,
    ],
    ['state', (pod) => run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'down'), /eth0 is down/],
    ['port', (_pod, host) => run('ip', 'link', 'set', host, 'nomaster'), /is no port of the bridge/],
    [
      'host’s MAC',
      (_pod, host) => run('ip', 'link', 'set', host, 'address', '02:00:00:00:00:01'),
      /the host interface .* has the MAC/,
    ],
    ['pair', (_pod, host) => run('ip', 'link', 'delete', host), /the container has no interface eth0/],
    ['bridge', (_pod, _host, bridge) => run('ip', 'link', 'delete', bridge), /the bridge br\d+ is missing/],
  ];

  test.each(broken)('sees a broken %s', async (_what, breakIt, message) => {
    const network = conf({ isDefaultGateway: true });
    const pod = node.container();
    const prevResult = await node.ok('ADD', network, pod);
    await node.ok('CHECK', { ...network, prevResult }, pod);
    breakIt(pod, interfaces(prevResult)[1]?.name ?? '', String(network['bridge']));
    const { json } = await node.call('CHECK', { ...network, prevResult }, pod);
    expect(json).toMatchObject({ code: 100, msg: expect.stringMatching(message) });
    await node.ok('DEL', network, pod);
  });

  test('needs prevResult, and the address in IPAM', async () => {
    const network = conf();
    const pod = node.container();
    const prevResult = await node.ok('ADD', network, pod);
    expect((await node.call('CHECK', network, pod)).json).toMatchObject({ code: 7 });
    run('rm', '-r', `/var/lib/cni/networks/${String(network['name'])}`);
    expect((await node.call('CHECK', { ...network, prevResult }, pod)).json['msg']).toMatch(
      /no address is reserved/,
    );
    await node.ok('DEL', network, pod);
  });
});

describe.skipIf(!node)('GC and STATUS', () => {
  const gc = (network: Json, ...pods: Container[]): Json => ({
    ...network,
    'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
  });

  test('removes what is not valid: interface, rule and address; nothing of others', async () => {
    const network = conf({ ipMasq: true });
    const other = conf({ ipMasq: true });
    const [stale, valid, foreign] = [node.container(), node.container(), node.container()];
    await node.ok('ADD', network, stale);
    await node.ok('ADD', network, valid);
    await node.ok('ADD', other, foreign);
    run('ip', 'link', 'add', 'vethalien', 'type', 'veth', 'peer', 'name', 'vethalien2');
    await node.ok('GC', gc(network, valid));
    const key = { network: String(network['name']), containerId: valid.id, ifname: 'eth0' };
    const otherKey = { network: String(other['name']), containerId: foreign.id, ifname: 'eth0' };
    expect(node.hostVeths().sort()).toEqual(
      [hostVethName(key), hostVethName(otherKey), 'vethalien', 'vethalien2'].sort(),
    );
    expect(node.addresses(String(network['name']))).toHaveLength(1);
    expect(node.addresses(String(other['name']))).toHaveLength(1);
    expect(node.masqueradeRules()).toHaveLength(2);
    expect(node.locks()).toEqual([]);
    run('ip', 'link', 'delete', 'vethalien');
    for (const [conf, pod] of [
      [network, valid],
      [other, foreign],
    ] as const)
      await node.ok('DEL', conf, pod);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });

  test('keeps everything of an attachment whose ADD is still running', async () => {
    const network = conf({ ipMasq: true });
    const pod = node.container();
    await node.ok('ADD', network, pod);
    const key = { network: String(network['name']), containerId: pod.id, ifname: 'eth0' };
    const before = node.leftovers(key.network);
    {
      using _running = lockAttachment(key);
      await node.ok('GC', gc(network));
      expect(node.leftovers(key.network)).toEqual({ ...before, locks: [expect.stringMatching(/\.lock$/)] });
    }
    await node.ok('GC', gc(network));
    expect(node.leftovers(key.network)).toEqual(nothing);
  });

  test('knows attachments whose names do not fit an alias by their hash', async () => {
    const network = conf({ ipMasq: true, name: 'n'.repeat(140) });
    const long = (letter: string): Container => ({ ...node.container(), id: letter.repeat(200) });
    const [stale, valid] = [long('a'), long('b')];
    await node.ok('ADD', network, stale);
    await node.ok('ADD', network, valid);
    await node.ok('GC', gc(network, valid));
    expect([node.hostVeths().length, node.masqueradeRules().length]).toEqual([1, 1]);
    expect(node.addresses(String(network['name']))).toHaveLength(1);
    await node.ok('DEL', network, valid);
    expect(node.leftovers(String(network['name']))).toEqual(nothing);
  });

  test('without the list it is an error and removes nothing', async () => {
    const network = conf();
    const pod = node.container();
    await node.ok('ADD', network, pod);
    expect((await node.call('GC', network)).code).toBe(1);
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', network, pod);
  });

  test('STATUS passes IPAM’s on', async () => {
    const network = conf();
    await node.ok('STATUS', network);
    expect((await node.call('STATUS', { ...network, ipam: { type: 'host-local' } })).json).toMatchObject({
      code: 7,
    });
    expect((await node.call('STATUS', { ...network, vlan: 7 })).json).toMatchObject({ code: 2 });
  });
});

test.skipIf(!node)('pods of one bridge start at the same time', async () => {
  const network = conf({ isDefaultGateway: true, ipMasq: true });
  const pods = Array.from({ length: 6 }, () => node.container());
  await Promise.all(pods.map((pod) => node.ok('ADD', network, pod)));
  expect(new Set(node.addresses(String(network['name']))).size).toBe(6);
  await Promise.all(pods.map((pod) => node.ok('DEL', network, pod)));
  expect(node.leftovers(String(network['name']))).toEqual(nothing);
});
