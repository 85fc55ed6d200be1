/** ADD, CHECK, DEL, GC and STATUS of macvlan, ipvlan, vlan and dummy, beside upstream's. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../../conformance/testing/kernel-features.ts';
import type { CallResult, Container, Json } from '../../testing/node.ts';
import { goPlugins, ipJson, run, TestNode } from '../../testing/node.ts';
import { temporaryName } from './place.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins() as string;

const ipam: Json = {
  type: 'host-local',
  ranges: [[{ subnet: '10.88.0.0/24' }], [{ subnet: 'fd00:88::/64' }]],
  routes: [{ dst: '0.0.0.0/0' }],
};
const ipv4: Json = { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/24' }]] };

type Kind = 'macvlan' | 'ipvlan' | 'vlan' | 'dummy';

/** Every kernel has macvlan: where only what is rare is asked for, in CI's VM, its tests have run before. */
const isThorough = process.env['UNDERPOD_ONLY'] !== 'rare';

/** What each type needs besides, and what its links show by `ip -d`. */
const kinds: Record<Kind, { readonly keys: Json; readonly shown: Json }> = {
  macvlan: { keys: { master: 'up0' }, shown: { mode: 'bridge' } },
  ipvlan: { keys: { master: 'up0' }, shown: { mode: 'l2' } },
  vlan: { keys: { master: 'up0', vlanId: 7 }, shown: { id: 7, protocol: '802.1Q' } },
  dummy: { keys: {}, shown: {} },
};

const conf = (type: Kind, keys: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: 'lan',
  type,
  ...kinds[type].keys,
  ipam: ipv4,
  ...keys,
});

beforeEach(() => {
  if (!node) return;
  run('ip', 'link', 'add', 'up0', 'up', 'type', 'veth', 'peer', 'name', 'wire0');
  run('ip', 'link', 'set', 'wire0', 'up');
});
afterEach(() => node?.reset());

interface Shown {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Json };
}

function linkIn(pod: Container, name: string = 'eth0'): Shown {
  const [link] = node.ipIn<Shown[]>(pod, '-d', 'link', 'show', name);
  if (!link) throw new Error(`no ${name}`);
  return link;
}

function names(pod: Container): string[] {
  return node.ipIn<Shown[]>(pod, 'link', 'show').map(({ ifname }) => ifname);
}

function inPod(pod: Container, ...args: string[]): string {
  return run('ip', '-n', pod.id, ...args);
}

