/**
 * What kube-proxy leaves when it ends, in each of its modes: it would go on translating to endpoints that are gone, wherever it
 * is asked before our tables. It goes once ours are in, and kube-proxy is not running.
 */

import { systemClock } from '../../../shared/daemon/clock.ts';
import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { IpSets } from '../../../shared/netlink/ipset.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { Transaction } from '../../../shared/nftables/transaction.ts';
import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';
import { PacketCounters } from '../iptables/packet-counters.ts';
import { LinuxIpvs } from '../ipvs/linux-kernel.ts';
import { DEVICE, setNameOf } from '../ipvs/names.ts';
import { OpenConnections, removeUnused } from '../ipvs/remove-all.ts';
import { removalOf } from './iptables-plan.ts';

/** pkg/proxy/nftables. */
const TABLE = 'kube-proxy';

const PATH = (process.env['PATH'] || '/usr/sbin:/usr/bin:/sbin:/bin').split(':');

/**
 * Removes it. What cannot be removed is told, with what to do.
 *
 * @param options.keep tables of iptables in which its chains are ours by now
 * @param options.keepIpvs its virtual servers, sets and device are ours by now
 * @returns what was removed, for people, and how many things could not be
 */
export async function removeKubeProxyRules(
  log: Logger,
  { keep, keepIpvs }: { readonly keep?: IptablesVariant | undefined; readonly keepIpvs?: boolean } = {},
): Promise<{ readonly removed: readonly string[]; readonly failed: number }> {
  const removed: string[] = [];
  let failed = 0;
  const attempt = async (what: string, work: () => boolean | Promise<boolean>): Promise<void> => {
    try {
      if (await work()) removed.push(what);
    } catch (error) {
      failed += 1;
      if (error instanceof OpenConnections) log.info(error.message, { what });
      else
        log.warn(
          "kube-proxy's rules cannot be removed yet: if this goes on, run kube-proxy --cleanup, or reboot the node",
          {
            what,
            error,
          },
        );
    }
  };
  for (const family of ['ip', 'ip6'] as const)
    await attempt(`table ${family} ${TABLE}`, () => removeTable(family));
  for (const program of ['iptables', 'ip6tables'])
    for (const variant of ['nft', 'legacy'] as const) {
      if (variant === keep) continue;
      const name = `${program}-${variant}`;
      const save = findProgram(`${name}-save`, PATH);
      const restore = findProgram(`${name}-restore`, PATH);
      if (save && restore) await attempt(`chains of ${name}`, () => removeChains(name, save, restore));
    }
  // Where the tables are in use by our iptables mode, so are the counters.
  if (keep === undefined) await attempt('counters of packets', removeCounters);
  if (!keepIpvs) await attempt(`device ${DEVICE}`, removeIpvs);
  if (removed.length > 0) log.info("kube-proxy's rules are removed", { removed });
  return { removed, failed };
}

/** Those of nfacct, into which no rule counts any more. */
async function removeCounters(): Promise<boolean> {
  using counters = PacketCounters.open(systemClock);
  return (await counters?.remove()) ?? false;
}

function removeTable(family: 'ip' | 'ip6'): boolean {
  using kernel = KernelNftables.open();
  if (!kernel.listTables(family).some(({ name }) => name === TABLE)) return false;
  kernel.run(new Transaction().destroyTable({ family, name: TABLE }));
  return true;
}

async function removeChains(name: string, save: string, restore: string): Promise<boolean> {
  const run = async (file: string, args: readonly string[], stdin: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await runProgram({
      what: name,
      file,
      args,
      variables: {},
      stdin: new TextEncoder().encode(stdin),
    });
    if (exitCode !== 0) throw new Error(`${file} ${args.join(' ')}: exit code ${exitCode}: ${stderr.trim()}`);
    return stdout;
  };
  const removal = removalOf(await run(save, [], ''));
  if (removal === undefined) return false;
  // Somebody else's lock is waited for, as kube-proxy does.
  await run(restore, ['--noflush', ...(name.endsWith('legacy') ? ['-w', '5'] : [])], removal);
  return true;
}

/**
 * The device with services' addresses, the virtual servers that the sets name, and the sets, but for what open connections need.
 */
async function removeIpvs(): Promise<boolean> {
  using links = Rtnetlink.open();
  if (!links.linkByName(DEVICE) && !hasSets()) return false;
  const left: string[] = [];
  let inUse: OpenConnections | undefined;
  for (const family of [4, 6] as const) {
    using kernel = new LinuxIpvs(family, links);
    try {
      left.push(...(await removeUnused(kernel, systemClock)));
    } catch (error) {
      if (!(error instanceof OpenConnections)) throw error;
      inUse = error;
    }
  }
  if (inUse) throw inUse;
  if (left.length > 0) throw new Error(`rules still look into the sets ${left.join(', ')}`);
  return true;
}

function hasSets(): boolean {
  try {
    using sets = IpSets.open();
    const names = new Set(sets.names());
    return ([4, 6] as const).some((family) => names.has(setNameOf('clusterIp', family)));
  } catch {
    // A kernel without sets.
    return false;
  }
}
