import { afterEach, describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { newAddress } from '../../../shared/netlink/requests/address.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import { attachmentAlias, hostVethName } from '../common/attachment.ts';
import { addressesOf, dualStack, link, network, reaches } from '../testing/bridge.ts';
import { ipJson, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

describe.skipIf(!node)('ADD', () => {
  test('gives what upstream gives: bridge, host veth, container, in this order', async () => {
    const net = network({ isGateway: true });
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    const key = { network: String(net['name']), containerId: pod.id, ifname: 'eth0' };
    const host = hostVethName(key);
    const inside = node.ipIn(pod, 'address', 'show', 'eth0');
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: net['bridge'], mac: link(String(net['bridge']))['address'] },
        { name: host, mac: link(host)['address'] },
        { name: 'eth0', mac: inside[0]?.['address'], sandbox: pod.netns },
      ],
      ips: [{ interface: 2, address: '10.1.0.2/24', gateway: '10.1.0.1' }],
    });
    expect(link(host)).toMatchObject({
      ifalias: attachmentAlias(key),
      master: net['bridge'],
      operstate: 'UP',
    });
    expect(addressesOf(inside)).toEqual([
      expect.objectContaining({ local: '10.1.0.2', prefixlen: 24, broadcast: '10.1.0.255' }),
    ]);
    expect(addressesOf(ipJson('address', 'show', String(net['bridge'])))[0]).toMatchObject({
      local: '10.1.0.1',
      prefixlen: 24,
      broadcast: '10.1.0.255',
    });
    expect(readSysctl('net/ipv4/ip_forward')).toBe('1');
    await node.ok('DEL', net, pod);
  });

  test('two pods reach each other, the gateway, and nothing is left after DEL', async () => {
    const net = network({ isDefaultGateway: true, ipMasq: true });
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', net, one);
    await node.ok('ADD', net, two);
    expect(reaches(one, '10.2.0.3')).toBe(true);
    expect(reaches(two, '10.2.0.1')).toBe(true);
    expect(node.ipIn(one, 'route', 'show', 'default')).toMatchObject([{ gateway: '10.2.0.1', dev: 'eth0' }]);
    expect(node.masqueradeRules()).toHaveLength(2);
    await node.ok('DEL', net, one);
    expect(node.masqueradeRules()).toHaveLength(1);
    await node.ok('DEL', net, two);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('both families: usable at once, with default routes', async () => {
    const net = network({ isDefaultGateway: true, ipMasq: true }, dualStack);
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    expect(result['ips']).toEqual([
      { interface: 2, address: '10.200.0.2/24', gateway: '10.200.0.1' },
      { interface: 2, address: 'fd00:200::2/64', gateway: 'fd00:200::1' },
    ]);
    const [v4, v6] = addressesOf(node.ipIn(pod, 'address', 'show', 'eth0'));
    expect([v4?.local, v6?.local, v6?.tentative]).toEqual(['10.200.0.2', 'fd00:200::2', undefined]);
    expect(reaches(pod, '10.200.0.1')).toBe(true);
    expect(reaches(pod, 'fd00:200::1')).toBe(true);
    expect(node.ipIn(pod, '-6', 'route', 'show', 'default')).toMatchObject([{ gateway: 'fd00:200::1' }]);
    expect(readSysctl('net/ipv6/conf/all/forwarding')).toBe('1');
    expect(node.masqueradeRules()).toHaveLength(2);
    await node.ok('DEL', net, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('a pod that has not spoken yet hears at once who calls it through the node', async () => {
    const net = network({ isDefaultGateway: true }, [[{ subnet: 'fd00:203::/64' }]]);
    const [pod, caller] = [node.container(), node.container()];
    run('ip', 'link', 'add', 'caller', 'type', 'veth', 'peer', 'name', 'eth9', 'netns', caller.id);
    // Else the answer would be held up where this test is not looking.
    writeSysctl('net/ipv6/conf/caller/accept_dad', '0');
    run('ip', 'address', 'add', 'fd00:99::1/64', 'dev', 'caller', 'nodad');
    run('ip', 'link', 'set', 'caller', 'up');
    run('ip', '-n', caller.id, 'address', 'add', 'fd00:99::2/64', 'dev', 'eth9', 'nodad');
    run('ip', '-n', caller.id, 'link', 'set', 'eth9', 'up');
    run('ip', '-n', caller.id, '-6', 'route', 'add', 'default', 'via', 'fd00:99::1');
    await expect.poll(() => reaches(caller, 'fd00:99::1'), { timeout: 10_000 }).toBe(true);
    await node.ok('ADD', net, pod);
    expect(reaches(caller, 'fd00:203::2', 1)).toBe(true);
    await node.ok('DEL', net, pod);
    run('ip', 'link', 'delete', 'caller');
  });

  test('IPv6 alone, where the runtime switched it off in the namespace', async () => {
    const net = network({ isDefaultGateway: true }, [[{ subnet: 'fd00:201::/64' }]]);
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
    await node.ok('ADD', net, pod);
    expect(reaches(pod, 'fd00:201::1')).toBe(true);
    await node.ok('DEL', net, pod);
  });

  test('with enabledad it waits for duplicate address detection', async () => {
    const net = network({ isGateway: true, enabledad: true }, [[{ subnet: 'fd00:202::/64' }]]);
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', net, one);
    const [address] = addressesOf(node.ipIn(one, 'address', 'show', 'eth0'));
    expect([address?.tentative, address?.nodad]).toEqual([undefined, undefined]);
    // Someone on the bridge already has the next pod's address.
    run('ip', '-n', one.id, 'address', 'add', 'fd00:202::3/64', 'dev', 'eth0', 'nodad');
    const { code, json } = await node.call('ADD', net, two);
    expect([code, json['code'], json['msg']]).toEqual([
      1,
      101,
      expect.stringMatching(/fd00:202::3 is in use by another interface/),
    ]);
    await node.ok('DEL', net, one);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('a new gateway forwards although new interfaces do not, while the node does', async () => {
    const families = [4, 6] as const;
    for (const family of families) {
      writeSysctl(`net/ipv${family}/conf/all/forwarding`, '1');
      writeSysctl(`net/ipv${family}/conf/default/forwarding`, '0');
    }
    const net = network({ isGateway: true }, dualStack);
    const pod = node.container();
    await node.ok('ADD', net, pod);
    const bridge = String(net['bridge']);
    expect(families.map((family) => readSysctl(`net/ipv${family}/conf/${bridge}/forwarding`))).toEqual([
      '1',
      '1',
    ]);
    await node.ok('DEL', net, pod);
    for (const family of families) writeSysctl(`net/ipv${family}/conf/default/forwarding`, '1');
  });

  test('a node that lives on router advertisements goes on doing so when it forwards', async () => {
    const acceptRa = (): (string | undefined)[] =>
      [0, 1, 2].map((uplink) => readSysctl(`net/ipv6/conf/uplink${uplink}/accept_ra`));
    run('ip', 'link', 'add', 'uplink0', 'type', 'veth', 'peer', 'name', 'uplink1');
    run('ip', 'link', 'add', 'uplink2', 'type', 'veth', 'peer', 'name', 'uplink3');
    for (const uplink of [0, 1, 2, 3]) run('ip', 'link', 'set', `uplink${uplink}`, 'up');
    run('ip', '-6', 'route', 'add', '2001:db8::/64', 'dev', 'uplink0', 'proto', 'ra');
    learnAddress('uplink1', '2001:db8:1::5/64');
    writeSysctl('net/ipv6/conf/all/forwarding', '0');
    const before = acceptRa();
    const net = network({ isGateway: true }, [[{ subnet: 'fd00:211::/64' }]]);
    const pod = node.container();
    await node.ok('ADD', net, pod);
    expect([before, acceptRa()]).toEqual([
      ['1', '1', '1'],
      ['2', '2', '1'],
    ]);
    await node.ok('DEL', net, pod);
    run('ip', 'link', 'delete', 'uplink2');
    run('ip', 'link', 'delete', 'uplink0');
  });
});

test.skipIf(!node)('pods of one bridge start at the same time', async () => {
  const net = network({ isDefaultGateway: true, ipMasq: true });
  const pods = Array.from({ length: 6 }, () => node.container());
  await Promise.all(pods.map((pod) => node.ok('ADD', net, pod)));
  expect(new Set(node.addresses(String(net['name']))).size).toBe(6);
  await Promise.all(pods.map((pod) => node.ok('DEL', net, pod)));
  expect(node.leftovers(String(net['name']))).toEqual(nothing);
});

/**
 * Adds an address as the kernel does on a router's advertisement: IFAPROT_KERNEL_RA of linux/if_addr.h, and with an end,
 * which is all that kernels before 5.18 tell of it.
 */
function learnAddress(name: string, text: string): void {
  using host = Rtnetlink.open();
  const index = host.linkByName(name)?.index ?? 0;
  const cacheInfo = { preferred: 3600, valid: 3600, created: 0, updated: 0 };
  host.socket.request(newAddress({ index, address: parseCidr(text)!, protocol: 2, cacheInfo }));
}
