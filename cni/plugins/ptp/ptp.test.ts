import { afterEach, describe, expect, test } from 'vitest';
import { readSysctl } from '../../../shared/sys/sysctl.ts';
import { hostVethName } from '../common/attachment.ts';
import { addressesOf, interfaces, link, reaches } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => node?.reset());

const ptp: Json = {
  cniVersion: '1.1.0',
  name: 'points',
  type: 'ptp',
  ipMasq: true,
  ipMasqBackend: 'nftables',
  mtu: 1400,
  ipam: {
    type: 'host-local',
    ranges: [[{ subnet: '10.70.0.0/24' }], [{ subnet: 'fd00:70::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  },
};

const gc = (...pods: Container[]): Json => ({
  ...ptp,
  'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
});

describe.skipIf(!node)('ptp', () => {
  test('gives what upstream gives: host veth and container; all traffic goes by the gateway', async () => {
    const pod = node.container();
    const result = await node.ok('ADD', ptp, pod);
    const host = hostVethName({ network: 'points', containerId: pod.id, ifname: 'eth0' });
    const inside = node.ipIn(pod, 'address', 'show', 'eth0');
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: host, mac: link(host)['address'] },
        { name: 'eth0', mac: inside[0]?.['address'], sandbox: pod.netns },
      ],
      ips: [
        { interface: 1, address: '10.70.0.2/24', gateway: '10.70.0.1' },
        { interface: 1, address: 'fd00:70::2/64', gateway: 'fd00:70::1' },
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    });
    expect([link(host)['mtu'], inside[0]?.['mtu'], link(host)['operstate']]).toEqual([1400, 1400, 'UP']);
    expect(addressesOf(ipJson('address', 'show', host))).toEqual([
      expect.objectContaining({ local: '10.70.0.1', prefixlen: 32 }),
      expect.objectContaining({ local: 'fd00:70::1', prefixlen: 128 }),
    ]);
    expect(node.ipIn(pod, 'route', 'show')).toEqual([
      expect.objectContaining({ dst: 'default', gateway: '10.70.0.1' }),
      expect.objectContaining({ dst: '10.70.0.0/24', gateway: '10.70.0.1', prefsrc: '10.70.0.2' }),
      expect.objectContaining({ dst: '10.70.0.1', scope: 'link', prefsrc: '10.70.0.2' }),
    ]);
    expect(ipJson('route', 'show', 'dev', host)).toEqual([
      expect.objectContaining({ dst: '10.70.0.2', scope: 'host' }),
    ]);
    expect(readSysctl('net/ipv4/ip_forward')).toBe('1');
    expect(readSysctl(`net/ipv6/conf/${host}/forwarding`)).toBe('1');
    await node.ok('CHECK', node.withPrevious(ptp, result), pod);
    await node.ok('DEL', node.withPrevious(ptp, result), pod);
    await node.ok('DEL', ptp, pod);
    expect(node.leftovers('points')).toEqual(nothing);
    expect(ipJson('route', 'show')).toEqual([]);
  });

  test('two pods reach each other by the host, in both families, as soon as ADD returns', async () => {
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', ptp, one);
    await node.ok('ADD', ptp, two);
    for (const target of ['10.70.0.1', '10.70.0.3', 'fd00:70::1', 'fd00:70::3'])
      expect([target, reaches(one, target)]).toEqual([target, true]);
    await node.ok('GC', gc(two));
    expect([reaches(two, '10.70.0.1'), node.hostVeths().length]).toEqual([true, 1]);
    expect(node.addresses('points')).toHaveLength(2);
    await node.ok('GC', gc());
    expect(node.leftovers('points')).toEqual(nothing);
  });

  test.each([
    [
      'the address of the host’s end',
      ['address', 'flush', 'dev', 'HOST', 'scope', 'global'],
      /10\.70\.0\.1\/32/,
    ],
    ['the host’s route', ['route', 'del', '10.70.0.2'], /no route to 10\.70\.0\.2\/32/],
    ['the host’s end is down', ['link', 'set', 'HOST', 'down'], /is down/],
  ])('CHECK finds what is missing: %s', async (_name, command, message) => {
    const pod = node.container();
    const result = await node.ok('ADD', ptp, pod);
    const host = interfaces(result)[0]?.name ?? '';
    run('ip', ...command.map((word) => (word === 'HOST' ? host : word)));
    const { json } = await node.call('CHECK', node.withPrevious(ptp, result), pod);
    expect(json).toMatchObject({ code: 100, msg: expect.stringMatching(message) });
    await node.ok('DEL', ptp, pod);
  });

  test('an address without a subnet, as of networks that route each pod', async () => {
    const conf = {
      ...ptp,
      ipMasq: false,
      ipam: { type: 'static', addresses: [{ address: '10.71.0.5/32', gateway: '169.254.1.1' }] },
    };
    const pod = node.container();
    const result = await node.ok('ADD', conf, pod);
    expect(node.ipIn(pod, 'route', 'show')).toEqual([
      expect.objectContaining({ dst: '169.254.1.1', scope: 'link', prefsrc: '10.71.0.5' }),
    ]);
    expect(reaches(pod, '169.254.1.1')).toBe(true);
    await node.ok('CHECK', node.withPrevious(conf, result), pod);
    await node.ok('DEL', conf, pod);
    expect(node.leftovers('points')).toEqual(nothing);
  });

  test('what fails leaves nothing: no gateway, no namespace, a name that is taken', async () => {
    const pod = node.container();
    const without = { ...ptp, ipam: { type: 'static', addresses: [{ address: '10.71.0.5/24' }] } };
    expect((await node.call('ADD', without, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/gave 10\.71\.0\.5\/24 no gateway/),
    });
    const gone = { ...pod, netns: '/run/netns/gone' };
    expect((await node.call('ADD', ptp, gone)).json).toMatchObject({ code: 8 });
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'bridge');
    expect((await node.call('ADD', ptp, pod)).json).toMatchObject({ code: 7 });
    expect(node.leftovers('points')).toEqual(nothing);
  });

  test('dns takes the place of IPAM’s only where it says something', async () => {
    const ipam = { ...(ptp['ipam'] as Json), type: 'static', dns: { nameservers: ['192.0.2.53'] } };
    const addresses = [{ address: '10.71.0.5/24', gateway: '10.71.0.1' }];
    for (const [dns, expected] of [
      [{}, { nameservers: ['192.0.2.53'] }],
      [{ domain: 'pods.example' }, { domain: 'pods.example' }],
    ]) {
      const conf = { ...ptp, dns, ipam: { ...ipam, addresses, routes: [] } };
      const pod = node.container();
      expect((await node.ok('ADD', conf, pod))['dns']).toEqual(expected);
      await node.ok('DEL', conf, pod);
    }
  });
});

describe.skipIf(!node || !go)('ptp beside upstream’s', () => {
  test('ours takes away what upstream’s made, with and without a namespace', async () => {
    for (const keep of [true, false]) {
      const pod = node.container();
      const { json, code } = node.exec(go, 'ADD', ptp, pod);
      expect([code, json['code']]).toEqual([0, undefined]);
      const conf = node.withPrevious(ptp, json);
      await node.ok('CHECK', conf, pod);
      // A process that is still in it keeps the namespace, and with it the pair.
      await node.ok('DEL', conf, keep ? pod : { ...pod, netns: '/run/netns/gone' });
      expect(node.leftovers('points')).toEqual(nothing);
    }
  });

  test('upstream’s checks and takes away what ours made', async () => {
    const pod = node.container();
    const result = await node.ok('ADD', ptp, pod);
    for (const command of ['CHECK', 'DEL'] as const) {
      const answer = node.exec(go, command, node.withPrevious(ptp, result), pod);
      expect([command, answer.code, answer.stdout]).toEqual([command, 0, '']);
    }
    expect(node.leftovers('points')).toEqual(nothing);
  });
});
