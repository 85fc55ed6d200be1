import { afterEach, describe, expect, test } from 'vitest';
import { interfaces, network } from '../testing/bridge.ts';
import type { Container } from '../testing/node.ts';
import { run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

describe.skipIf(!node)('CHECK', () => {
  const broken: [string, (pod: Container, host: string, bridge: string) => void, RegExp][] = [
    [
      'address',
      (pod) => run('ip', '-n', pod.id, 'address', 'flush', 'dev', 'eth0'),
      /does not have the address 10\.\d+\.0\.2\/24/,
    ],
    ['route', (pod) => run('ip', '-n', pod.id, 'route', 'delete', 'default'), /no route to 0\.0\.0\.0\/0/],
    [
      'container’s MAC',
      (pod) => run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:01'),
      /has the MAC address 02:00:00:00:00:01, not/,
    ],
    ['state', (pod) => run('ip', '-n', pod.id, 'link', 'set', 'eth0', 'down'), /eth0 is down/],
    ['port', (_pod, host) => run('ip', 'link', 'set', host, 'nomaster'), /is no port of the bridge/],
    [
      'host’s MAC',
      (_pod, host) => run('ip', 'link', 'set', host, 'address', '02:00:00:00:00:01'),
      /the host interface .* has the MAC/,
    ],
    ['pair', (_pod, host) => run('ip', 'link', 'delete', host), /the container has no interface eth0/],
    ['bridge', (_pod, _host, bridge) => run('ip', 'link', 'delete', bridge), /the bridge br\d+ is missing/],
  ];

  test.each(broken)('sees a broken %s', async (_what, breakIt, message) => {
    const net = network({ isDefaultGateway: true });
    const pod = node.container();
    const prevResult = await node.ok('ADD', net, pod);
    await node.ok('CHECK', { ...net, prevResult }, pod);
    breakIt(pod, interfaces(prevResult)[1]?.name ?? '', String(net['bridge']));
    const { json } = await node.call('CHECK', { ...net, prevResult }, pod);
    expect(json).toMatchObject({ code: 100, msg: expect.stringMatching(message) });
    await node.ok('DEL', net, pod);
  });

  test('needs prevResult, and the address in IPAM', async () => {
    const net = network();
    const pod = node.container();
    const prevResult = await node.ok('ADD', net, pod);
    expect((await node.call('CHECK', net, pod)).json).toMatchObject({ code: 7 });
    run('rm', '-r', `/var/lib/cni/networks/${String(net['name'])}`);
    expect((await node.call('CHECK', { ...net, prevResult }, pod)).json['msg']).toMatch(
      /no address is reserved/,
    );
    await node.ok('DEL', net, pod);
  });
});
