/** What the mode needs of the machine before it can begin, as kube-proxy looks for it and sets it. */

import { UsageError } from '../../../shared/config/usage-error.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import { delVirtualServer, newVirtualServer, setTimeouts } from '../../../shared/netlink/requests/ipvs.ts';
import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import type { Configuration } from '../config/configuration.ts';
import { PROTOCOL_NUMBER } from '../model/service-port.ts';

/** What is read of the configuration's section. Times are in milliseconds. */
export type IpvsSection = Pick<
  Configuration['ipvs'],
  'scheduler' | 'tcpTimeout' | 'tcpFinTimeout' | 'udpTimeout' | 'strictARP'
>;

/** kube-proxy's choice where none is made. */
export const STANDARD_SCHEDULER = 'rr';

const INSTEAD = 'or write "mode: nftables" (--proxy-mode=nftables)';

/**
 * An address of the network for documentation (RFC 5737), with which kube-proxy tries schedulers, too: nobody is served there.
 */
const TRIAL = { address: parseIp('198.51.100.0'), protocol: PROTOCOL_NUMBER.TCP, port: 20_000 };

/**
 * Loads IPVS and the scheduler where they are modules, and sets what holds for the whole node.
 *
 * @param procSys /proc/sys, or where the host's is mounted
 * @throws UsageError where the kernel has none
 */
export async function prepareIpvs(ipvs: IpvsSection, log: Logger, procSys?: string): Promise<void> {
  using kernel = Ipvs.open();
  if (!kernel.isThere) await loadModule();
  if (!kernel.isThere)
    throw new UsageError(
      `mode ipvs needs IPVS, which this kernel does not have (modprobe ip_vs): load it, ${INSTEAD}`,
    );
  const scheduler = ipvs.scheduler || STANDARD_SCHEDULER;
  if (!kernel.virtualServers().some((server) => server.scheduler === scheduler))
    tryScheduler(kernel, scheduler);
  const [tcp, tcpFin, udp] = [ipvs.tcpTimeout, ipvs.tcpFinTimeout, ipvs.udpTimeout].map((ms) =>
    Math.floor(ms / 1000),
  ) as [number, number, number];
  if (tcp > 0 || tcpFin > 0 || udp > 0)
    kernel.socket.request(setTimeouts(kernel.family, { tcp, tcpFin, udp }));
  for (const [key, value] of parametersOf(ipvs)) setParameter(key, value, log, procSys);
}

/** Kernel parameters (Linux, Documentation/networking/ipvs-sysctl.rst and ip-sysctl.rst). Pure. */
export function parametersOf({
  strictARP,
}: Pick<Configuration['ipvs'], 'strictARP'>): [key: string, value: string][] {
  return [
    // Connections are conntrack's as well, whose rules masquerade them.
    ['net/ipv4/vs/conntrack', '1'],
    // Connections to an endpoint that is gone end, and so does clients' memory of one that drains.
    ['net/ipv4/vs/expire_nodest_conn', '1'],
    ['net/ipv4/vs/expire_quiescent_template', '1'],
    ['net/ipv4/ip_forward', '1'],
    // Nobody but whom a request names answers for the addresses of services, which every node has.
    ...(strictARP
      ? ([
          ['net/ipv4/conf/all/arp_ignore', '1'],
          ['net/ipv4/conf/all/arp_announce', '2'],
        ] as [string, string][])
      : []),
  ];
}

function setParameter(key: string, value: string, log: Logger, procSys?: string): void {
  try {
    const now = readSysctl(key, procSys);
    if (now === value) return;
    writeSysctl(key, value, procSys);
    log.info('kernel parameter set', { key, from: now, to: value });
  } catch (error) {
    const advice =
      "run once with --init-only and full privileges, or mount the host's /proc/sys and name it by --proc-sys";
    log.warn('a kernel parameter cannot be set and stays as it is', { key, value, error, advice });
  }
}

function tryScheduler(kernel: Ipvs, scheduler: string): void {
  const { address, protocol, port } = TRIAL;
  if (!address) return;
  const key = { address, protocol, port };
  try {
    kernel.socket.request(
      newVirtualServer(kernel.family, { ...key, scheduler, flags: 0, timeout: 0, prefix: 32 }),
    );
  } catch (error) {
    if (isNetlinkError(error, 'ENOENT'))
      throw new UsageError(
        `IPVS's scheduler ${scheduler} is missing (modprobe ip_vs_${scheduler}): load it, or name another by ipvs.scheduler (--ipvs-scheduler)`,
      );
    if (!isNetlinkError(error, 'EEXIST')) throw error;
  }
  kernel.socket.request(delVirtualServer(kernel.family, key));
}

/** The kernel loads schedulers itself, but not IPVS. */
async function loadModule(): Promise<void> {
  const path = (process.env['PATH'] || '/usr/sbin:/usr/bin:/sbin:/bin').split(':');
  const file = findProgram('modprobe', path);
  if (file === undefined) return;
  // What it says is less than what is said of the missing module.
  await runProgram({ what: 'modprobe', file, args: ['ip_vs'], variables: {}, stdin: new Uint8Array() });
}
