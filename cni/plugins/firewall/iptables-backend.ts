/**
 * Backend iptables, each family by itself: by netlink where that is enough (iptables-nft.ts), else one look at the table
 * filter and, where something changes, one iptables-restore.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { Wanted } from './config.ts';
import { addToIptablesNft, delFromIptablesNft } from './iptables-nft.ts';
import { restoreFilter, saveFilter } from './iptables-programs.ts';
import type { FilterTable } from './iptables-rules.ts';
import { findMissing, parseFilterTable, planIptablesAdd, planIptablesDel } from './iptables-rules.ts';

/** Between look and change others may change the same; with this many that keep at it something else is wrong. */
const attempts = 10;

/** @throws CniError code 50 where the programs are missing, 5 where they fail */
export async function addByIptables(wanted: Wanted): Promise<void> {
  for (const [family, addresses] of byFamily(wanted.addresses)) {
    if (wanted.isolation === undefined && addToIptablesNft(family, addresses, wanted.adminChain)) continue;
    await change(family, (table) => planIptablesAdd(table, { ...wanted, addresses }), true);
  }
}

/** Isolates the bridge and accepts nothing: what accepts is elsewhere. @throws as addByIptables */
export async function isolateByIptables(wanted: Wanted): Promise<void> {
  for (const [family] of byFamily(wanted.addresses))
    await change(family, (table) => planIptablesAdd(table, { ...wanted, addresses: [] }), true);
}

/** A node without the programs has no rules that could be removed. */
export async function delByIptables(addresses: readonly Ip[]): Promise<void> {
  for (const [family, some] of byFamily(addresses)) {
    if (!delFromIptablesNft(family, some))
      await change(family, (table) => planIptablesDel(table, some), false);
  }
}

/**
 * @param what `isolation`: pods' addresses are accepted elsewhere
 * @throws CniError code 100 naming the rule that is missing
 */
export async function checkByIptables(wanted: Wanted, what: 'all' | 'isolation' = 'all'): Promise<void> {
  for (const [family, some] of byFamily(wanted.addresses)) {
    const table = parseFilterTable((await saveFilter(family)) ?? '');
    const missing = findMissing(table, { ...wanted, addresses: what === 'all' ? some : [] });
    if (missing !== undefined) throw checkFailed(missing);
  }
}

/** Only families that there are addresses of, as upstream does it for isolation as well. */
function byFamily(addresses: readonly Ip[]): [4 | 6, Ip[]][] {
  const families: [4 | 6, Ip[]][] = [];
  for (const family of [4, 6] as const) {
    const some: Ip[] = [];
    for (const address of addresses) if (address.family === family) some.push(address);
    if (some.length > 0) families.push([family, some]);
  }
  return families;
}

/**
 * @param settles others may have added the same between look and change, so that it looks again until nothing is missing
 * and nothing there twice: whoever ends last has seen it right
 */
async function change(
  family: 4 | 6,
  plan: (table: FilterTable) => string[],
  settles: boolean,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const lines = plan(parseFilterTable((await saveFilter(family)) ?? ''));
    if (lines.length === 0) return;
    try {
      await restoreFilter(family, lines);
      if (!settles || attempt === attempts) return;
    } catch (error) {
      if (attempt === attempts) throw error;
    }
  }
}
