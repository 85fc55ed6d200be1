import { mkdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { coverWithTmpfs } from '../../../conformance/testing/netns.ts';
import { readTun, TUN_TYPE } from '../../../shared/netlink/codec/link-kinds/tun.ts';
import type { Json } from '../testing/node.ts';
import { goPlugins, nothing, run, TestNode } from '../testing/node.ts';
import { tuntapArguments } from './labelled-tap.ts';

const node = TestNode.enter() as TestNode;
const ready = node && kernelHas('tap');
const go = goPlugins() as string;
afterEach(() => node?.reset());

const conf: Json = { cniVersion: '1.1.0', name: 'taps', type: 'tap' };
const mac = '02:73:00:00:00:01';
const dualStack: Json = {
  type: 'host-local',
  ranges: [[{ subnet: '10.73.0.0/24' }], [{ subnet: 'fd00:73::/64' }]],
  routes: [{ dst: '0.0.0.0/0' }],
};

interface TapLink extends Json {
  readonly linkinfo: { readonly info_kind: string; readonly info_data: Json };
}

describe.skipIf(!ready)('tap', () => {
  test('is a TAP device that stays, without addresses', async () => {
    const pod = node.container('tap0');
    const result = await node.ok('ADD', { ...conf, mac, mtu: 1400 }, pod);
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'tap0', mac, sandbox: pod.netns }],
    });
    const [link] = node.ipIn<TapLink[]>(pod, '-d', 'link', 'show', 'tap0');
    expect(link).toMatchObject({ address: mac, mtu: 1400, flags: expect.arrayContaining(['UP']) });
    expect(link?.linkinfo).toMatchObject({
      info_kind: 'tun',
      info_data: { type: 'tap', persist: true, multi_queue: false },
    });
    await node.ok('CHECK', { ...conf, prevResult: result }, pod);
    await node.ok('DEL', conf, pod);
    await node.ok('DEL', conf, pod);
    expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toEqual([]);
  });

  test('with an owner, a group and several queues, which CHECK looks at', async () => {
    const pod = node.container();
    const owned = { ...conf, multiQueue: true, owner: 107, group: 36, mac };
    const result = await node.ok('ADD', owned, pod);
    const [link] = node.ipIn<TapLink[]>(pod, '-d', 'link', 'show', 'eth0');
    // Numbers of users and groups, unless the test's machine has names for them.
    expect(link).toMatchObject({ address: mac });
    expect(link?.linkinfo.info_data).toMatchObject({ multi_queue: true, user: expect.anything() });
    for (const [keys, message] of [
      [{}, undefined],
      [{ multiQueue: false }, /has several queues/],
      [{ owner: 108 }, /has owner 107, not 108/],
      [{ group: 0 }, /has group 36, not 0/],
    ] as const) {
      const { json } = await node.call('CHECK', { ...owned, ...keys, prevResult: result }, pod);
      expect(json).toEqual(message === undefined ? {} : expect.objectContaining({ code: 100 }));
      if (message) expect(json['msg']).toMatch(message);
    }
    await node.ok('DEL', owned, pod);
  });

  test('with addresses, without waiting for duplicates that nobody there could have yet', async () => {
    const pod = node.container();
    const start = performance.now();
    const result = await node.ok('ADD', { ...conf, ipam: dualStack }, pod);
    // Detection takes a second and more, and would run into its limit of five without a carrier.
    expect(performance.now() - start).toBeLessThan(1000);
    expect(result['ips']).toEqual([
      { interface: 0, address: '10.73.0.2/24', gateway: '10.73.0.1' },
      { interface: 0, address: 'fd00:73::2/64', gateway: 'fd00:73::1' },
    ]);
    await node.ok('CHECK', { ...conf, ipam: dualStack, prevResult: result }, pod);
    await node.ok('DEL', { ...conf, ipam: dualStack }, pod);
    expect(node.leftovers('taps')).toEqual(nothing);
  });

  test('at a bridge of the container', async () => {
    const pod = node.container();
    const atBridge = { ...conf, bridge: 'br0' };
    expect((await node.call('ADD', atBridge, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/"br0" is no interface of the container/),
    });
    expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toEqual([]);
    run('ip', '-n', pod.id, 'link', 'add', 'br0', 'type', 'bridge');
    await node.ok('ADD', atBridge, pod);
    expect(node.ipIn(pod, 'link', 'show', 'eth0')).toMatchObject([{ master: 'br0' }]);
    await node.ok('DEL', atBridge, pod);
    expect(node.ipIn(pod, 'link', 'show', 'br0')).toHaveLength(1);
  });

  test('the MAC address: the runtime’s before CNI_ARGS before the key', async () => {
    const named = (last: number): string => `02:73:00:00:00:0${last}`;
    for (const [keys, args, expected] of [
      [{}, '', 1],
      [{}, 'MAC=02:73:00:00:00:02', 2],
      [{ runtimeConfig: { mac: named(3) } }, 'MAC=02:73:00:00:00:02', 3],
    ] as const) {
      const pod = node.container();
      const result = await node.ok('ADD', { ...conf, mac, ...keys }, pod, { CNI_ARGS: args });
      expect(result['interfaces']).toMatchObject([{ mac: named(expected) }]);
      await node.ok('DEL', conf, pod);
    }
  });

  test('what fails leaves nothing, and says why', async () => {
    const pod = node.container();
    for (const [keys, code, message] of [
      [{ owner: 'root' }, 6, /owner must be an integer/],
      [{ owner: -1 }, 6, /owner must not be negative/],
      [{ owner: 2 ** 32 - 1 }, 7, /owner 4294967295 is more than/],
      [{ mtu: 70_000 }, 7, /refuses a TAP device with mtu 70000/],
      [{ selinuxcontext: 'system_u:system_r:container_t:s0' }, 7, /SELinux context "system_u/],
      [{ ipam: { type: 'host-local' } }, 7, /./],
    ] as const) {
      const { json } = await node.call('ADD', { ...conf, ...keys }, pod);
      expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
      expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toEqual([]);
    }
    await node.ok('ADD', conf, pod);
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/exists already/),
    });
    expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toHaveLength(1);
    // An interface of another kind is nobody's but its maker's.
    run('ip', '-n', pod.id, 'link', 'delete', 'eth0');
    run('ip', '-n', pod.id, 'link', 'add', 'eth0', 'type', 'bridge');
    await node.ok('DEL', conf, pod);
    expect(node.ipIn(pod, 'link', 'show', 'eth0')).toHaveLength(1);
  });

  test('a node without TAP devices says so', async () => {
    coverWithTmpfs('/dev/net');
    mkdirSync('/dev/net', { recursive: true });
    const { json } = await node.call('ADD', conf, node.container());
    run('umount', '/dev/net');
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/load the module tun/) });
  });

  test('what `ip` is told of a labelled one', () => {
    const spec = { name: 'tap0', multiQueue: true, owner: 107, group: 36 };
    expect(tuntapArguments(spec).join(' ')).toBe(
      'tuntap add mode tap name tap0 multi_queue user 107 group 36',
    );
    const pod = node.container();
    run('ip', '-n', pod.id, ...tuntapArguments(spec));
    expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toHaveLength(1);
  });
});

