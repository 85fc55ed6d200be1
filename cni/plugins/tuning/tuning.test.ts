import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { coverWithTmpfs } from '../../../conformance/testing/netns.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { lockAttachment } from '../common/attachment-lock.ts';
import { network } from '../testing/bridge.ts';
import type { CallResult, Container, Extra, Json } from '../testing/node.ts';
import { goPlugins, ipJson, list, nothing, read, run, TestNode } from '../testing/node.ts';
import { allowListPath } from './require-allowed.ts';
import { noteDirectory } from './saved.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
if (node) coverWithTmpfs('/etc/cni');
afterEach(() => {
  node?.reset();
  for (const path of ['/run/cni', '/etc/cni/tuning']) rmSync(path, { recursive: true, force: true });
});

const files = '/run/cni/tuning';
const mac = '02:42:00:00:00:09';
const all: Json = { mac, promisc: true, mtu: 1300, allmulti: true, txQLen: 77 };
const switches = { PROMISC: true, ALLMULTI: true };

interface Tuned {
  readonly net: Json;
  readonly pod: Container;
  readonly previous: Json;
  readonly conf: Json;
  readonly before: Json;
}

/** A bridged pod, and a configuration of tuning behind it. */
async function bridged(keys: Json = all, cniVersion: string = '1.1.0'): Promise<Tuned> {
  const net = network({ isGateway: true, cniVersion });
  const pod = node.container();
  const previous = await node.ok('ADD', net, pod);
  const conf = { cniVersion, name: net['name'], type: 'tuning', ...keys, prevResult: previous };
  return { net, pod, previous, conf, before: link(pod) };
}

/** What of the pod's interface can be changed. */
function link(pod: Container): Json {
  const [found] = node.ipIn(pod, 'link', 'show', 'eth0');
  const flags = found?.['flags'] as string[];
  return {
    mac: found?.['address'],
    mtu: found?.['mtu'],
    txQLen: found?.['txqlen'],
    PROMISC: flags.includes('PROMISC'),
    ALLMULTI: flags.includes('ALLMULTI'),
  };
}

function sysctl(pod: Container, path: string): string {
  return run('ip', 'netns', 'exec', pod.id, 'cat', `/proc/sys/${path}`).trim();
}

function without({ prevResult: _gone, ...conf }: Json): Json {
  return conf;
}

const fileOf = (pod: Container): string => `${files}/${pod.id}_eth0.json`;
const notes = (net: Json): string[] => list(`${noteDirectory}/${String(net['name'])}`);

