import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataDir, subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { Json } from '../testing/node.ts';
import { list, nothing, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

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
    const { json } = await node.call('ADD', { ...underpodConf, runtimeConfig }, node.container());
    expect(json).toMatchObject({ code: 2, msg: expect.stringMatching(message) });
    expect(node.leftovers('cbr0')).toEqual(nothing);
  });

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
