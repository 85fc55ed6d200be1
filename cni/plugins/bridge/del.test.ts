import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { hostVethName } from '../common/attachment.ts';
import { interfaces, link, network } from '../testing/bridge.ts';
import type { Json } from '../testing/node.ts';
import { nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

describe.skipIf(!node)('DEL', () => {
  test('finds the host end when the namespace is gone, and can be repeated', async () => {
    const net = network({ ipMasq: true });
    const pod = node.container();
    await node.ok('ADD', net, pod);
    const nowhere = { ...pod, netns: '' };
    await node.ok('DEL', net, nowhere);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
    await node.ok('DEL', net, nowhere);
    await node.ok('DEL', net, { ...pod, netns: '/run/netns/never' });
    await node.ok('DEL', net, { ...pod, netns: '/etc/passwd' });
    await node.ok('DEL', net, pod);
  });

  test('finds the host end under its second name, where a foreign link had the first', async () => {
    const net = network();
    const pod = node.container();
    const key = { network: String(net['name']), containerId: pod.id, ifname: 'eth0' };
    run('ip', 'link', 'add', hostVethName(key), 'type', 'bridge');
    const result = await node.ok('ADD', net, pod);
    expect(interfaces(result)[1]?.name).toBe(hostVethName(key, 1));
    await node.ok('DEL', net, { ...pod, netns: '' });
    expect(node.hostVeths()).toEqual([]);
    expect(link(hostVethName(key))).toMatchObject({ ifname: hostVethName(key) });
    run('ip', 'link', 'delete', hostVethName(key));
  });

  test('deletes an interface that another plugin made, by its name in the container', async () => {
    const net = network();
    const pod = node.container();
    run('ip', 'link', 'add', 'vethother', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.id);
    await node.ok('DEL', net, pod);
    expect(node.hostVeths()).toEqual([]);
  });

  test('without namespace, deletes the veth that prevResult names, if it is surely that one', async () => {
    const net = network();
    const pod = { ...node.container(), netns: '' };
    const bridge = String(net['bridge']);
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
      ...net,
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

  test('gives back what an ADD that was killed had taken besides', async () => {
    const net = network({}, [[{ subnet: '10.223.0.0/24' }], [{ subnet: 'fd00:223::/64' }]]);
    const pod = node.container();
    const other = { ...pod, ifname: 'eth1' };
    await node.ok('ADD', net, other);
    const files = `/var/lib/cni/networks/${String(net['name'])}`;
    for (const ip of ['10.223.0.3', 'fd00:223::3']) writeFileSync(`${files}/${ip}`, `${pod.id}\r\neth0`);
    const prevResult = await node.ok('ADD', net, pod);
    expect(node.addresses(String(net['name']))).toHaveLength(6);
    await node.ok('DEL', { ...net, prevResult }, pod);
    expect(node.addresses(String(net['name']))).toEqual(['10.223.0.2', 'fd00:223::2']);
    await node.ok('DEL', net, other);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('needs no sensible configuration', async () => {
    const net = network();
    const pod = node.container();
    await node.ok('ADD', net, pod);
    await node.ok('DEL', { ...net, vlan: 5, mtu: 'x', hairpinMode: true, promiscMode: true }, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });
});