function addresses(pod: Container, name: string = 'eth0'): string[] {
  const [link] = node.ipIn<{ addr_info: { local: string; prefixlen: number; scope: string }[] }[]>(
    pod,
    'address',
    'show',
    name,
  );
  return (link?.addr_info ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

const failed = (code: number, text: string): Partial<CallResult> => ({
  json: expect.objectContaining({ code, msg: expect.stringContaining(text) }),
});

describe.each(Object.keys(kinds) as Kind[])('%s', (type) => {
  describe.skipIf(!node || !(isThorough || type !== 'macvlan') || !kernelHas(type))('attachment', () => {
    test('is made, checked and deleted, with both families', async () => {
      // A node's own interface of the name that the pod's shall have is in nobody's way.
      run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0-peer');
      const pod = node.container();
      const config = conf(type, { ipam });
      await node.ok('STATUS', config);
      const result = await node.ok('ADD', config, pod);
      const link = linkIn(pod);
      expect(link.flags).toContain('UP');
      expect(link.linkinfo).toMatchObject({
        info_kind: type,
        ...(type === 'dummy' ? {} : { info_data: kinds[type].shown }),
      });
      expect(result['interfaces']).toEqual([{ name: 'eth0', mac: link.address, sandbox: pod.netns }]);
      expect(addresses(pod)).toEqual(['10.88.0.2/24', 'fd00:88::2/64']);
      await node.ok('CHECK', { ...config, prevResult: result }, pod);
      await node.ok('DEL', { ...config, prevResult: result }, pod);
      expect(names(pod)).toEqual(['lo']);
      expect(node.leftovers('lan')).toMatchObject({ addresses: [], locks: [] });
      await node.ok('DEL', conf(type), pod);
      await node.ok('DEL', conf(type), { ...pod, netns: '' });
    });

    test('that fails leaves nothing', async () => {
      const pod = node.container();
      inPod(pod, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'peer0');
      expect(await node.call('ADD', conf(type), pod)).toMatchObject({ json: { code: 7 } });
      expect(names(pod).sort()).toEqual(['eth0', 'lo', 'peer0']);
      const other = node.container();
      const badRoute = { ...ipv4, routes: [{ dst: '192.0.2.0/24', gw: '203.0.113.1' }] };
      expect((await node.call('ADD', conf(type, { ipam: badRoute }), other)).code).toBe(1);
      expect(names(other)).toEqual(['lo']);
      expect(node.addresses('lan')).toEqual([]);
      // What is not of this type stays, whatever its name.
      await node.ok('DEL', conf(type), pod);
      expect(names(pod).sort()).toEqual(['eth0', 'lo', 'peer0']);
    });

    test('is compared with what ADD said', async () => {
      const pod = node.container();
      const prevResult = await node.ok('ADD', conf(type), pod);
      const check = (): Promise<CallResult> => node.call('CHECK', { ...conf(type), prevResult }, pod);
      inPod(pod, 'address', 'del', '10.88.0.2/24', 'dev', 'eth0');
      expect(await check()).toMatchObject(failed(100, '10.88.0.2/24'));
      inPod(pod, 'address', 'add', '10.88.0.2/24', 'dev', 'eth0');
      expect(await check()).toMatchObject({ code: 0 });
      inPod(pod, 'link', 'set', 'eth0', 'down');
      expect(await check()).toMatchObject(failed(100, 'is down'));
      inPod(pod, 'link', 'delete', 'eth0');
      expect(await check()).toMatchObject(failed(100, 'no interface eth0'));
      inPod(pod, 'link', 'add', 'eth0', 'up', 'type', 'veth', 'peer', 'name', 'peer0');
      expect(await check()).toMatchObject(failed(100, `no ${type}`));
    });

    test('of a pod that the runtime forgot gives its address back by GC', async () => {
      const [kept, lost] = [node.container(), node.container()];
      await node.ok('ADD', conf(type), kept);
      await node.ok('ADD', conf(type, { ...(type === 'vlan' && { vlanId: 8 }) }), lost);
      const valid = [{ containerID: kept.id, ifname: 'eth0' }];
      await node.ok('GC', { ...conf(type), 'cni.dev/valid-attachments': valid });
      expect(node.addresses('lan')).toEqual(['10.88.0.2']);
    });

    test.skipIf(!go)('of upstream’s is checked and deleted by ours, and the reverse', async () => {
      const [theirs, ours] = [node.container(), node.container()];
      const config = (id: number): Json => conf(type, { ...(type === 'vlan' && { vlanId: id }) });
      // Their plugin calls host-local beside it.
      const one = node.exec(go, 'ADD', config(7), theirs);
      expect(one, one.stdout).toMatchObject({ code: 0 });
      const two = await node.ok('ADD', config(8), ours);
      expect(linkIn(ours).linkinfo?.info_data?.['mode']).toBe(linkIn(theirs).linkinfo?.info_data?.['mode']);
      expect(linkIn(ours).mtu).toBe(linkIn(theirs).mtu);
      await node.ok('CHECK', { ...config(7), prevResult: one.json }, theirs);
      const check = node.exec(go, 'CHECK', { ...config(8), prevResult: two }, ours);
      expect(check, check.stdout).toMatchObject({ code: 0 });
      await node.ok('DEL', { ...config(7), prevResult: one.json }, theirs);
      expect(node.exec(go, 'DEL', { ...config(8), prevResult: two }, ours)).toMatchObject({ code: 0 });
      expect([names(theirs), names(ours), node.addresses('lan')]).toEqual([['lo'], ['lo'], []]);
    });
  });
});

describe.skipIf(!node || !isThorough || !kernelHas('macvlan'))('macvlan', () => {
  test.each(['bridge', 'private', 'vepa', 'passthru'])('mode %s', async (mode) => {
    const pod = node.container();
    const prevResult = await node.ok('ADD', conf('macvlan', { mode }), pod);
    expect(linkIn(pod).linkinfo?.info_data).toMatchObject({ mode });
    await node.ok('CHECK', { ...conf('macvlan', { mode }), prevResult }, pod);
    const other = mode === 'private' ? 'vepa' : 'private';
    expect(await node.call('CHECK', { ...conf('macvlan', { mode: other }), prevResult }, pod)).toMatchObject(
      failed(100, 'mode'),
    );
  });

  test('MTU, queue of broadcasts, MAC address, name servers', async () => {
    const pod = node.container();
    const keys = {
      mtu: 1300,
      bcqueuelen: 500,
      mac: '02:00:00:00:00:09',
      dns: { nameservers: ['10.88.0.53'] },
    };
    const result = await node.ok('ADD', conf('macvlan', keys), pod);
    expect(linkIn(pod)).toMatchObject({
      mtu: 1300,
      address: keys.mac,
      linkinfo: { info_data: { bcqueuelen: 500 } },
    });
    expect(result['dns']).toEqual(keys.dns);
    expect(await node.call('ADD', conf('macvlan', { mtu: 1501 }), node.container())).toMatchObject(
      failed(7, '1500'),
    );
  });

  test('without addresses is up', async () => {
    const pod = node.container();
    const config = conf('macvlan', { ipam: undefined });
    const prevResult = await node.ok('ADD', config, pod);
    expect(prevResult['ips']).toBeUndefined();
    expect(linkIn(pod).flags).toContain('UP');
    await node.ok('CHECK', { ...config, prevResult }, pod);
    await node.ok('DEL', config, pod);
  });

  test('stands on the link of the default route, of either family', async () => {
    const config = conf('macvlan', { master: undefined });
    expect(await node.call('ADD', config, node.container())).toMatchObject(failed(7, 'no default route'));
    expect(await node.call('STATUS', config)).toMatchObject(failed(50, 'no default route'));
    run('ip', 'address', 'add', 'fd00:9::1/64', 'dev', 'up0', 'nodad');
    run('ip', '-6', 'route', 'add', 'default', 'via', 'fd00:9::2');
    const pod = node.container();
    await node.ok('STATUS', config);
    await node.ok('ADD', config, pod);
    expect(names(pod)).toEqual(['lo', 'eth0']);
  });

  test('on an interface that another plugin put into the container', async () => {
    const pod = node.container();
    inPod(pod, 'link', 'add', 'in0', 'up', 'type', 'veth', 'peer', 'name', 'in1');
    const config = conf('macvlan', { master: 'in0', linkInContainer: true });
    expect(await node.call('ADD', conf('macvlan', { master: 'in0' }), pod)).toMatchObject(
      failed(7, 'no interface of the node'),
    );
    await node.ok('STATUS', config);
    const prevResult = await node.ok('ADD', config, pod);
    expect(node.ipIn(pod, '-d', 'link', 'show', 'eth0')).toMatchObject([{ link: 'in0' }]);
    await node.ok('CHECK', { ...config, prevResult }, pod);
    await node.ok('DEL', config, pod);
    expect(names(pod).sort()).toEqual(['in0', 'in1', 'lo']);
    expect(await node.call('ADD', conf('macvlan', { linkInContainer: true }), pod)).toMatchObject(
      failed(7, 'no interface of the container'),
    );
  });

  test('that an ADD left half made goes with DEL', async () => {
    const pod = node.container();
    const name = temporaryName({ network: 'lan', containerId: pod.id, ifname: pod.ifname });
    run('ip', 'link', 'add', name, 'link', 'up0', 'netns', pod.id, 'type', 'macvlan');
    await node.ok('DEL', conf('macvlan'), pod);
    expect(names(pod)).toEqual(['lo']);
  });

  test('a master that is busy, or away', async () => {
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    run('ip', 'link', 'set', 'up0', 'master', 'br0');
    const pod = node.container();
    expect(await node.call('ADD', conf('macvlan'), pod)).toMatchObject(failed(7, 'in use'));
    const away = conf('macvlan', { master: 'none0' });
    expect(await node.call('ADD', away, pod)).toMatchObject(failed(7, 'none0'));
    expect(await node.call('STATUS', away)).toMatchObject(failed(50, 'none0'));
    expect([names(pod), node.addresses('lan')]).toEqual([['lo'], []]);
    await node.ok('DEL', away, pod);
  });
});

describe.skipIf(!node || !kernelHas('ipvlan'))('ipvlan', () => {
  const before = (interfaces: Json[]): Json => ({
    cniVersion: '1.1.0',
    interfaces,
    ips: [{ address: '10.88.0.77/24', gateway: '10.88.0.1' }],
  });

  test.each(['l2', 'l3', 'l3s'])('mode %s', async (mode) => {
    const pod = node.container();
    const prevResult = await node.ok('ADD', conf('ipvlan', { mode, mtu: 1400 }), pod);
    expect(linkIn(pod)).toMatchObject({ mtu: 1400, linkinfo: { info_data: { mode } } });
    await node.ok('CHECK', { ...conf('ipvlan', { mode }), prevResult }, pod);
    const other = mode === 'l2' ? 'l3' : 'l2';
    expect(await node.call('CHECK', { ...conf('ipvlan', { mode: other }), prevResult }, pod)).toMatchObject(
      failed(100, 'mode'),
    );
  });

  test('in a chain stands on what the plugin before made, and takes its addresses', async () => {
    const pod = node.container();
    const config = conf('ipvlan', { master: undefined, ipam: undefined });
    await node.ok('STATUS', config);
    const result = await node.ok('ADD', { ...config, prevResult: before([{ name: 'up0' }]) }, pod);
    expect(addresses(pod)).toEqual(['10.88.0.77/24']);
    expect(result['interfaces']).toMatchObject([{ name: 'eth0', sandbox: pod.netns }]);
    await node.ok('CHECK', { ...config, prevResult: result }, pod);
    // A plugin behind may have added one, as bandwidth does.
    const more = { ...result, interfaces: [...(result['interfaces'] as Json[]), { name: 'ifb0' }] };
    await node.ok('CHECK', { ...config, prevResult: more }, pod);
    await node.ok('DEL', { ...config, prevResult: more }, pod);
    expect(names(pod)).toEqual(['lo']);
  });

  test('in a chain with an IPAM plugin of its own', async () => {
    const pod = node.container();
    const config = conf('ipvlan', { master: undefined });
    await node.ok('ADD', { ...config, prevResult: before([{ name: 'up0' }]) }, pod);
    expect(addresses(pod)).toEqual(['10.88.0.2/24']);
    const two = before([{ name: 'up0' }, { name: 'wire0' }]);
    expect(await node.call('ADD', { ...config, prevResult: two }, node.container())).toMatchObject(
      failed(7, 'just one interface'),
    );
  });

  test('without addresses is of no use', async () => {
    const pod = node.container();
    expect(await node.call('ADD', conf('ipvlan', { ipam: undefined }), pod)).toMatchObject(
      failed(7, '"ipam"'),
    );
    expect(names(pod)).toEqual(['lo']);
  });
});

describe.skipIf(!node || !kernelHas('vlan'))('vlan', () => {
  test('MTU, another VLAN, one that is taken', async () => {
    const pod = node.container();
    const prevResult = await node.ok('ADD', conf('vlan', { mtu: 1400 }), pod);
    expect(linkIn(pod).mtu).toBe(1400);
    expect(await node.call('CHECK', { ...conf('vlan', { vlanId: 8 }), prevResult }, pod)).toMatchObject(
      failed(100, 'VLAN 7, not 8'),
    );
    expect(await node.call('ADD', conf('vlan'), node.container())).toMatchObject(failed(7, 'up0 already'));
    expect(node.addresses('lan')).toHaveLength(1);
    run('ip', 'link', 'set', 'up0', 'mtu', '1400');
    expect(await node.call('ADD', conf('vlan', { mtu: 1401, vlanId: 9 }), node.container())).toMatchObject(
      failed(7, '1400'),
    );
  });

  test('on an interface that another plugin put into the container', async () => {
    const pod = node.container();
    inPod(pod, 'link', 'add', 'in0', 'up', 'type', 'veth', 'peer', 'name', 'in1');
    await node.ok('ADD', conf('vlan', { master: 'in0', linkInContainer: true }), pod);
    expect(node.ipIn(pod, '-d', 'link', 'show', 'eth0')).toMatchObject([{ link: 'in0' }]);
  });
});

test.skipIf(!node || !isThorough || !kernelHas('macvlan'))(
  'an interface of the node is left alone by all of it',
  async () => {
    const before = ipJson('link', 'show').length;
    const pod = node.container();
    await node.ok('ADD', conf('macvlan'), pod);
    await node.ok('DEL', conf('macvlan'), pod);
    expect(ipJson('link', 'show')).toHaveLength(before);
  },
);
