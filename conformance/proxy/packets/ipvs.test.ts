import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needTables } from '../../../cni/proxy/iptables/kernel-tables.ts';
import { Machine } from '../../../cni/proxy/iptables/machine.ts';
import { IpvsMode } from '../../../cni/proxy/ipvs/ipvs-mode.ts';
import { LinuxIpvs } from '../../../cni/proxy/ipvs/linux-kernel.ts';
import { prepareIpvs } from '../../../cni/proxy/ipvs/require.ts';
import type { ModeSettings } from '../../../cni/proxy/mode.ts';
import { Ports } from '../../../cni/proxy/testing/ports.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { kernelHas } from '../../testing/kernel-features.ts';
import { freshNetns } from '../../testing/netns.ts';
import { ADDRESSES, endpointOfServer, packedAddress, type Server } from './addresses.ts';
import { Cluster } from './cluster.ts';
import { realClock } from './real-clock.ts';
import { packetRows, settingsOf } from './rows.ts';

/** As kube-proxy's mode has it. */
const differs = {
  'another port of a ClusterIP is refused, an address that no Service has is silent':
    'what is no Service is left to the routes',
  'a ping of a ClusterIP is refused, one of an address that no Service has is not answered':
    'what is no Service is left to the routes',
  'with session affinity a client stays, until its endpoint goes':
    'a client is remembered for each address of a port apart',
};

const available = freshNetns() && kernelHas('ipvs', 'dummy');
const cluster = available ? new Cluster() : undefined;

describe.skipIf(!available)('packets', () => {
  const machine = new Machine();
  const links = Rtnetlink.open();
  beforeAll(() =>
    prepareIpvs(
      { scheduler: '', tcpTimeout: 0, tcpFinTimeout: 0, udpTimeout: 0, strictARP: false },
      silentLogger,
    ),
  );
  afterAll(() => {
    cluster?.[Symbol.dispose]();
    machine[Symbol.dispose]();
    links[Symbol.dispose]();
  });
  const make = (settings: ModeSettings): IpvsMode =>
    new IpvsMode(settings, {
      kernel: new LinuxIpvs(settings.family, links),
      clock: realClock,
      open: () => needTables(machine, 'nft', settings.family),
      openOther: async () => undefined,
      scheduler: 'rr',
      excluded: [],
      onTrouble: (error) => {
        throw error;
      },
    });
  packetRows(() => cluster as Cluster, { name: 'IPVS', differs, make });

  describe.each([4, 6] as const)('IPv%i', (family) => {
    const at = ADDRESSES[family];
    const [ip] = at.clusterIps;
    const [, vip] = at.externalIps;
    const web = (affinity: number | undefined, ...servers: Server[]): Ports =>
      new Ports({
        name: 'packets/web',
        service: 'packets/web',
        protocol: 'TCP',
        frontends: [
          { kind: 'cluster-ip', address: packedAddress(ip), port: 80, policy: 'cluster' },
          { kind: 'load-balancer', address: packedAddress(vip), port: 80, policy: 'cluster' },
        ],
        endpoints: servers.map((server) => endpointOfServer(at, server)),
        localEndpoints: servers
          .filter((server) => server.startsWith('local'))
          .map((server) => endpointOfServer(at, server)),
        ...(affinity !== undefined && { affinity }),
      });
    const ask = async (to: string, port = 80): Promise<string> => {
      const answer = await (cluster as Cluster).ask({ from: 'pod', to, port, protocol: 'tcp' });
      return typeof answer === 'string' ? answer : answer.by;
    };

    test('another port of a ClusterIP is refused, and so is a ping', async () => {
      using mode = make(settingsOf(family));
      await mode.replace(web(undefined, 'local1'));
      expect(await ask(ip, 81)).toBe('refused');
      expect(await cluster?.ping('pod', ip)).toBe('refused');
      expect(await cluster?.ping('node', ip)).toBe('refused');
      expect(await cluster?.ping('pod', at.servers.local1)).toBe('echo');
      await mode.cleanUp();
    });

    test('with session affinity a client stays with its endpoint, address by address, until it goes', async () => {
      using mode = make(settingsOf(family));
      await mode.replace(web(100, 'local1', 'local2', 'remote1'));
      const first = { [ip]: await ask(ip), [vip]: await ask(vip) };
      for (let again = 0; again < 8; again += 1)
        for (const to of [ip, vip]) expect(await ask(to)).toBe(first[to]);
      const left = (['local1', 'local2', 'remote1'] as const).filter((server) => server !== first[ip]);
      await mode.update(web(100, ...left), new Set(['packets/web']));
      const second = await ask(ip);
      expect(left).toContain(second);
      for (let again = 0; again < 5; again += 1) expect(await ask(ip)).toBe(second);
      await mode.cleanUp();
    });
  });
});
