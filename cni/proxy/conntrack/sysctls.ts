/** The kernel parameters of connection tracking, as kube-proxy sets them (pkg/proxy/conntrack). */

import type { Logger } from '../../../shared/log/logger.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { overwriteFile, readTextIfExists } from '../../../shared/sys/file.ts';
import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';
import type { Configuration } from '../config/configuration.ts';

const MAX = 'net/netfilter/nf_conntrack_max';
/** Entries a bucket of the kernel's table: kube-proxy's choice. */
const BUCKET = 4;
/** On machines with very many processors (kube-proxy 1.36): an entry may take 320 bytes. `min` may ask for more. */
const MOST = 1 << 20;
const HASH_SIZE = '/sys/module/nf_conntrack/parameters/hashsize';

/** One parameter and the value that it is to have. */
export type Parameter = readonly [key: string, value: number];

/** Which parameters a configuration asks for; 0 leaves one as it is. Pure. @param cores processors of the node */
export function conntrackParameters(conntrack: Configuration['conntrack'], cores: number): Parameter[] {
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  const scaled = Math.min(conntrack.maxPerCore * cores, MOST);
  const most = conntrack.maxPerCore > 0 ? Math.max(scaled, conntrack.min) : 0;
  const parameters: Parameter[] = [
    [MAX, most],
    ['net/netfilter/nf_conntrack_tcp_timeout_established', seconds(conntrack.tcpEstablishedTimeout)],
    ['net/netfilter/nf_conntrack_tcp_timeout_close_wait', seconds(conntrack.tcpCloseWaitTimeout)],
    ['net/netfilter/nf_conntrack_tcp_be_liberal', conntrack.tcpBeLiberal ? 1 : 0],
    ['net/netfilter/nf_conntrack_udp_timeout', seconds(conntrack.udpTimeout)],
    ['net/netfilter/nf_conntrack_udp_timeout_stream', seconds(conntrack.udpStreamTimeout)],
  ];
  return parameters.filter(([, value]) => value > 0);
}

/**
 * Sets them. What cannot be set (a container's read-only /proc/sys, a network namespace that is not the host's) is told, and
 * nothing waits for it. A greater number of connections stays: whoever set it has so many.
 *
 * @param directory /proc/sys, or where the host's is mounted
 * @returns how many were changed
 */
export function setConntrack(
  parameters: readonly Parameter[],
  log: Logger,
  directory: string = '/proc/sys',
  hashSize: string = HASH_SIZE,
): number {
  let changed = 0;
  for (const [key, value] of parameters) {
    try {
      const now = readSysctl(key, directory);
      if (now === undefined) log.warn('the kernel has no such parameter (is nf_conntrack loaded?)', { key });
      else if (key === MAX ? Number(now) < value : Number(now) !== value) {
        writeSysctl(key, String(value), directory);
        log.info('kernel parameter set', { key, from: now, to: value });
        changed += 1;
      }
      if (key === MAX && now !== undefined) growTable(Math.floor(value / BUCKET), hashSize, log);
    } catch (error) {
      const advice = isErrno(error, 'EROFS', 'EACCES', 'EPERM')
        ? "run once with --init-only and full privileges, or mount the host's /proc/sys and name it by --proc-sys"
        : undefined;
      log.warn('a kernel parameter cannot be set and stays as it is', { key, value, error, advice });
    }
  }
  return changed;
}

/** Only the initial network namespace may write it, and a container's /sys is read-only. */
function growTable(buckets: number, path: string, log: Logger): void {
  const now = readTextIfExists(path);
  if (now === undefined || Number(now) >= buckets) return;
  try {
    overwriteFile(path, String(buckets));
  } catch (error) {
    log.warn('the table of connections keeps its number of buckets', {
      path,
      now: now.trim(),
      buckets,
      error,
    });
  }
}
