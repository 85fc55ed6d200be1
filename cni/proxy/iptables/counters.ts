/** Packets that rules count by name (nfacct): kube-proxy's counters, which its metrics tell (pkg/proxy/metrics). Pure. */

import type { RuleText, SavedTable } from './tables.ts';

/** What is counted, and the names in the kernel. */
export const COUNTERS = {
  invalid: 'ct_state_invalid_dropped_pkts',
  loopback: 'localhost_nps_accepted_pkts',
} as const;

export type Counted = keyof typeof COUNTERS;

export interface CountSettings {
  /** What the kernel counts; empty where it does not know such counters. */
  readonly counts: ReadonlySet<Counted>;
}

/** Two spaces, as the match prints itself (libxt_nfacct). */
export function count(what: Counted): RuleText {
  return `-m nfacct --nfacct-name  ${COUNTERS[what]}`;
}

/** Whether some rule counts already, so that the program and the kernel know how. */
export function counts(saved: ReadonlyMap<string, SavedTable>): boolean {
  const chains = [...(saved.get('filter')?.values() ?? []), ...(saved.get('nat')?.values() ?? [])];
  return chains.some((rules) => rules.some((rule) => rule.includes('-m nfacct ')));
}