describe.skipIf(!node)('tuning', () => {
  test('ADD changes the interface, CHECK agrees, DEL gives it back what it had, twice', async () => {
    const { net, pod, previous, conf, before } = await bridged();
    const result = await node.ok('ADD', conf, pod);
    expect(link(pod)).toEqual({ mac, mtu: 1300, txQLen: 77, ...switches });
    const interfaces = previous['interfaces'] as Json[];
    expect(result).toEqual({
      ...previous,
      interfaces: interfaces.map((one) => (one['sandbox'] ? { ...one, mac } : one)),
    });
    expect(JSON.parse(read(fileOf(pod)))).toEqual({
      mac: before['mac'],
      promisc: false,
      mtu: 1500,
      allmulti: false,
      txQLen: before['txQLen'],
    });
    const later = { ...conf, prevResult: result };
    await node.ok('CHECK', later, pod);
    await node.ok('CHECK', { ...net, prevResult: result }, pod);
    await node.ok('DEL', later, pod);
    expect(link(pod)).toEqual(before);
    expect([list(files), notes(net)]).toEqual([[], []]);
    await node.ok('DEL', without(later), pod);
    expect(link(pod)).toEqual(before);
    await node.ok('DEL', net, pod);
    expect(node.leftovers(String(net['name']))).toEqual(nothing);
  });

  test('the result’s MTU follows where one was told; an interface of the host keeps what it has', async () => {
    const { pod, conf, previous } = await bridged({ mtu: 1300 });
    const inside = { name: 'eth0', mac, sandbox: pod.netns };
    const outside = { name: 'eth0', mac, mtu: 9000 };
    const interfaces = [outside, { ...inside, mtu: 1500 }, inside];
    const result = await node.ok('ADD', { ...conf, prevResult: { ...previous, interfaces } }, pod);
    expect(result['interfaces']).toEqual([outside, { ...inside, mtu: 1300 }, inside]);
  });

  test('sets parameters of the pod, and leaves the host’s alone', async () => {
    const keys = {
      sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net/core/somaxconn': '500' },
      args: { cni: { sysctl: { 'net.core.somaxconn': '501', 'net.ipv4.ping_group_range': '0 5' } } },
    };
    const { net, pod, conf, previous } = await bridged(keys);
    const host = read('/proc/sys/net/core/somaxconn');
    expect(await node.ok('ADD', conf, pod)).toEqual(previous);
    expect(sysctl(pod, 'net/ipv4/conf/eth0/arp_filter')).toBe('1');
    expect(sysctl(pod, 'net/core/somaxconn')).toBe('501');
    expect(sysctl(pod, 'net/ipv4/ping_group_range')).toBe('0\t5');
    expect(read('/proc/sys/net/core/somaxconn')).toBe(host);
    await node.ok('CHECK', conf, pod);
    expect([list(files), notes(net)]).toEqual([[], []]);
    run('ip', 'netns', 'exec', pod.id, 'sysctl', '-qw', 'net.core.somaxconn=7');
    expect(await node.call('CHECK', conf, pod)).toMatchObject({
      json: { code: 100, msg: expect.stringContaining('"net.core.somaxconn" is 7, not 501') },
    });
    await node.ok('DEL', conf, pod);
  });

  test('a parameter that can only be written is no obstacle', async () => {
    const { pod, conf } = await bridged({ sysctl: { 'net.ipv4.route.flush': '1' } });
    await node.ok('ADD', conf, pod);
    await node.ok('CHECK', conf, pod);
  });

  test('a parameter that has no value yet, and gives an error for it, can be set', async () => {
    const key = 'net.ipv6.conf.IFNAME.stable_secret';
    const { pod, conf } = await bridged({ sysctl: { [key]: '2001:db8::1' } });
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({
      code: 100,
      msg: expect.stringContaining(`"${key}" has no value, not 2001`),
    });
    await node.ok('ADD', conf, pod);
    expect(sysctl(pod, 'net/ipv6/conf/eth0/stable_secret')).toMatch(/^2001:0?db8:/);
  });

  test.each([
    [
      { 'net.core.somaxconn': '500', 'net.core.nowhere': '1' },
      7,
      /"net\.core\.nowhere".*no \/proc\/sys\/net/,
    ],
    [{ 'net.core.somaxconn': '500', 'net.core': '1' }, 7, /"net\.core": .* no \/proc/],
    [{ 'net.core.somaxconn': '500', 'net.ipv4.ip_forward': 'x' }, 7, /"net\.ipv4\.ip_forward".*value "x"/],
    [
      { 'net.core.somaxconn': '500', 'net.ipv4.tcp_available_congestion_control': 'x' },
      5,
      /cannot be written/,
    ],
  ])('%j: the one that fails is named, the others are set back', async (wanted, code, message) => {
    const { pod, conf, before } = await bridged({ ...all, sysctl: wanted });
    const former = sysctl(pod, 'net/core/somaxconn');
    const { json } = await node.call('ADD', conf, pod);
    expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
    expect([sysctl(pod, 'net/core/somaxconn'), link(pod)]).toEqual([former, before]);
    await node.ok('DEL', conf, pod);
  });

  test.each([
    [{ mtu: 70_000_000 }, 7, /mtu of eth0 could not be changed/],
    [{ mac: '00:00:00:00:00:00' }, 7, /mac of eth0 could not be changed/],
  ])('what the kernel refuses of %j is named, and all is as before', async (wrong, code, message) => {
    const { net, pod, conf, before } = await bridged({
      ...all,
      sysctl: { 'net.core.somaxconn': '500' },
      ...wrong,
    });
    const former = sysctl(pod, 'net/core/somaxconn');
    const { json } = await node.call('ADD', conf, pod);
    expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
    expect([sysctl(pod, 'net/core/somaxconn'), link(pod)]).toEqual([former, before]);
    expect([list(files), notes(net)]).toEqual([[], []]);
  });

  test('needs the result of a plugin before, an interface and a namespace', async () => {
    const { pod, conf } = await bridged();
    expect((await node.call('ADD', without(conf), pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/needs "prevResult"/),
    });
    expect((await node.call('CHECK', without(conf), pod)).json).toMatchObject({ code: 7 });
    expect((await node.call('ADD', conf, { ...pod, ifname: 'eth1' })).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/no interface eth1/),
    });
    expect((await node.call('CHECK', conf, { ...pod, ifname: 'eth1' })).json).toMatchObject({ code: 100 });
    node.removeNetns(pod);
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({ code: 8 });
  });

  test.each([
    [{ mtu: 1301 }, ['mtu', '1400'], /has mtu 1400, not 1301/],
    [{ mac }, ['address', '02:42:00:00:00:08'], /has mac 02:42:00:00:00:08, not 02:42:00:00:00:09/],
    [{ promisc: true }, ['promisc', 'off'], /has promisc false, not true/],
    [{ allmulti: false }, ['allmulticast', 'on'], /has allmulti true, not false/],
    [{ txQLen: 5 }, ['txqueuelen', '6'], /has txQLen 6, not 5/],
  ])('CHECK of %j after %j', async (keys, change, message) => {
    const { pod, conf } = await bridged(keys);
    await node.ok('ADD', conf, pod);
    await node.ok('CHECK', conf, pod);
    run('ip', '-n', pod.id, 'link', 'set', 'eth0', ...change);
    expect((await node.call('CHECK', conf, pod)).json).toMatchObject({
      code: 100,
      msg: expect.stringMatching(message),
    });
  });

  test('CHECK leaves alone what is not configured: a pod may look at its packets', async () => {
    const { pod, conf } = await bridged({ mtu: 1400 });
    await node.ok('ADD', conf, pod);
    run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'promisc', 'on');
    await node.ok('CHECK', conf, pod);
  });

  test('what was on stays on', async () => {
    const { pod, conf } = await bridged({ promisc: true, allmulti: false });
    run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'promisc', 'on', 'allmulticast', 'on');
    await node.ok('ADD', conf, pod);
    expect(link(pod)).toMatchObject({ PROMISC: true, ALLMULTI: false });
    await node.ok('DEL', conf, pod);
    expect(link(pod)).toMatchObject(switches);
  });

  test('two in one chain: the interface gets back what it had before the first', async () => {
    const { net, pod, conf, before } = await bridged({ mac, mtu: 1400 });
    const second = { ...conf, mac: '02:42:00:00:00:0a', mtu: 0, txQLen: 5 };
    const third = { ...conf, mac: '', mtu: 1300, dataDir: '/run/cni/other' };
    for (const one of [conf, second, third]) await node.ok('ADD', one, pod);
    expect(link(pod)).toMatchObject({ mac: second.mac, mtu: 1300, txQLen: 5 });
    const refused = await node.call('ADD', { ...conf, txQLen: 9, mtu: 70_000_000 }, pod);
    expect(refused.code).toBe(1);
    for (const one of [third, second, conf]) await node.ok('DEL', one, pod);
    expect(link(pod)).toEqual(before);
    expect([list(files), list('/run/cni/other'), notes(net)]).toEqual([[], [], []]);
  });

  const keep = (): void => {};
  /** As a kill leaves it that comes before anything is written. */
  const noteCutOff = (pod: Container): void => {
    rmSync(fileOf(pod));
    for (const name of list(noteDirectory))
      if (list(`${noteDirectory}/${name}`).length > 0)
        writeFileSync(`${noteDirectory}/${name}/${pod.id}:eth0`, '');
  };
  test.each<[string, (pod: Container) => unknown, Json, Partial<Container>]>([
    ['the namespace is gone', (pod) => node.removeNetns(pod), {}, {}],
    ['none is named', keep, {}, { netns: '' }],
    ['the interface is gone', (pod) => run('ip', '-n', pod.id, 'link', 'del', 'eth0'), {}, {}],
    ['the file is cut off', (pod) => writeFileSync(fileOf(pod), '{"mac": "02:'), {}, {}],
    ['a note is cut off', (pod) => noteCutOff(pod), {}, {}],
    ['dataDir has changed', keep, { dataDir: '/run/elsewhere' }, {}],
    ['the configuration is nonsense', keep, { dataDir: 5, sysctl: 7, mtu: 'x' }, {}],
  ])('DEL when %s leaves nothing', async (_what, change, keys, named) => {
    const { net, pod, conf } = await bridged();
    await node.ok('ADD', conf, pod);
    change(pod);
    await node.ok('DEL', { ...without(conf), ...keys }, { ...pod, ...named });
    expect([list(files), notes(net)]).toEqual([[], []]);
  });

  test('DEL that cannot give back says so, and can be tried again', async () => {
    const { pod, conf } = await bridged({ mtu: 1400, txQLen: 5 });
    await node.ok('ADD', conf, pod);
    const text = read(fileOf(pod));
    writeFileSync(fileOf(pod), JSON.stringify({ mtu: 70_000_000, txQLen: 6 }));
    expect((await node.call('DEL', conf, pod)).json).toMatchObject({
      msg: expect.stringMatching(/mtu of eth0 could not/),
    });
    expect(link(pod)).toMatchObject({ txQLen: 6 });
    writeFileSync(fileOf(pod), text);
    await node.ok('DEL', conf, pod);
    expect([link(pod)['mtu'], list(files)]).toEqual([1500, []]);
  });

  test('a container id that no file can have', async () => {
    const pod = { ...node.container(), id: 'x'.repeat(260) };
    await node.ok('DEL', { cniVersion: '1.1.0', name: 'net', type: 'tuning' }, pod);
  });
});

