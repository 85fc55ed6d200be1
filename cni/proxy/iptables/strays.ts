/**
 * What another mode left in the tables of a mode that writes them with iptables, kube-proxy's or ours: they have chains in
 * common, and who begins takes them over. Pure.
 */

import type { Hook } from './fixed-rules.ts';
import { isKubeProxyChain } from './names.ts';
import type { SavedTable, TableText } from './tables.ts';

/** Chains that the kernel has and that all write to. */
const BUILT_IN = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);

/** What jumps of kube-proxy's modes say about themselves, whatever their release. */
const HOOK = /--comment "kube(?:rnetes|-proxy) /;

/**
 * Takes away chains of kube-proxy's modes that are not among `wanted`, with what leads to them, and what leads to those that
 * are in another way than by `hooks`.
 */
export function removeStrays(
  text: TableText,
  held: SavedTable,
  isWanted: (chain: string) => boolean,
  hooks: readonly Hook[],
): void {
  const kept = new Set<string>();
  for (const [name, rules] of held) {
    if (isKubeProxyChain(name)) continue;
    for (const rule of rules) {
      const target = targetOf(rule);
      if (!isKubeProxyChain(target)) continue;
      if (hooks.some((one) => one.chain === name && one.rule === rule)) continue;
      if (BUILT_IN.has(name) && HOOK.test(rule)) text.remove(name, rule);
      else kept.add(target);
    }
  }
  for (const [name, rules] of held) {
    if (!isKubeProxyChain(name) || isWanted(name)) continue;
    if (!kept.has(name)) text.delete(name);
    // A chain that somebody else uses cannot go, but what it leads to can.
    else if (rules.length > 0) text.write(name, []);
  }
}

export function targetOf(rule: string): string {
  return /(?:^| )-[jg] (\S+)/.exec(rule)?.[1] ?? '';
}
