/**
 * The rules of backend iptables: upstream 1.9.1's chains, order and comments, so that either checks and removes what
 * the other made. From what iptables-save prints to what iptables-restore is to do. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import type { Isolation, Wanted } from './config.ts';
import { podChain } from './iptables-nft-rules.ts';

/** The rules of each chain of the table filter, as iptables-save writes them after `-A CHAIN `. */
export type FilterTable = ReadonlyMap<string, readonly string[]>;

const stage1 = 'CNI-ISOLATION-STAGE-1';
const stage2 = 'CNI-ISOLATION-STAGE-2';

const toPods = '-m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD';
const toStage1 = `${policyComment('same-bridge|isolated')} -j ${stage1}`;
const returns = `${policyComment('same-bridge|isolated')} -j RETURN`;

/** Reads what `iptables-save -t filter` prints. */
export function parseFilterTable(text: string): FilterTable {
  const chains = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const end = line.indexOf(' ', 3);
    if (line.startsWith(':')) chains.set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ') && end > 0) chains.get(line.slice(3, end))?.push(line.slice(end + 1));
  }
  return chains;
}

/** What makes the table hold what is wanted, for addresses of one family: lines for iptables-restore, none if it does. */
export function planIptablesAdd(table: FilterTable, wanted: Wanted): string[] {
  const plan = new Plan(table);
  if (wanted.addresses.length > 0) {
    plan.ensureChain(podChain);
    plan.ensureChain(wanted.adminChain);
    plan.ensureFirst('FORWARD', toPods);
    plan.ensureFirst(podChain, toAdmin(wanted.adminChain));
    for (const address of wanted.addresses)
      for (const rule of podRules(address)) plan.ensureLast(podChain, rule);
  }
  if (wanted.isolation) {
    plan.ensureChain(stage1);
    plan.ensureChain(stage2);
    plan.ensureFirst('FORWARD', toStage1);
    for (const rule of stage1Rules(wanted.isolation)) plan.ensureFirst(stage1, rule);
    plan.ensureLast(stage1, returns);
    plan.ensureFirst(stage2, stage2Rule(wanted.isolation));
    plan.ensureLast(stage2, returns);
  }
  plan.ensureOrder('FORWARD', toStage1, toPods);
  return plan.lines;
}

/** What takes the addresses' rules away, each as often as it is there. Chains and isolation stay, as upstream has it. */
export function planIptablesDel(table: FilterTable, addresses: readonly Ip[]): string[] {
  const lines: string[] = [];
  const present = table.get(podChain) ?? [];
  for (const address of addresses) {
    const rules = podRules(address);
    for (const rule of present) if (rules.includes(rule)) lines.push(`-D ${podChain} ${rule}`);
  }
  return lines;
}

/** What of the wanted is missing, as a person would say it; undefined when nothing is. */
export function findMissing(table: FilterTable, wanted: Wanted): string | undefined {
  const needed: [chain: string, rule: string][] = [];
  if (wanted.addresses.length > 0) needed.push(['FORWARD', toPods], [podChain, toAdmin(wanted.adminChain)]);
  for (const address of wanted.addresses) for (const rule of podRules(address)) needed.push([podChain, rule]);
  if (wanted.isolation) {
    needed.push(['FORWARD', toStage1], [stage2, stage2Rule(wanted.isolation)]);
    for (const rule of stage1Rules(wanted.isolation)) needed.push([stage1, rule]);
  }
  const forward = table.get('FORWARD') ?? [];
  if (wanted.isolation && forward.includes(toPods) && forward.indexOf(toPods) < forward.indexOf(toStage1))
    return `the chain FORWARD has "${toPods}" before "${toStage1}", so that nothing is isolated`;
  for (const [chain, rule] of needed)
    if (!table.get(chain)?.includes(rule)) return `the chain ${chain} lacks the rule "${rule}"`;
  return undefined;
}

function toAdmin(chain: string): string {
  return `-m comment --comment "CNI firewall plugin admin overrides" -j ${chain}`;
}

function podRules(address: Ip): [string, string] {
  const host = `${formatIp(address)}/${address.family === 4 ? 32 : 128}`;
  return [`-d ${host} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`, `-s ${host} -j ACCEPT`];
}

/** In the order in which upstream puts them at the chain's head. */
function stage1Rules({ bridge, isolated }: Isolation): string[] {
  const comment = policyComment(isolated ? 'isolated' : 'same-bridge');
  const rules = [`-i ${bridge} ! -o ${bridge} ${comment} -j ${stage2}`];
  if (isolated) rules.push(`-i ${bridge} -o ${bridge} ${comment} -j DROP`);
  return rules;
}

function stage2Rule({ bridge }: Isolation): string {
  return `-o ${bridge} ${policyComment('same-bridge|isolated')} -j DROP`;
}

function policyComment(policy: string): string {
  return `-m comment --comment "CNI firewall plugin rules (ingressPolicy: ${policy})"`;
}

/** Lines for iptables-restore, given what is there. */
class Plan {
  readonly lines: string[] = [];
  readonly #table: FilterTable;

  constructor(table: FilterTable) {
    this.#table = table;
  }

  /** Fails in iptables-restore where another has just made the chain; `:CHAIN` would empty it. */
  ensureChain(chain: string): void {
    if (!this.#table.has(chain)) this.lines.push(`-N ${chain}`);
  }

  ensureFirst(chain: string, rule: string): void {
    this.#ensure('-I', chain, rule);
  }

  ensureLast(chain: string, rule: string): void {
    this.#ensure('-A', chain, rule);
  }

  /**
   * Brings a rule before another that would make it pointless: those of pods accept all that pods send, and are put at the
   * head as well when isolation is there already, by an ADD that found firewalld, which accepts without them.
   */
  ensureOrder(chain: string, first: string, second: string): void {
    const present = this.#table.get(chain) ?? [];
    // Of several the last one stays. Where it is not there, it is put at the head by now, if at all.
    const at = present.lastIndexOf(first);
    const other = present.lastIndexOf(second);
    const isLate = other < 0 ? this.lines.includes(`-I ${chain} ${second}`) : other < at;
    if (at >= 0 && isLate) this.lines.push(`-D ${chain} ${first}`, `-I ${chain} ${first}`);
  }

  /** Takes away what is there more than once: two that looked at the same time have both added it. */
  #ensure(how: '-I' | '-A', chain: string, rule: string): void {
    let count = 0;
    for (const one of this.#table.get(chain) ?? []) if (one === rule) count++;
    if (count === 0) this.lines.push(`${how} ${chain} ${rule}`);
    for (; count > 1; count--) this.lines.push(`-D ${chain} ${rule}`);
  }
}
