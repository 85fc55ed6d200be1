/** Needs a kernel with CONFIG_BRIDGE_VLAN_FILTERING; where there is none the tests are skipped (the VM has one). */

import { afterEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { addressesOf, interfaces, link, network, reaches } from '../testing/bridge.ts';
import type { Json } from '../testing/node.ts';
import { goPlugins, ipJson, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;
afterEach(() => node?.reset());

/** Each port's VLANs as `bridge` tells them, ports by what they are. */
function vlans(names: Readonly<Record<string, string>>): Json {
  const ports = JSON.parse(run('bridge', '-j', 'vlan', 'show')) as {
    ifname: string;
    vlans: { vlan: number; flags?: string[] }[];
  }[];
  return Object.fromEntries(
    ports.map(({ ifname, vlans: all }) => [
      names[ifname] ?? 'gateway port',
      all.map(({ vlan, flags = [] }) => [vlan, ...flags].join(' ')),
    ]),
  );
}

function state(conf: Json, result: Json): Json {
  const [bridge, host] = interfaces(result);
  const info = ((link(bridge?.name ?? '')['linkinfo'] ?? {}) as Json)['info_data'] as Json;
  return {
    filtering: info['vlan_filtering'],
    names: interfaces(result).map(({ name, sandbox }) => [
      name.replace(/^veth.*/, 'veth'),
      sandbox !== undefined,
    ]),
    ips: (result['ips'] as Json[]).map(({ interface: index, gateway }) => [index, gateway]),
    vlans: vlans({ [bridge?.name ?? '']: 'bridge', [host?.name ?? '']: 'pod port' }),
    addresses: ipJson('address', 'show')
      .map((one) => [
        String(one['ifname']).replace(/^veth.*/, 'veth'),
        ...addressesOf([one]).map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      ])
      .sort((x, y) => x.join().localeCompare(y.join())),
    conf: conf['name'],
  };
}

describe.skipIf(!node || !kernelHas('bridge-vlan-filtering'))('VLANs', () => {
  const trunk = [{ minID: 200, maxID: 203 }, { id: 300 }];

  test
    .skipIf(!go)
    .each([
      { vlan: 100, isGateway: true },
      { vlan: 100, isDefaultGateway: true, vlanTrunk: trunk },
      { vlanTrunk: trunk, isGateway: true },
      { vlanTrunk: [...trunk, { minID: 1, maxID: 3 }] },
      { vlan: 100, vlanTrunk: [{ minID: 99, maxID: 101 }] },
      { vlan: 100, preserveDefaultVlan: true, isGateway: true },
      { vlan: 1, isGateway: true },
    ])('leaves what upstream’s leaves, and each deletes the other’s: %j', async (keys) => {
    const net = network({ cniVersion: '1.0.0', ...keys });
    const states: Json[] = [];
    for (const ours of [false, true]) {
      const pod = node.container();
      const answer = ours ? await node.call('ADD', net, pod) : node.exec(go, 'ADD', net, pod);
      expect([answer.code, answer.stdout]).toEqual([0, expect.anything()]);
      states.push(state(net, answer.json));
      const kept = { ...net, prevResult: answer.json };
      await node.ok('CHECK', kept, pod);
      expect(node.exec(go, 'CHECK', kept, pod)).toMatchObject({ code: 0 });
      if (ours) expect(node.exec(go, 'DEL', kept, pod)).toMatchObject({ code: 0 });
      else await node.ok('DEL', kept, pod);
      expect(node.addresses(String(net['name']))).toEqual([]);
      node.reset();
    }
    const mine = JSON.stringify(states[1]).replaceAll('.3', '.2');
    expect(JSON.parse(mine)).toEqual(JSON.parse(JSON.stringify(states[0]).replaceAll('.3', '.2')));
  });

  test('pods of one VLAN reach each other and their gateway, and nobody in another', async () => {
    const one = network({ vlan: 100, isGateway: true });
    const other = network({ vlan: 101, isGateway: true, bridge: one['bridge'], ipam: one['ipam'] });
    // The same subnet, so that nothing but the VLAN keeps them apart.
    const ranges = { type: 'host-local', subnet: '10.211.0.0/24' };
    const [a, b, c] = [node.container(), node.container(), node.container()];
    await node.ok('ADD', { ...one, ipam: { ...ranges, rangeStart: '10.211.0.10' } }, a);
    await node.ok('ADD', { ...one, ipam: { ...ranges, rangeStart: '10.211.0.10' } }, b);
    await node.ok('ADD', { ...other, isGateway: false, ipam: { ...ranges, rangeStart: '10.211.0.20' } }, c);
    expect(reaches(a, '10.211.0.11')).toBe(true);
    expect(reaches(a, '10.211.0.1')).toBe(true);
    expect(reaches(c, '10.211.0.10')).toBe(false);
    expect(reaches(c, '10.211.0.1')).toBe(false);
    for (const [net, pod] of [
      [one, a],
      [one, b],
      [other, c],
    ] as const) {
      await node.ok('DEL', { ...net, ipam: ranges }, pod);
    }
    expect(node.addresses(String(one['name']))).toEqual([]);
    // What is shared stays, as the bridge does.
    expect(ipJson('link', 'show', `${one['bridge']}.100`)).toHaveLength(1);
  });

  test('a bridge of somebody else’s that does not tell VLANs apart is refused and left as it is', async () => {
    const net = network({ vlan: 100 });
    run('ip', 'link', 'add', String(net['bridge']), 'type', 'bridge');
    const { json } = await node.call('ADD', net, node.container());
    expect(json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/does not tell VLANs apart/),
      details: expect.stringMatching(/vlan_filtering 1/),
    });
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('a gateway interface that a killed ADD left half done is completed', async () => {
    const net = network({ vlan: 100, isGateway: true });
    const [pod, second] = [node.container(), node.container()];
    await node.ok('ADD', net, pod);
    const name = `${net['bridge']}.100`;
    const whole = vlans({});
    run('ip', 'link', 'set', name, 'down');
    const port = String(ipJson('link', 'show', name)[0]?.['link']);
    run('ip', 'link', 'set', port, 'nomaster');
    await node.ok('ADD', net, second);
    expect(link(name)['flags']).toContain('UP');
    expect(Object.keys(vlans({}))).toEqual(Object.keys(whole));
    expect(reaches(second, String(addressesOf(ipJson('address', 'show', name))[0]?.local))).toBe(true);
  });

  test('CHECK misses a VLAN that was taken away, and the gateway', async () => {
    const net = network({ vlan: 100, vlanTrunk: trunk, isGateway: true });
    const pod = node.container();
    const result = await node.ok('ADD', net, pod);
    const kept = { ...net, prevResult: result };
    const host = interfaces(result)[1]?.name ?? '';
    await node.ok('CHECK', kept, pod);
    run('bridge', 'vlan', 'del', 'vid', '202', 'dev', host);
    expect((await node.call('CHECK', kept, pod)).json['msg']).toMatch(/not in VLAN 202/);
    run('bridge', 'vlan', 'add', 'vid', '202', 'dev', host);
    run('ip', 'link', 'delete', `${net['bridge']}.100`);
    expect((await node.call('CHECK', kept, pod)).json['msg']).toMatch(
      /gateway's interface .*\.100 is missing/,
    );
  });
});