describe.skipIf(!node)('the node’s list of parameters', () => {
  const allow = (text: string): void => {
    mkdirSync('/etc/cni/tuning', { recursive: true });
    writeFileSync(allowListPath, text);
  };
  const keys = { sysctl: { 'net.core.somaxconn': '500', 'net.ipv4.conf.IFNAME.arp_filter': '1' } };

  test('lets through what is on it', async () => {
    allow('^net.core.somaxconn$\n\n  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$  \n');
    const { pod, conf } = await bridged(keys);
    await node.ok('STATUS', without(conf));
    await node.ok('ADD', conf, pod);
    expect(sysctl(pod, 'net/core/somaxconn')).toBe('500');
  });

  test('keeps out what is not, before anything is set', async () => {
    allow('^net.core.somaxconn$\n');
    const { pod, conf } = await bridged(keys);
    const former = sysctl(pod, 'net/core/somaxconn');
    const expected = {
      code: 7,
      msg: expect.stringContaining('"net.ipv4.conf.IFNAME.arp_filter" is not allowed'),
    };
    expect((await node.call('ADD', conf, pod)).json).toMatchObject(expected);
    expect((await node.call('STATUS', without(conf))).json).toMatchObject(expected);
    expect(sysctl(pod, 'net/core/somaxconn')).toBe(former);
  });

  test('with a line that is no expression keeps out everything', async () => {
    allow('^net\n(\n');
    const { pod, conf } = await bridged(keys);
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringContaining('cannot be used as a regular expression'),
    });
    const { conf: none } = await bridged({ mtu: 1400 });
    await node.ok('STATUS', without(none));
  });
});

