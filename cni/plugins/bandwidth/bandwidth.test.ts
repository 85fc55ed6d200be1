import { afterEach, describe, expect, test } from 'vitest';
import { attachmentAlias } from '../common/attachment.ts';
import { lockAttachment } from '../common/attachment-lock.ts';
import { network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, nothing, run, TestNode } from '../testing/node.ts';
import { ifbName } from './ifb-name.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
afterEach(() => node?.reset());

/** 10 kB/s and 10 kB. */
const slow = { rate: 80_000, burst: 80_000 };
const limits: Json = {
  ingressRate: 8_000_000,
  ingressBurst: 80_000,
  egressRate: 16_000_000,
  egressBurst: 160_000,
};

const bandwidth = (net: Json, more: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: net['name'],
  type: 'bandwidth',
  ...more,
});

interface Qdisc {
  readonly kind: string;
  readonly options: Json;
  readonly drops: number;
  readonly overlimits: number;
}

const qdiscs = (device: string): Qdisc[] =>
  JSON.parse(run('tc', '-s', '-j', 'qdisc', 'show', 'dev', device)) as Qdisc[];
const ifbs = (): string[] =>
  ipJson<{ ifname: string }[]>('link', 'show', 'type', 'ifb').map(({ ifname }) => ifname);

/** A bridged pod and the result of its ADD. */
async function bridged(): Promise<{ net: Json; pod: Container; previous: Json; veth: string }> {
  const net = network({ isGateway: true });
  const pod = node.container();
  const previous = await node.ok('ADD', net, pod);
  const veth = (previous['interfaces'] as { name: string }[])[1]?.name ?? '';
  return { net, pod, previous, veth };
}