test('the kernel’s data of a TAP device: ip tuntap add tap0 mode tap user 107 multi_queue, read by strace -e recvmsg ip -d link', () => {
  // IFLA_INFO_DATA: TYPE 2, OWNER 107, PI 0, VNET_HDR 0, PERSIST 1, MULTI_QUEUE 1, NUM_QUEUES 0, NUM_DISABLED_QUEUES 0.
  const data = Buffer.from(
    '0500030002000000080001006b000000050004000000000005000500000000000500060001000000050007000100000008000800000000000800090000000000',
    'hex',
  );
  expect(readTun(data)).toEqual({ type: TUN_TYPE.tap, owner: 107, persist: 1, multiQueue: 1 });
});

describe.skipIf(!ready || !go)('tap beside upstream’s', () => {
  test('each takes away and checks what the other made', async () => {
    for (const ourAdd of [true, false]) {
      const pod = node.container();
      const both = { ...conf, mtu: 1400, multiQueue: true, owner: 0, group: 0 };
      const call = async (ours: boolean, command: 'ADD' | 'CHECK' | 'DEL', of: Json): Promise<Json> => {
        if (ours) return node.ok(command, of, pod);
        const answer = node.exec(go, command, of, pod, { CNI_PATH: go });
        if (answer.code !== 0) throw new Error(`${command}: ${answer.stdout}`);
        return answer.json;
      };
      const result = await call(ourAdd, 'ADD', both);
      await call(!ourAdd, 'CHECK', { ...both, prevResult: result });
      await call(!ourAdd, 'DEL', both);
      expect(node.ipIn(pod, 'link', 'show', 'type', 'tun')).toEqual([]);
    }
  });
});
