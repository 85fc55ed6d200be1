import { afterAll, describe } from 'vitest';
import { IptablesMode } from '../../../cni/proxy/iptables/iptables-mode.ts';
import { needTables } from '../../../cni/proxy/iptables/kernel-tables.ts';
import { Machine } from '../../../cni/proxy/iptables/machine.ts';
import { NO_COUNTERS, PacketCounters } from '../../../cni/proxy/iptables/packet-counters.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { writeSysctl } from '../../../shared/sys/sysctl.ts';
import { freshNetns } from '../../testing/netns.ts';
import { Cluster } from './cluster.ts';
import { packetRows } from './rows.ts';

/** As kube-proxy's chains have it. */
const differs = {
  'another port of a ClusterIP is refused, an address that no Service has is silent':
    'what is no Service is left to the routes',
  'a ping of a ClusterIP is refused, one of an address that no Service has is not answered':
    'what is no Service is left to the routes',
  'source ranges without endpoints: who may is refused, who may not hears nothing': 'all are refused',
  'session affinity, with the policies of each address':
    'a port has one chain for what comes from outside, and one policy',
};

const available = freshNetns();
const cluster = available ? new Cluster() : undefined;

describe.skipIf(!available)('packets', () => {
  const machine = new Machine();
  const counters = PacketCounters.open(systemClock);
  afterAll(() => {
    cluster?.[Symbol.dispose]();
    counters?.[Symbol.dispose]();
    machine[Symbol.dispose]();
  });
  for (const variant of ['nft', 'legacy'] as const)
    packetRows(() => cluster as Cluster, {
      name: `iptables (${variant})`,
      differs,
      make: (settings) =>
        new IptablesMode(settings, {
          dropInvalid: true,
          // The rows that choose addresses want none on the loopback.
          localhostNodePorts: settings.nodePortAddresses === 'all',
          routeLocalnet: () => writeSysctl('net/ipv4/conf/all/route_localnet', '1'),
          counters: counters ?? NO_COUNTERS,
          open: () => needTables(machine, variant, settings.family),
          openOther: async () => undefined,
        }),
    });
});