describe.skipIf(!node)('bandwidth', () => {
  test('ADD limits both ways, CHECK agrees, DEL takes the device away, twice', async () => {
    const { net, pod, previous, veth } = await bridged();
    const conf = bandwidth(net, { ...limits, prevResult: previous });
    const result = await node.ok('ADD', conf, pod);
    const name = ifbName(String(net['name']), pod.id);
    const [device] = ipJson('link', 'show', name);
    expect(result).toEqual({
      ...previous,
      interfaces: [...(previous['interfaces'] as Json[]), { name, mac: device?.['address'] }],
    });
    expect(device).toMatchObject({
      mtu: 1500,
      linkinfo: { info_kind: 'ifb' },
      flags: expect.arrayContaining(['UP']),
    });
    expect(qdiscs(veth)).toMatchObject([
      { kind: 'tbf', options: { rate: 1_000_000, burst: 10_000, lat: 25_000 } },
      { kind: 'ingress' },
    ]);
    expect(qdiscs(name)).toMatchObject([{ kind: 'tbf', options: { rate: 2_000_000, burst: 20_000 } }]);
    await node.ok('CHECK', { ...conf, prevResult: result }, pod);
    await node.ok('DEL', { ...conf, prevResult: result }, pod);
    await node.ok('DEL', bandwidth(net), pod);
    expect(ifbs()).toEqual([]);
    await node.ok('DEL', net, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('without limits hands prevResult on and touches nothing', async () => {
    const { net, pod, previous, veth } = await bridged();
    const conf = bandwidth(net, { runtimeConfig: {}, prevResult: previous });
    expect(await node.ok('ADD', conf, pod)).toEqual(previous);
    expect(qdiscs(veth)).toMatchObject([{ kind: 'noqueue' }]);
    await node.ok('CHECK', conf, pod);
    await node.ok('DEL', conf, pod);
  });

  test('needs prevResult, and the interface that it names', async () => {
    const { net, pod, previous } = await bridged();
    expect((await node.call('ADD', bandwidth(net), pod)).json['code']).toBe(7);
    expect((await node.call('ADD', bandwidth(net, limits), pod)).json['code']).toBe(7);
    const nameless = { ...previous, interfaces: [(previous['interfaces'] as Json[])[0]], ips: [] };
    const answer = await node.call('ADD', bandwidth(net, { ...limits, prevResult: nameless }), pod);
    expect(answer.json).toMatchObject({ code: 7, msg: expect.stringContaining('prevResult') });
    expect(ifbs()).toEqual([]);
  });

  test.each([
    ['its root', ['root', 'handle', '5:', 'pfifo']],
    ['what comes in', ['clsact']],
  ])('leaves nothing when the interface has a queueing discipline at %s', async (_where, args) => {
    const { net, pod, previous, veth } = await bridged();
    run('tc', 'qdisc', 'add', 'dev', veth, ...args);
    const before = qdiscs(veth).map(({ kind }) => kind);
    const answer = await node.call('ADD', bandwidth(net, { ...limits, prevResult: previous }), pod);
    expect(answer.json).toMatchObject({ code: 7, msg: expect.stringContaining('already') });
    expect(ifbs()).toEqual([]);
    expect(qdiscs(veth).map(({ kind }) => kind)).toEqual(before);
  });

  test('a second ADD is refused and does not undo the first', async () => {
    const { net, pod, previous } = await bridged();
    const conf = bandwidth(net, { ...limits, prevResult: previous });
    const result = await node.ok('ADD', conf, pod);
    expect((await node.call('ADD', conf, pod)).json['code']).toBe(7);
    await node.ok('CHECK', { ...conf, prevResult: result }, pod);
  });

  test('CHECK sees what is missing or other than configured', async () => {
    const { net, pod, previous, veth } = await bridged();
    const conf = bandwidth(net, { ...limits, prevResult: previous });
    const result = await node.ok('ADD', conf, pod);
    const check = async (more: Json = {}): Promise<unknown> =>
      (await node.call('CHECK', { ...conf, prevResult: result, ...more }, pod)).json['msg'];
    expect(await check({ ingressRate: 8_000_008 })).toMatch(/receives/);
    expect(await check({ egressBurst: 160_008 })).toMatch(/sends/);
    run('tc', 'filter', 'delete', 'dev', veth, 'parent', 'ffff:');
    expect(await check()).toMatch(/no filter/);
    run('tc', 'qdisc', 'delete', 'dev', veth, 'root');
    expect(await check()).toMatch(/receives/);
    run('ip', 'link', 'delete', ifbName(String(net['name']), pod.id));
    expect(await check({ ingressRate: 0, ingressBurst: 0 })).toMatch(/ifb device/);
  });

  test('GC removes the network’s own devices, and none that is valid, running or of others', async () => {
    const { net, pod, previous } = await bridged();
    const other = await bridged();
    const upstreams = ifbName(String(net['name']), 'gone');
    await node.ok('ADD', bandwidth(net, { ...limits, prevResult: previous }), pod);
    await node.ok('ADD', bandwidth(other.net, { ...limits, prevResult: other.previous }), other.pod);
    run('ip', 'link', 'add', upstreams, 'type', 'ifb');
    const gc = (...pods: Container[]): Json =>
      bandwidth(net, {
        'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
      });
    await node.ok('GC', gc(pod));
    expect(ifbs()).toHaveLength(3);
    {
      using _running = lockAttachment({ network: String(net['name']), containerId: pod.id, ifname: 'eth0' });
      await node.ok('GC', gc());
      expect(ifbs()).toHaveLength(3);
    }
    await node.ok('GC', gc());
    expect(ifbs().sort()).toEqual([ifbName(String(other.net['name']), other.pod.id), upstreams].sort());
  });

  test('DEL of another interface of the container leaves the device', async () => {
    const { net, pod, previous } = await bridged();
    await node.ok('ADD', bandwidth(net, { ...limits, prevResult: previous }), pod);
    await node.ok('DEL', bandwidth(net), { ...pod, ifname: 'eth1' });
    expect(ifbs()).toHaveLength(1);
    const alias = attachmentAlias({ network: String(net['name']), containerId: pod.id, ifname: 'eth0' });
    expect(ipJson('link', 'show', ifbs()[0] ?? '')[0]?.['ifalias']).toBe(alias);
    await node.ok('DEL', bandwidth(net), pod);
    expect(ifbs()).toEqual([]);
  });

  test('STATUS refuses what makes no sense', async () => {
    await node.ok('STATUS', bandwidth({ name: 'net' }, limits));
    expect((await node.call('STATUS', bandwidth({ name: 'net' }, { ingressRate: 8 }))).json['code']).toBe(7);
  });
});

describe.skipIf(!node)('a limited pod', () => {
  const packets = 100;
  /** Of an echo request with 972 bytes of data: ICMP 8, IPv4 20, Ethernet 14. */
  const frame = 972 + 8 + 20 + 14;

  test.each(['egress', 'ingress'])('gets through what its tokens allow, and no more: %s', async (way) => {
    const { net, pod, previous, veth } = await bridged();
    const conf = bandwidth(net, {
      [`${way}Rate`]: slow.rate,
      [`${way}Burst`]: slow.burst,
      prevResult: previous,
    });
    await node.ok('ADD', conf, pod);
    const gateway = (previous['ips'] as { gateway: string }[])[0]?.gateway ?? '';
    // A first one resolves addresses; what it takes of the bucket is back before the others ask for it, or missing.
    run('ip', 'netns', 'exec', pod.id, 'ping', '-c1', '-W5', gateway);
    const started = performance.now();
    // All at once, then a second for the answers.
    const flood = ['-q', `-c${packets}`, `-l${packets}`, '-w1', '-s972', gateway];
    const text = run('sh', '-c', `ip netns exec ${pod.id} ping ${flood.join(' ')} || true`);
    const seconds = (performance.now() - started) / 1000;
    const received = Number(/(\d+) received/.exec(text)?.[1]);
    const most = (slow.burst / 8 + (slow.rate / 8) * seconds) / frame;
    expect(received).toBeLessThanOrEqual(Math.ceil(most));
    expect(received).toBeGreaterThanOrEqual(Math.floor(slow.burst / 8 / frame) - 1);
    const limiter = way === 'egress' ? ifbName(String(net['name']), pod.id) : veth;
    const bucket = qdiscs(limiter).find(({ kind }) => kind === 'tbf');
    // How often it had to make packets wait. What was sent and neither came through nor was dropped still does: no more
    // than its queue takes, 10,250 bytes.
    expect(bucket?.overlimits).toBeGreaterThan(0);
    const sent = Number(/(\d+) packets transmitted/.exec(text)?.[1]);
    expect(sent - received - (bucket?.drops ?? 0)).toBeLessThanOrEqual(Math.ceil(10_250 / frame));
  });

  test('without limits gets all through', async () => {
    const { net, pod, previous } = await bridged();
    await node.ok('ADD', bandwidth(net, { prevResult: previous }), pod);
    const gateway = (previous['ips'] as { gateway: string }[])[0]?.gateway ?? '';
    const text = run('ip', 'netns', 'exec', pod.id, 'ping', '-q', '-c100', '-l100', '-w5', '-s972', gateway);
    expect(text).toMatch(/100 received/);
  });
});

describe.skipIf(!node || !go)('with upstream', () => {
  const cases: [string, Json][] = [
    ['usual limits', limits],
    ['one way', { egressRate: 1_000_000, egressBurst: 2_000_000 }],
    ['10 Gbit/s', { ingressRate: 10_000_000_000, ingressBurst: 100_000_000 }],
    ['a burst beyond 32 bits', { egressRate: 1_000_000, egressBurst: 0xffff_ffff }],
    ['80 Gbit/s', { ingressRate: 80_000_000_000, ingressBurst: 800_000_000 }],
  ];

  test.each(cases)('%s: the kernel holds the same', async (_what, own) => {
    const states: unknown[] = [];
    for (const ours of [true, false]) {
      const { net, pod, previous, veth } = await bridged();
      const conf = bandwidth(net, {
        ...own,
        cniVersion: '1.0.0',
        prevResult: { ...previous, cniVersion: '1.0.0' },
      });
      const answer = ours ? await node.call('ADD', conf, pod) : node.exec(go as string, 'ADD', conf, pod);
      expect(answer).toMatchObject({ code: 0 });
      const name = ifbName(String(net['name']), pod.id);
      const plain = (device: string): Json[] =>
        qdiscs(device).map(({ kind, options }) => ({
          kind,
          options,
          device: device === name ? 'ifb' : 'veth',
        }));
      const names = (answer.json['interfaces'] as { name: string }[]).map((one) => one.name === name);
      const device = ipJson('link', 'show', 'type', 'ifb').map(({ mtu, flags, txqlen, qdisc }) => ({
        mtu,
        flags,
        txqlen,
        qdisc,
      }));
      states.push({ veth: plain(veth), ifb: ifbs().includes(name) ? plain(name) : [], names, device });
      node.reset();
    }
    expect(states[0]).toEqual(states[1]);
  });

  test.each(cases)('%s: either checks and deletes the other’s', async (_what, own) => {
    for (const first of ['ours', 'theirs']) {
      const { net, pod, previous } = await bridged();
      const conf = bandwidth(net, {
        ...own,
        cniVersion: '1.0.0',
        prevResult: { ...previous, cniVersion: '1.0.0' },
      });
      const call = async (who: string, command: 'ADD' | 'CHECK' | 'DEL', with_: Json): Promise<Json> => {
        const ours = who === 'ours';
        const answer = ours
          ? await node.call(command, with_, pod)
          : node.exec(go as string, command, with_, pod);
        expect(answer).toMatchObject({ code: 0 });
        return answer.json;
      };
      const second = first === 'ours' ? 'theirs' : 'ours';
      const prevResult = await call(first, 'ADD', conf);
      await call(second, 'CHECK', { ...conf, prevResult });
      await call(second, 'DEL', { ...conf, prevResult });
      expect(ifbs()).toEqual([]);
      node.reset();
    }
  });
});