describe.skipIf(!node)('GC', () => {
  const gc = (conf: Json, ...valid: Container[]): Json => ({
    ...without(conf),
    'cni.dev/valid-attachments': valid.map(({ id, ifname }) => ({ containerID: id, ifname })),
  });

  test('removes the files of attachments that are gone, of its own network only', async () => {
    const [valid, stale, foreign] = [await bridged(), await bridged(), await bridged()];
    const conf = { ...stale.conf, name: valid.conf['name'] };
    for (const [one, pod] of [
      [valid.conf, valid.pod],
      [conf, stale.pod],
      [foreign.conf, foreign.pod],
    ] as const)
      await node.ok('ADD', one, pod);
    mkdirSync(files, { recursive: true });
    writeFileSync(`${files}/upstreams_eth0.json`, '{}');
    writeFileSync(`${fileOf(stale.pod)}.new`, '{');
    await node.ok('GC', gc(conf, valid.pod));
    expect(list(files)).toEqual(
      [`${valid.pod.id}_eth0.json`, `${foreign.pod.id}_eth0.json`, 'upstreams_eth0.json'].sort(),
    );
    expect(notes(valid.net)).toEqual([`${valid.pod.id}:eth0`]);
  });

  test('keeps what is being worked on', async () => {
    const { net, pod, conf } = await bridged();
    await node.ok('ADD', conf, pod);
    const key: AttachmentKey = { network: String(net['name']), containerId: pod.id, ifname: pod.ifname };
    {
      using _running = lockAttachment(key);
      await node.ok('GC', gc(conf));
      expect(existsSync(fileOf(pod))).toBe(true);
    }
    await node.ok('GC', gc(conf));
    expect(existsSync(fileOf(pod))).toBe(false);
  });
});

