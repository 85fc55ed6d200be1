import { chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Json } from '../testing/node.ts';
import { goPlugins, list, nothing, read, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
const dataDir = '/var/lib/cni/flannel';

function subnetEnv(masq: boolean, ...more: string[]): string {
  const lines = [
    'FLANNEL_NETWORK=10.244.0.0/16',
    'FLANNEL_SUBNET=10.244.3.1/24',
    'FLANNEL_MTU=1450',
    `FLANNEL_IPMASQ=${masq}`,
  ];
  return `${[...lines, ...more].join('\n')}\n`;
}

const flannel: Json = {
  cniVersion: '1.1.0',
  name: 'cbr0',
  type: 'flannel',
  delegate: { hairpinMode: true, forceAddress: true, isDefaultGateway: true },
};

const underpod: Json = {
  cniVersion: '1.1.0',
  name: 'cbr0',
  type: 'underpod',
  hairpinMode: true,
  forceAddress: true,
  isDefaultGateway: true,
  capabilities: { portMappings: true, bandwidth: true },
};

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

describe.skipIf(!node).each([
  ['flannel', flannel],
  ['underpod', underpod],
])('type %s', (_type, network) => {
  test('a pod in the node’s subnet; nothing is left after DEL', async () => {
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect(result['ips']).toEqual([{ interface: 2, address: '10.244.3.2/24', gateway: '10.244.3.1' }]);
    expect(result['routes']).toEqual([{ dst: '10.244.0.0/16' }, { dst: '0.0.0.0/0', gw: '10.244.3.1' }]);
    expect(node.ipIn(pod, 'link', 'show', 'eth0')[0]).toMatchObject({ mtu: 1450 });
    expect(node.masqueradeRules()).toEqual([]);
    await node.ok('CHECK', { ...network, prevResult: result }, pod);
    expect(statSync(`${dataDir}/${pod.id}`).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(JSON.parse(read(`${dataDir}/${pod.id}`))).toEqual({
      cniVersion: '1.1.0',
      name: 'cbr0',
      type: 'bridge',
      ipMasq: false,
      mtu: 1450,
      isGateway: true,
      hairpinMode: true,
      forceAddress: true,
      isDefaultGateway: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.244.3.0/24' }]],
        routes: [{ dst: '10.244.0.0/16' }],
      },
    });
    await node.ok('DEL', { ...network, prevResult: result }, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('masquerades where the agent does not', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    const pod = node.container();
    await node.ok('ADD', network, pod);
    expect(node.masqueradeRules()).toHaveLength(1);
    // DEL goes by what ADD kept.
    writeFileSync('/run/flannel/subnet.env', subnetEnv(true));
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('both families', async () => {
    writeFileSync(
      '/run/flannel/subnet.env',
      subnetEnv(true, 'FLANNEL_IPV6_NETWORK=fd00:244::/56', 'FLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64'),
    );
    const pod = node.container();
    const result = await node.ok('ADD', network, pod);
    expect((result['ips'] as Json[]).map(({ address }) => address)).toEqual([
      '10.244.3.2/24',
      'fd00:244:0:3::2/64',
    ]);
    await node.ok('DEL', network, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('without subnet.env: try again later', async () => {
    rmSync('/run/flannel/subnet.env');
    const { json } = await node.call('ADD', network, node.container());
    expect(json).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/subnet\.env is missing/),
      details: expect.stringMatching(/underpod agent/),
    });
    expect((await node.call('STATUS', network)).json).toMatchObject({ code: 50 });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('with half a subnet.env', async () => {
    writeFileSync('/run/flannel/subnet.env', 'FLANNEL_NETWORK=10.244.0.0/16\n');
    expect((await node.call('ADD', network, node.container())).json).toMatchObject({ code: 7 });
    expect((await node.call('STATUS', network)).json).toMatchObject({ code: 50 });
  });

  test('STATUS', async () => {
    await node.ok('STATUS', network);
  });

  test('a failed ADD keeps no configuration', async () => {
    const pod = { ...node.container(), netns: '/run/netns/gone' };
    expect((await node.call('ADD', network, pod)).json).toMatchObject({ code: 8 });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('DEL with a configuration that is missing or corrupt succeeds and still finds what there is', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    for (const damage of [
      (path: string) => rmSync(path),
      (path: string) => writeFileSync(path, ''),
      (path: string) => writeFileSync(path, '{"type":'),
      (path: string) => writeFileSync(path, '{"name":"../x"}'),
      (path: string) => writeFileSync(path, '[]'),
    ]) {
      const pod = node.container();
      await node.ok('ADD', network, pod);
      damage(`${dataDir}/${pod.id}`);
      await node.ok('DEL', network, { ...pod, netns: '' });
      expect(node.leftovers('cbr0')).toEqual(nothing);
    }
    await node.ok('DEL', network, node.container());
    expect((await node.call('CHECK', { ...network, prevResult: {} }, node.container())).json).toMatchObject({
      code: 100,
    });
  });

  test('GC removes everything of what is not valid, and the configurations of this network only', async () => {
    writeFileSync('/run/flannel/subnet.env', subnetEnv(false));
    const [stale, valid] = [node.container(), node.container()];
    await node.ok('ADD', network, stale);
    await node.ok('ADD', network, valid);
    writeFileSync(`${dataDir}/other`, '{"name":"another","type":"bridge"}');
    writeFileSync(`${dataDir}/fresh`, '{"na');
    writeFileSync(`${dataDir}/corrupt`, '');
    utimesSync(`${dataDir}/corrupt`, 1000, 1000);
    expect((await node.call('GC', network)).code).toBe(1);
    // The agent may be down.
    rmSync('/run/flannel/subnet.env');
    await node.ok('GC', {
      ...network,
      'cni.dev/valid-attachments': [{ containerID: valid.id, ifname: 'eth0' }],
    });
    expect(list(dataDir)).toEqual([valid.id, 'fresh', 'other'].sort());
    expect([node.hostVeths().length, node.masqueradeRules().length]).toEqual([1, 1]);
    expect(node.addresses('cbr0')).toEqual(['10.244.3.3']);
    await node.ok('GC', { ...network, 'cni.dev/valid-attachments': [] });
    expect(list(dataDir)).toEqual(['fresh', 'other']);
    expect(node.hostVeths()).toEqual([]);
  });

  test('two interfaces of one container', async () => {
    const pod = node.container();
    const second = { ...pod, ifname: 'net1' };
    await node.ok('ADD', network, pod);
    await node.ok('ADD', network, second);
    await node.ok('DEL', network, pod);
    await node.ok('DEL', network, second);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });
});

describe.skipIf(!node)('type flannel with a delegate of another project', () => {
  /** A plugin that writes down what it was called with. */
  function install(exitCode: number = 0): void {
    mkdirSync('/run/bin', { recursive: true });
    const answer =
      exitCode === 0
        ? '{"cniVersion":"0.3.1","ips":[{"version":"4","address":"192.0.2.5/24"}]}'
        : '{"code":120,"msg":"no luck","details":"at all"}';
    const script = `#!/bin/sh\ncat > /run/bin/stdin.$CNI_COMMAND\nenv > /run/bin/env.$CNI_COMMAND\necho '${answer}'\nexit ${exitCode}\n`;
    writeFileSync('/run/bin/other', script);
    chmodSync('/run/bin/other', 0o755);
  }
  const network: Json = { ...flannel, delegate: { type: 'other', colour: 'red' } };
  const path = { CNI_PATH: '/nowhere:/run/bin', CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x' };

  test('it is executed with the rendered configuration, for every call', async () => {
    install();
    const pod = node.container();
    const result = await node.ok('ADD', network, pod, path);
    expect(result).toEqual({ cniVersion: '1.1.0', ips: [{ address: '192.0.2.5/24' }] });
    const given = JSON.parse(read('/run/bin/stdin.ADD')) as Json;
    expect(given).toMatchObject({ name: 'cbr0', type: 'other', colour: 'red', mtu: 1450, ipMasq: false });
    expect(given).toEqual(JSON.parse(read(`${dataDir}/${pod.id}`)));
    expect(read('/run/bin/env.ADD').split('\n')).toEqual(
      expect.arrayContaining([
        'CNI_COMMAND=ADD',
        `CNI_CONTAINERID=${pod.id}`,
        'CNI_IFNAME=eth0',
        `CNI_NETNS=${pod.netns}`,
        'CNI_PATH=/nowhere:/run/bin',
        'CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=x',
        expect.stringMatching(/^UNDERPOD_CNI_LOCK=[0-9a-f]{64}$/),
      ]),
    );
    await node.ok('CHECK', { ...network, prevResult: result }, pod, path);
    await node.ok('STATUS', network, undefined, path);
    await node.ok(
      'GC',
      { ...network, 'cni.dev/valid-attachments': [{ containerID: pod.id, ifname: 'eth0' }] },
      undefined,
      path,
    );
    expect(JSON.parse(read('/run/bin/stdin.GC'))).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: pod.id, ifname: 'eth0' }],
    });
    await node.ok('DEL', { ...network, prevResult: result }, pod, path);
    expect(JSON.parse(read('/run/bin/stdin.DEL'))).toEqual({ ...given, prevResult: result });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('its error is the answer', async () => {
    install(1);
    const pod = node.container();
    const { json } = await node.call('ADD', network, pod, path);
    expect(json).toMatchObject({ code: 120, msg: 'plugin other: no luck', details: 'at all' });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('an unknown one is an error that names it', async () => {
    const { json } = await node.call(
      'ADD',
      { ...flannel, delegate: { type: 'absent' } },
      node.container(),
      path,
    );
    expect(json).toMatchObject({ code: 7, msg: 'no plugin "absent" is in CNI_PATH (/nowhere:/run/bin)' });
    expect(
      (await node.call('ADD', { ...flannel, delegate: { type: '../other' } }, node.container(), path)).json,
    ).toMatchObject({ code: 7 });
  });

  test.skipIf(!go)('upstream’s ptp, which in turn executes host-local', async () => {
    const pod = node.container();
    const ptp: Json = { ...flannel, cniVersion: '1.0.0', delegate: { type: 'ptp' } };
    const result = await node.ok('ADD', ptp, pod, { CNI_PATH: go as string });
    expect((result['ips'] as Json[])[0]).toMatchObject({ address: '10.244.3.2/24' });
    await node.ok('DEL', ptp, pod, { CNI_PATH: go as string });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });
});

describe.skipIf(!node)('type underpod', () => {
  test.each([
    [
      {
        portMappings: [
          { hostPort: 0, containerPort: 80 },
          { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        ],
      },
      /"runtimeConfig\.portMappings": \[\{"hostPort":8080.*host ports are not built yet/,
    ],
    [
      { bandwidth: { ingressRate: 1000, ingressBurst: 2000 } },
      /"runtimeConfig\.bandwidth".*bandwidth limits are not built yet/,
    ],
  ])('refuses %j by name', async (runtimeConfig, message) => {
    const { json } = await node.call('ADD', { ...underpod, runtimeConfig }, node.container());
    expect(json).toMatchObject({ code: 2, msg: expect.stringMatching(message) });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('takes them where they ask for nothing, and never minds them in DEL', async () => {
    const pod = node.container();
    const runtimeConfig = {
      portMappings: [{ hostPort: 0, containerPort: 80 }],
      bandwidth: { ingressRate: 0 },
    };
    await node.ok('ADD', { ...underpod, runtimeConfig }, pod);
    await node.ok('DEL', { ...underpod, runtimeConfig: { portMappings: [{ hostPort: 1 }] } }, pod);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('with ipam it is bridge, and subnet.env is not read', async () => {
    rmSync('/run/flannel/subnet.env');
    const network: Json = { ...underpod, ipam: { type: 'host-local', subnet: '10.50.0.0/24' } };
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
    const withIpam: Json = { ...underpod, ipam: { type: 'host-local', subnet: '10.50.0.0/24' } };
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', underpod, one);
    await node.ok('ADD', withIpam, two);
    await node.ok('DEL', withIpam, one);
    await node.ok('DEL', underpod, two);
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

  test('flannel’s "delegate" is refused with where its keys belong', async () => {
    const { json } = await node.call(
      'ADD',
      { ...underpod, delegate: { hairpinMode: true } },
      node.container(),
    );
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/write its keys .* beside "type"/) });
  });
});
