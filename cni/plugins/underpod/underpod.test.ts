import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataDir, subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { Json } from '../testing/node.ts';
import { list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

describe.skipIf(!node)('type underpod', () => {
  const wishes = {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
    bandwidth: { ingressRate: 1_000_000, ingressBurst: 80_000, egressRate: 2_000_000, egressBurst: 80_000 },
  };

  test('does host ports and limits, and gives them back', async () => {
    const pod = node.container();
    const conf: Json = { ...underpodConf, runtimeConfig: wishes, portmap: { masqAll: true } };
    const result = await node.ok('ADD', conf, pod);
    expect((result['interfaces'] as Json[]).map((one) => String(one['name']).slice(0, 3))).toEqual([
      'cni',
      'vet',
      'eth',
      'bwp',
    ]);
    const rules = run('nft', 'list', 'table', 'ip', 'cni_hostport');
    expect(rules).toContain('tcp dport 8080 dnat to');
    expect(rules).toContain('ip saddr 0.0.0.0/0');
    const qdiscs = run('tc', 'qdisc', 'show');
    expect([/tbf 1: dev veth/.test(qdiscs), /tbf 1: dev bwp/.test(qdiscs)]).toEqual([true, true]);
    await node.ok('CHECK', { ...conf, prevResult: result }, pod);
    run('nft', 'flush', 'chain', 'ip', 'cni_hostport', 'hostports');
    expect((await node.call('CHECK', { ...conf, prevResult: result }, pod)).json['msg']).toMatch(
      /0 of 1 rules/,
    );
    // Whatever the runtime still knows by then.
    await node.ok('DEL', underpodConf, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
    expect(run('ip', '-o', 'link', 'show', 'type', 'ifb')).toBe('');
    expect(run('nft', 'list', 'ruleset')).not.toContain(pod.id);
  });

  test('undoes all of it when a part fails', async () => {
    const pod = node.container();
    const conf: Json = { ...underpodConf, runtimeConfig: { ...wishes, bandwidth: { ingressRate: 1000 } } };
    expect((await node.call('ADD', conf, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/ingressBurst/),
    });
    expect(node.leftovers('cbr0')).toEqual(nothing);
    expect(run('nft', 'list', 'ruleset')).not.toContain(pod.id);
  });

  test('GC collects the parts, too', async () => {
    const [one, two] = [node.container(), node.container()];
    const conf: Json = { ...underpodConf, runtimeConfig: { portMappings: wishes.portMappings } };
    for (const pod of [one, two]) await node.ok('ADD', conf, pod);
    await node.ok('GC', {
      ...underpodConf,
      'cni.dev/valid-attachments': [{ containerID: one.id, ifname: 'eth0' }],
    });
    expect(run('nft', 'list', 'ruleset')).toContain(one.id);
    expect(run('nft', 'list', 'ruleset')).not.toContain(two.id);
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', conf, one);
  });

  test.each(['portmap', 'bandwidth', 'firewall', 'tuning'])(
    'a section %s that is none keeps a pod from coming, and none from going',
    async (part) => {
      const [one, two] = [node.container(), node.container()];
      const conf: Json = { ...underpodConf, runtimeConfig: { portMappings: wishes.portMappings } };
      const wrong = { ...conf, [part]: 5 };
      expect((await node.call('ADD', wrong, one)).json).toMatchObject({
        code: 6,
        msg: expect.stringMatching(new RegExp(`^${part} must be an object`)),
      });
      expect(node.leftovers('cbr0')).toEqual(nothing);
      for (const pod of [one, two]) await node.ok('ADD', conf, pod);
      const gc = { ...wrong, 'cni.dev/valid-attachments': [{ containerID: two.id, ifname: 'eth0' }] };
      await node.ok('GC', gc);
      expect(node.hostVeths()).toHaveLength(1);
      expect(run('nft', 'list', 'ruleset')).not.toContain(one.id);
      await node.ok('DEL', wrong, two);
      expect(node.leftovers('cbr0')).toEqual(nothing);
      expect(run('nft', 'list', 'ruleset')).not.toContain('container-');
    },
  );

  test('takes them where they ask for nothing, and never minds them in DEL', async () => {
    const pod = node.container();
    const runtimeConfig = {
      portMappings: [{ hostPort: 0, containerPort: 80 }],
      bandwidth: { ingressRate: 0 },
    };
    await node.ok('ADD', { ...underpodConf, runtimeConfig }, pod);
    await node.ok('DEL', { ...underpodConf, runtimeConfig: { portMappings: [{ hostPort: 1 }] } }, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('with ipam it is bridge, and subnet.env is not read', async () => {
    rmSync('/run/flannel/subnet.env');
    const network: Json = { ...underpodConf, ipam: { type: 'host-local', subnet: '10.50.0.0/24' } };
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect((result['ips'] as Json[])[0]).toMatchObject({ address: '10.50.0.2/24' });
    expect(list(dataDir)).toEqual([]);
    await node.ok('STATUS', network);
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    await node.ok('GC', {
      ...network,
      'cni.dev/valid-attachments': [{ containerID: pod.id, ifname: 'eth0' }],
    });
    expect(node.hostVeths()).toHaveLength(1);
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('DEL goes by what ADD did where ipam came into the configuration since, or went', async () => {
    const withIpam: Json = { ...underpodConf, ipam: { type: 'host-local', subnet: '10.50.0.0/24' } };
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', underpodConf, one);
    await node.ok('ADD', withIpam, two);
    await node.ok('DEL', withIpam, one);
    await node.ok('DEL', underpodConf, two);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('flannel’s "delegate" is refused with where its keys belong', async () => {
    const { json } = await node.call(
      'ADD',
      { ...underpodConf, delegate: { hairpinMode: true } },
      node.container(),
    );
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/write its keys .* beside "type"/) });
  });
});