describe.skipIf(!node || !go)('beside upstream’s', () => {
  type Side = (command: 'ADD' | 'DEL' | 'CHECK', conf: Json, pod: Container, extra?: Extra) => Promise<Json>;
  const ours: Side = (command, conf, pod, extra) => node.ok(command, conf, pod, extra);
  const theirs: Side = async (command, conf, pod, extra) => {
    const answer: CallResult = node.exec(go as string, command, conf, pod, extra);
    if (answer.code !== 0) throw new Error(`${command} by upstream: ${answer.stdout}`);
    return answer.json;
  };

  test.each<[Json]>([[all], [{ allmulti: false }], [{ mtu: 1400, args: { cni: { txQLen: 0 } } }]])(
    '%j leaves the same file, result and interface',
    async (keys) => {
      const seen: unknown[] = [];
      for (const side of [theirs, ours]) {
        const { pod, conf, before } = await bridged(keys);
        const { interfaces, ...result } = JSON.parse(
          JSON.stringify(await side('ADD', conf, pod))
            .replaceAll(pod.id, 'POD')
            .replaceAll(String(before['mac']), 'MAC')
            .replace(/10\.\d+\./g, '10.0.'),
        ) as Json;
        seen.push([
          result,
          (interfaces as Json[])[2],
          { ...link(pod), mac: keys['mac'] },
          read(fileOf(pod)).replace(String(before['mac']), 'MAC'),
        ]);
        await side('DEL', conf, pod);
        node.reset();
      }
      expect(seen[1]).toEqual(seen[0]);
    },
  );

  test.each([
    ['upstream’s pods are checked and deleted by ours', theirs, ours],
    ['our pods are checked and deleted by upstream’s', ours, theirs],
  ])('%s', async (_what, first, second) => {
    const { net, pod, conf, before } = await bridged({
      ...all,
      sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' },
    });
    const result = await first('ADD', conf, pod);
    expect(link(pod)).toEqual({ mac, mtu: 1300, txQLen: 77, ...switches });
    await second('CHECK', { ...conf, prevResult: result }, pod);
    await second('DEL', { ...conf, prevResult: result }, pod);
    expect([link(pod), list(files)]).toEqual([before, []]);
    // Ours knows nothing of it any more either: a GC takes the note that is left.
    await node.ok('GC', { ...without(conf), 'cni.dev/valid-attachments': [] });
    expect(notes(net)).toEqual([]);
  });

  test('upstream’s file of a pod whose namespace is gone goes by our DEL', async () => {
    const { pod, conf } = await bridged();
    await theirs('ADD', conf, pod);
    node.removeNetns(pod);
    await theirs('DEL', conf, pod);
    expect(list(files)).toHaveLength(1);
    await ours('DEL', conf, pod);
    expect(list(files)).toEqual([]);
  });

  test('both take the MAC address that args.cni has, before the runtime’s', async () => {
    const keys = {
      mac,
      runtimeConfig: { mac: '02:42:00:00:00:03' },
      args: { cni: { mac: '02:42:00:00:00:04' } },
    };
    for (const side of [theirs, ours]) {
      const { pod, conf } = await bridged(keys);
      await side('ADD', conf, pod, { CNI_ARGS: 'IgnoreUnknown=1;MAC=02:42:00:00:00:05' });
      expect(link(pod)).toMatchObject({ mac: '02:42:00:00:00:04' });
      await side('DEL', conf, pod);
    }
    expect(ipJson('link', 'show', 'type', 'veth')).toHaveLength(2);
  });
});
