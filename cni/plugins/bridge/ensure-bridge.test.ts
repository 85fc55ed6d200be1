import { afterEach, describe, expect, test, vi } from 'vitest';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { addressesOf, link, network } from '../testing/bridge.ts';
import type { Container, Json } from '../testing/node.ts';
import { ipJson, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => {
  vi.restoreAllMocks();
  node?.reset();
});

/** An ADD whose process gets to send so many times and then no more, as one that was killed. */
async function addKilledAfter(sends: number, net: Json, pod: Container): Promise<boolean> {
  const { transact } = NetlinkSocket.prototype;
  let left = sends;
  const spy = vi.spyOn(NetlinkSocket.prototype, 'transact').mockImplementation(function (
    this: NetlinkSocket,
    requests,
  ) {
    if (left-- <= 0) throw new Error('killed');
    return transact.call(this, requests);
  });
  const { code } = await node.call('ADD', net, pod);
  spy.mockRestore();
  return code !== 0;
}

describe.skipIf(!node)('an ADD that is killed at any send', () => {
  test('leaves a bridge that the next one makes right: one address, a MAC address that stays', async () => {
    let wasKilled = true;
    for (let sends = 0; wasKilled; sends++) {
      expect(sends).toBeLessThan(20);
      const old = network({ isGateway: true, forceAddress: true });
      const name = String(old['bridge']);
      const subnet = `10.230.${sends}.0/24`;
      const net: Json = { ...old, ipam: { type: 'host-local', ranges: [[{ subnet }]] } };
      // As an administrator leaves it: the kernel chooses its MAC address, and changes it with each port.
      run('ip', 'link', 'add', name, 'type', 'bridge');
      run('ip', 'address', 'add', '10.99.0.1/24', 'dev', name);
      const [first, second] = [node.container(), node.container()];
      wasKilled = await addKilledAfter(sends, net, first);
      await node.ok('DEL', net, first);
      await node.ok('ADD', net, second);
      const addresses = addressesOf(ipJson('address', 'show', name));
      expect(addresses).toMatchObject([{ local: `10.230.${sends}.1`, prefixlen: 24 }]);
      const mac = link(name)['address'];
      run('ip', 'link', 'add', 'low', 'address', '02:00:00:00:00:01', 'type', 'veth');
      run('ip', 'link', 'set', 'low', 'master', name);
      expect(link(name)['address']).toBe(mac);
      run('ip', 'link', 'delete', 'low');
      await node.ok('DEL', net, second);
      run('ip', 'link', 'delete', name);
    }
  });
});
