import { expect, test } from 'vitest';
import { FakeKernel } from '../../cni/agent/kernel/fake-kernel.ts';
import { listLinks } from './collect.ts';

test('links have the kinds that ip names, and tunnels the ports that the kernel has', () => {
  const kernel = new FakeKernel();
  const { network } = kernel;
  network.addLink('eth0');
  network.addLink('flannel.1', [], { kind: { kind: 'vxlan', id: 1, port: 4789 } });
  const { index } = network.addLink('flannel-wg', [], { kind: { kind: 'other', name: 'wireguard' } });
  network.addLink('flannel.ipip', [], { kind: { kind: 'other', name: 'ipip' } });
  network.wireguard.push({ index, listenPort: 7000, peers: [] });
  expect(listLinks(kernel).map(({ name, kind, port }) => [name, kind, port])).toEqual([
    ['eth0', '', undefined],
    ['flannel.1', 'vxlan', 4789],
    ['flannel-wg', 'wireguard', 7000],
    ['flannel.ipip', 'ipip', undefined],
  ]);
});
