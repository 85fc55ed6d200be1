/** What goes wrong on nodes: full bridges and disks, subnets of the node's own, two calls at once, a reboot. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { hostVethName } from '../common/attachment.ts';
import { addressesOf, link, network, reaches } from '../testing/bridge.ts';
import { subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { CallResult, Container, Json } from '../testing/node.ts';
import { ipJson, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const gc = (net: Json, ...pods: Container[]): Json => ({
  ...net,
  'cni.dev/valid-attachments': pods.map(({ id, ifname }) => ({ containerID: id, ifname })),
});
const nameOf = (net: Json): string => String(net['name']);
const clean = (net: Json): void => expect(node.leftovers(nameOf(net))).toEqual(nothing);

describe.skipIf(!node)('a bridge with all the ports that the kernel gives one', () => {
  test('is an error that says so, and leaves nothing', async () => {
    const net = network({ ipMasq: true });
    const [first, second] = [node.container(), node.container()];
    await node.ok('ADD', net, first);
    const lines = Array.from(
      { length: 1022 },
      (_, n) => `link add p${n} group 77 master ${net['bridge']} type veth peer name q${n} group 77`,
    );
    writeFileSync('/run/batch', lines.join('\n'));
    run('ip', '-batch', '/run/batch');
    const { json } = await node.call('ADD', net, second);
    expect(json).toMatchObject({ code: 11, msg: expect.stringMatching(/has 1023 ports/) });
    run('ip', 'link', 'delete', 'group', '77');
    expect(node.hostVeths()).toHaveLength(1);
    expect(node.addresses(nameOf(net))).toHaveLength(1);
    expect(node.masqueradeRules()).toHaveLength(1);
    expect(node.ipIn(second, 'link', 'show', 'type', 'veth')).toEqual([]);
    await node.ok('ADD', net, second);
    for (const pod of [first, second]) await node.ok('DEL', net, pod);
    clean(net);
  }, 30_000);
});

describe.skipIf(!node)('a subnet of the node’s own', () => {
  const uplink = (address: string): void => {
    run('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'uplink2');
    run('ip', 'address', 'add', address, 'dev', 'uplink');
    run('ip', 'link', 'set', 'uplink', 'up');
  };
  const net = (more: Json = {}): Json => ({
    ...network({ isGateway: true, ...more }),
    ipam: { type: 'host-local', subnet: '10.250.0.0/16' },
  });

  test.each(['10.250.7.9/24', '10.250.0.1/16', '10.250.0.1/8'])('%s is refused', async (address) => {
    uplink(address);
    const conf = net({ ipMasq: true });
    const { json } = await node.call('ADD', conf, node.container());
    expect(json).toMatchObject({
      code: 7,
      msg: `the pods' subnet 10.250.0.0/16 contains the node's own address ${address} of uplink`,
    });
    expect(addressesOf(ipJson('address', 'show', String(conf['bridge'])))).toEqual([]);
    run('ip', 'link', 'delete', 'uplink');
    clean(conf);
  });

  test.each(['10.250.7.9/32', '10.1.0.9/8'])('%s does no harm', async (address) => {
    uplink(address);
    const pod = node.container();
    const conf = net();
    await node.ok('ADD', conf, pod);
    expect(reaches(pod, '10.250.0.1')).toBe(true);
  });

  test('without a gateway, on an interface that is down, and of the same network’s former bridge it does none', async () => {
    uplink('10.250.7.9/24');
    await node.ok('ADD', net({ isGateway: false }), node.container());
    run('ip', 'link', 'set', 'uplink', 'down');
    await node.ok('ADD', net(), node.container());
    await node.ok('ADD', net(), node.container());
  });

  test('the bridge’s own address in it is none of another’s', async () => {
    const conf = net();
    const bridge = String(conf['bridge']);
    run('ip', 'link', 'add', bridge, 'type', 'bridge');
    run('ip', 'address', 'add', '10.250.0.1/16', 'dev', bridge);
    run('ip', 'link', 'set', bridge, 'up');
    await node.ok('ADD', conf, node.container());
  });
});

describe.skipIf(!node)('a bridge that someone else made', () => {
  test('keeps its settings', async () => {
    const net = network({ isGateway: true, mtu: 1400 });
    const name = String(net['bridge']);
    const settings = ['ageing_time', '10000', 'group_fwd_mask', '16384', 'mcast_snooping', '0'];
    run('ip', 'link', 'add', name, 'type', 'bridge', 'forward_delay', '200', ...settings);
    // From here on the kernel does not choose it by the ports.
    run('ip', 'link', 'set', name, 'mtu', '1450');
    const state = (): Json => {
      const { mtu, linkinfo } = link(name) as { mtu: number; linkinfo: { info_data: Json } };
      const { forward_delay, stp_state, ageing_time, group_fwd_mask, mcast_snooping } = linkinfo.info_data;
      return { mtu, forward_delay, stp_state, ageing_time, group_fwd_mask, mcast_snooping };
    };
    const before = state();
    expect(before).toMatchObject({ mtu: 1450, group_fwd_mask: '0x4000', mcast_snooping: 0 });
    const pod = node.container();
    await node.ok('ADD', net, pod);
    expect(state()).toEqual(before);
    await node.ok('DEL', net, pod);
    expect(link(name)['ifname']).toBe(name);
  });
});

describe.skipIf(!node)('a full disk', () => {
  const full = (directory: string, ...options: string[]): (() => void) => {
    mkdirSync(directory, { recursive: true });
    run('mount', '-t', 'tmpfs', '-o', ['mode=0755', ...options].join(), 'tmpfs', directory);
    return () => run('umount', '-l', directory);
  };

  test.each([
    ['/var/lib/cni', 'nr_inodes=3'],
    ['/var/lib/cni', 'nr_inodes=4'],
    ['/var/lib/cni', 'nr_inodes=5'],
    ['/var/lib/cni', 'nr_inodes=6'],
    ['/var/lib/cni', 'nr_inodes=7'],
    ['/run/underpod', 'nr_inodes=2'],
  ])('%s with %s: ADD says so and leaves nothing half done, DEL and GC work', async (directory, option) => {
    const net = network({ ipMasq: true, macspoofchk: true });
    const unmount = full(directory, option);
    try {
      const pod = node.container();
      const { json } = await node.call('ADD', net, pod);
      expect([json['code'], json['msg']]).toEqual([
        5,
        expect.stringMatching(/no space left on device|ENOSPC/),
      ]);
      clean(net);
      expect(node.ipIn(pod, 'link', 'show', 'type', 'veth')).toEqual([]);
      await node.ok('DEL', net, pod);
      clean(net);
    } finally {
      unmount();
    }
  });

  test('that was not when the pod came: it is deleted all the same', async () => {
    const net = network({ ipMasq: true });
    const unmount = full('/var/lib/cni', 'size=64k');
    try {
      const [one, two] = [node.container(), node.container()];
      for (const pod of [one, two]) await node.ok('ADD', net, pod);
      for (let n = 0; n < 100; n++) {
        try {
          writeFileSync(`/var/lib/cni/filler${n}`, new Uint8Array(4096));
        } catch {
          break;
        }
      }
      expect((await node.call('ADD', net, node.container())).json).toMatchObject({ code: 5 });
      await node.ok('DEL', net, one);
      expect(node.addresses(nameOf(net))).toHaveLength(1);
      await node.ok('GC', gc(net));
      clean(net);
    } finally {
      unmount();
    }
  });
});

describe.skipIf(!node)('two ADDs for one attachment at a time', () => {
  const program = join(import.meta.dirname, '..', 'testing', 'run-plugin.ts');

  async function addByProcess(net: Json, pod: Container): Promise<CallResult> {
    const child = Bun.spawn([process.execPath, program, 'bridge'], {
      env: {
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: pod.id,
        CNI_NETNS: pod.netns,
        CNI_IFNAME: pod.ifname,
        CNI_PATH: '/nonexistent',
      },
      stdin: new TextEncoder().encode(JSON.stringify(net)),
      stdout: 'pipe',
    });
    const stdout = await new Response(child.stdout).text();
    return { code: await child.exited, stdout, json: JSON.parse(stdout) as Json };
  }

  test('one succeeds, the other says that it exists; DEL leaves nothing', async () => {
    const net = network({ ipMasq: true, isGateway: true, macspoofchk: true });
    const pod = node.container();
    const answers = await Promise.all([1, 2, 3].map(() => addByProcess(net, pod)));
    const [won, ...lost] = answers.sort((a, b) => a.code - b.code);
    expect(won?.code).toBe(0);
    for (const { json } of lost)
      expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/exists already/) });
    expect(node.addresses(nameOf(net))).toHaveLength(1);
    await node.ok('CHECK', { ...net, prevResult: won?.json }, pod);
    await node.ok('DEL', net, pod);
    clean(net);
  });
});

describe.skipIf(!node)('a reboot', () => {
  const networks: [string, () => Json][] = [
    ['bridge', () => network({ ipMasq: true, isGateway: true, macspoofchk: true })],
    [
      'underpod',
      () => {
        mkdirSync('/run/flannel', { recursive: true });
        writeFileSync('/run/flannel/subnet.env', subnetEnv(true));
        return underpodConf;
      },
    ],
  ];

  /** Takes away what does not outlive a reboot, and leaves the disk. */
  function reboot(...pods: Container[]): void {
    for (const { ifname } of ipJson<{ ifname: string }[]>('link', 'show'))
      if (ifname !== 'lo' && !ifname.startsWith('veth')) run('ip', 'link', 'delete', ifname);
    for (const name of node.hostVeths()) run('ip', 'link', 'delete', name);
    for (const pod of pods) node.removeNetns(pod);
    run('nft', 'flush', 'ruleset');
    rmSync('/run/underpod', { recursive: true, force: true });
  }

  test.each(networks)('%s: files without anything in the kernel', async (_type, make) => {
    const net = make();
    const [one, two, three] = [node.container(), node.container(), node.container()];
    for (const pod of [one, two]) await node.ok('ADD', net, pod);
    reboot(one, two);
    const prevResult = await node.ok('ADD', net, three);
    await node.ok('CHECK', { ...net, prevResult }, three);
    await node.ok('DEL', net, one);
    expect(node.addresses(nameOf(net))).toHaveLength(2);
    await node.ok('GC', gc(net, three));
    expect(node.addresses(nameOf(net))).toHaveLength(1);
    await node.ok('DEL', net, three);
    clean(net);
  });

  test.each(networks)('%s: a pod that comes again by its old id', async (type, make) => {
    const net = make();
    const pod = node.container();
    await node.ok('ADD', net, pod);
    reboot(pod);
    run('ip', 'netns', 'add', pod.id);
    const answer = await node.call('ADD', net, pod);
    expect([type, answer.code]).toEqual([type, 0]);
    await node.ok('DEL', net, pod);
    clean(net);
  });

  test.each(networks)('%s: a kernel that is full of what no file knows of', async (_type, make) => {
    const net = make();
    const [one, two, three] = [node.container(), node.container(), node.container()];
    for (const pod of [one, two]) await node.ok('ADD', net, pod);
    for (const path of ['/var/lib/cni/networks', '/var/lib/cni/flannel', '/run/underpod'])
      rmSync(path, { recursive: true, force: true });
    expect((await node.call('ADD', net, one)).json).toMatchObject({ code: 7 });
    await node.ok('ADD', net, three);
    await node.ok('DEL', net, one);
    await node.ok('GC', gc(net, three));
    const key = { network: nameOf(net), containerId: three.id, ifname: 'eth0' };
    expect(node.hostVeths()).toEqual([hostVethName(key)]);
    await node.ok('DEL', net, three);
    clean(net);
  });
});
