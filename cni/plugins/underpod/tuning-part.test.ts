import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { Container, Json } from '../testing/node.ts';
import { list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => {
  node?.reset();
  rmSync('/run/cni', { recursive: true, force: true });
});

const conf: Json = {
  ...underpodConf,
  tuning: { sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' }, mtu: 1300 },
};

function sysctl(pod: Container, path: string): string {
  return run('ip', 'netns', 'exec', pod.id, 'cat', `/proc/sys/${path}`).trim();
}

function arpFilter(pod: Container): string {
  return sysctl(pod, 'net/ipv4/conf/eth0/arp_filter');
}

describe.skipIf(!node)('tuning as a part of underpod', () => {
  test('sets, checks, and gives back', async () => {
    const pod = node.container();
    const prevResult = await node.ok('ADD', conf, pod);
    expect(arpFilter(pod)).toBe('1');
    expect(node.ipIn(pod, 'link', 'show', 'eth0')[0]).toMatchObject({ mtu: 1300 });
    await node.ok('STATUS', conf);
    await node.ok('CHECK', { ...conf, prevResult }, pod);
    run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'mtu', '1400');
    expect((await node.call('CHECK', { ...conf, prevResult }, pod)).json).toMatchObject({
      code: 100,
      msg: expect.stringMatching(/eth0 has mtu 1400, not 1300/),
    });
    await node.ok('DEL', { ...conf, prevResult }, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
    expect([list('/run/cni/tuning'), list('/run/underpod/tuning/cbr0')]).toEqual([[], []]);
  });

  test('leaves the pod alone without a section', async () => {
    const pod = node.container();
    await node.ok('ADD', underpodConf, pod);
    expect(arpFilter(pod)).toBe('0');
    await node.ok('DEL', underpodConf, pod);
  });

  test('goes by GC', async () => {
    const [one, two] = [node.container(), node.container()];
    for (const pod of [one, two]) await node.ok('ADD', conf, pod);
    await node.ok('GC', {
      ...underpodConf,
      'cni.dev/valid-attachments': [{ containerID: one.id, ifname: 'eth0' }],
    });
    expect(list('/run/cni/tuning')).toEqual([`${one.id}_eth0.json`]);
    await node.ok('DEL', conf, one);
  });

  test('parameters are set back where the rules fail, which come last', async () => {
    run('nft', 'add table inet underpod_firewall; add set inet underpod_firewall pods4 { type mark; }');
    const pod = node.container();
    const former = sysctl(pod, 'net/core/somaxconn');
    const tuning = { sysctl: { 'net.core.somaxconn': '77', 'net.ipv4.conf.IFNAME.arp_filter': '1' } };
    const firewall = { backend: 'nftables' };
    const { json } = await node.call('ADD', { ...conf, tuning, firewall }, pod);
    expect(json).toMatchObject({ msg: expect.stringMatching(/pods4/) });
    expect(former).not.toBe('77');
    expect(sysctl(pod, 'net/core/somaxconn')).toBe(former);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('knows the CNI_ARGS that are for IPAM, and leaves the others to bridge', async () => {
    const pod = node.container();
    const args = { CNI_ARGS: 'IP=10.244.3.77' };
    const prevResult = await node.ok('ADD', conf, pod, args);
    expect(prevResult['ips']).toMatchObject([{ address: '10.244.3.77/24' }]);
    await node.ok('CHECK', { ...conf, prevResult }, pod, args);
    await node.ok('DEL', { ...conf, prevResult }, pod, args);
    const { json } = await node.call('ADD', conf, pod, { CNI_ARGS: 'COLOUR=blue' });
    expect(json).toMatchObject({ code: 4, msg: expect.stringMatching(/COLOUR/) });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test.each([
    ['that is not the pod’s', { 'kernel.hostname': 'pod' }, /must begin with "net\."/],
    ['that is not there', { 'net.ipv4.nothing': '1' }, /net\.ipv4\.nothing/],
  ])('undoes the rest for a parameter %s', async (_what, sysctl, message) => {
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] };
    const pod = node.container();
    const { json } = await node.call('ADD', { ...conf, tuning: { sysctl }, runtimeConfig }, pod);
    expect(json).toMatchObject({ msg: expect.stringMatching(message) });
    expect(node.leftovers('cbr0')).toEqual(nothing);
    expect(run('nft', 'list', 'ruleset')).not.toContain(pod.id);
    expect(list('/run/underpod/portmap/cbr0')).toEqual([]);
  });
});
