import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import { delVirtualServer, newVirtualServer } from '../../../shared/netlink/requests/ipvs.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { writeSysctl } from '../../../shared/sys/sysctl.ts';
import { formatAddress } from '../model/endpoint.ts';
import { address, endpoint } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { kernelContract } from './contract.ts';
import {
  addressOfServer,
  ipEntry,
  ipPortEntry,
  type ServerKey,
  serverKeyOf,
  virtualServerOf,
} from './keys.ts';
import { LinuxIpvs } from './linux-kernel.ts';
import { addressOperation, endpointOperation, type Operation } from './operations.ts';

describe.skipIf(!freshNetns() || !kernelHas('ipvs', 'dummy'))('Linux', () => {
  const links = Rtnetlink.open();
  const opened: LinuxIpvs[] = [];
  afterAll(() => {
    for (const kernel of opened) kernel[Symbol.dispose]();
    links[Symbol.dispose]();
  });
  const make = (family: 4 | 6): LinuxIpvs => {
    const kernel = new LinuxIpvs(family, links);
    opened.push(kernel);
    return kernel;
  };
  for (const family of [4, 6] as const) kernelContract(family, () => make(family));

  test("a family leaves the other's addresses, and both what is nobody's of them", () => {
    const [four, six] = [make(4), make(6)];
    for (const kernel of [four, six]) kernel.prepare();
    four.run([addressOperation('add', ipEntry(address('10.96.0.1')))], 'rr');
    six.run([addressOperation('add', ipEntry(address('fd00:96::1')))], 'rr');
    using kernel = Ipvs.open();
    const somebody = virtualServerOf(serverKeyOf(address('192.0.2.77'), 80, 'TCP'));
    kernel.socket.request(
      newVirtualServer(kernel.family, { ...somebody, scheduler: 'rr', flags: 0, timeout: 0, prefix: 32 }),
    );
    expect(four.remove()).toEqual([]);
    expect([...six.addresses()].map(formatAddress)).toEqual(['fd00:96::1']);
    expect(six.remove()).toEqual([]);
    expect(run('ip', '-o', 'link')).not.toContain('kube-ipvs0');
    expect(kernel.virtualServers()).toMatchObject([somebody]);
    kernel.socket.request(delVirtualServer(kernel.family, somebody));
  });

  test.each(['remove', 'removeUnused'] as const)('what an earlier proxy made is taken away (%s)', (how) => {
    const before = make(4);
    before.prepare();
    before.run([addressOperation('add', ipEntry(address('10.96.0.1')))], 'rr');
    const now = make(4);
    if (how === 'removeUnused') expect(now.removeUnused()).toBe(0);
    expect(now.remove()).toEqual([]);
    expect(run('ip', '-o', 'link')).not.toContain('kube-ipvs0');
  });

  test(
    'what open connections go through stays until they have ended',
    async () => {
      run('ip', 'link', 'add', 'pods', 'type', 'dummy');
      run('ip', 'link', 'set', 'pods', 'up');
      for (const one of ['10.244.1.2/32', '192.0.2.1/24']) run('ip', 'address', 'add', one, 'dev', 'pods');
      run('ip', 'route', 'add', 'default', 'via', '192.0.2.254');
      writeSysctl('net/ipv4/vs/conntrack', '1');
      // Without a rule nothing is tracked.
      run('nft', 'table ip tracking { chain output { type nat hook output priority 0; ct state new; }; }');
      using listener = Bun.listen({
        hostname: '10.244.1.2',
        port: 8080,
        socket: { data: (socket, bytes) => void socket.write(bytes) },
      });
      const [web, other] = ['10.96.0.10', '10.96.0.11'].map((ip) => serverKeyOf(address(ip), 80, 'TCP')) as [
        ServerKey,
        ServerKey,
      ];
      const four = make(4);
      four.prepare();
      four.run(
        [web, other].flatMap((key): Operation[] => [
          { on: 'server', verb: 'add', key, server: { flags: 0, timeout: 0, endpoints: [] } },
          endpointOperation('add', key, endpoint('10.244.1.2:8080'), 1),
          { on: 'entry', verb: 'add', set: 'clusterIp', key: ipPortEntry(key) },
          addressOperation('add', ipEntry(addressOfServer(key))),
        ]),
        'rr',
      );
      const socket = createConnection({ host: '10.96.0.10', port: 80 });
      await once(socket, 'connect');
      const says = async (): Promise<string> => {
        const answer = once(socket, 'data');
        socket.write('there?');
        return String((await answer)[0]);
      };
      expect(await says()).toBe('there?');
      expect(socket.localAddress).toBe('10.96.0.10');
      for (let times = 0; times < 3; times += 1) {
        // The virtual server, and its address.
        expect(four.removeUnused()).toBe(2);
        expect(four.servers().has(web)).toBe(true);
        expect(four.servers().has(other)).toBe(false);
        expect([...four.addresses()].map(formatAddress)).toEqual(['10.96.0.10']);
        expect(await says()).toBe('there?');
      }
      // What the node opens now does not need the address.
      const late = createConnection({ host: '10.96.0.10', port: 80 });
      await once(late, 'connect');
      expect(late.localAddress).toBe('192.0.2.1');
      late.resetAndDestroy();
      socket.resetAndDestroy();
      await until('the end', () => four.removeUnused() === 0, 60_000 * slowness);
      expect(four.addresses().size).toBe(0);
      expect(run('ip', 'route', 'show', 'table', 'local')).not.toContain('10.96.0.10');
      expect(four.remove()).toEqual([]);
      listener.stop(true);
      for (const command of [
        ['ip', 'link', 'delete', 'pods'],
        ['nft', 'delete', 'table', 'ip', 'tracking'],
      ])
        run(...(command as [string, ...string[]]));
    },
    120_000 * slowness,
  );

  test("the node's addresses are all but the device's and loopback ones", () => {
    const four = make(4);
    four.prepare();
    four.run([addressOperation('add', ipEntry(address('10.96.0.1')))], 'rr');
    run('ip', 'link', 'add', 'eth0', 'type', 'dummy');
    for (const one of ['192.0.2.1/24', '169.254.7.7/16', '203.0.113.7/32'])
      run('ip', 'address', 'add', one, 'dev', 'eth0');
    run('ip', 'address', 'add', '127.0.0.9/32', 'dev', 'lo');
    expect(four.nodeAddresses().map(formatAddress).sort()).toEqual(
      ['169.254.7.7', '192.0.2.1', '203.0.113.7'].toSorted(),
    );
    four.remove();
  });
});
