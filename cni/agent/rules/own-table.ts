/**
 * The agent's own nftables table: masquerading with flannel's semantics, and the acceptance of forwarding. Pure.
 *
 * Its name is neither of flanneld's (`ip flannel-ipv4`, `ip6 flannel-ipv6`), so that both can stand side by side while
 * a node changes over.
 */

import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { daddr, saddr } from '../../../shared/nftables/build/address.ts';
import { markIs } from '../../../shared/nftables/build/match.ts';
import { type Part, rule } from '../../../shared/nftables/build/rule.ts';
import { accept, masquerade, returns } from '../../../shared/nftables/build/statement.ts';
import { type BaseHook, type Chain, PRIORITY } from '../../../shared/nftables/model/chain.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { Table, TableRef } from '../../../shared/nftables/model/table.ts';

/** `table inet underpod-agent` holds everything that the agent filters and translates. */
export const OWN_TABLE: TableRef = { family: 'inet', name: 'underpod-agent' };

/**
 * The kubelet's and kube-proxy's mark for "masquerade this" (KUBE-MARK-MASQ, bit 14): whoever set it masquerades
 * itself, perhaps with another address.
 */
const KUBE_MASQUERADE = 0x4000;

/** Not to be translated: RFC 5771, RFC 4291 section 2.7. */
const MULTICAST = { 4: parseCidr('224.0.0.0/4') as Cidr, 6: parseCidr('ff00::/8') as Cidr } as const;

/** The cluster's network of one family and this node's part of it. */
export interface PodNetwork {
  readonly cluster: Cidr;
  readonly node: Cidr;
}

export interface RuleSettings {
  readonly networks: readonly PodNetwork[];
  readonly ipMasq: boolean;
  /** Source ports at random: two connections set up at once then rarely collide. */
  readonly fullyRandom: boolean;
  readonly forward: boolean;
}

/** A table as it should be. */
export interface DesiredTable {
  readonly table: Table;
  readonly chains: readonly { readonly chain: Chain; readonly rules: readonly Rule[] }[];
}

/** The table for these settings; a chain whose job is switched off is left out. */
export function ownTable(settings: RuleSettings): DesiredTable {
  const chains: { chain: Chain; rules: Rule[] }[] = [];
  if (settings.ipMasq) {
    const chain = baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat });
    const marked = rule(
      chain,
      [markIs(KUBE_MASQUERADE, KUBE_MASQUERADE), returns()],
      'whoever marked it masquerades',
    );
    const rules = settings.networks.flatMap((network) =>
      masqueradeRules(chain, network, settings.fullyRandom),
    );
    chains.push({ chain, rules: [marked, ...rules] });
  }
  if (settings.forward) {
    const chain = baseChain('forward', { type: 'filter', hook: 'forward', priority: PRIORITY.filter });
    chains.push({ chain, rules: settings.networks.flatMap((network) => forwardRules(chain, network)) });
  }
  return { table: { kind: 'table', ...OWN_TABLE }, chains };
}

function baseChain(name: string, hook: Omit<BaseHook, 'policy'>): Chain {
  return {
    kind: 'chain',
    family: OWN_TABLE.family,
    table: OWN_TABLE.name,
    name,
    base: { ...hook, policy: 'accept' },
  };
}

/** The order matters: what pods and the cluster say to each other returns before anything is translated. */
function masqueradeRules(chain: Chain, { cluster, node }: PodNetwork, fullyRandom: boolean): Rule[] {
  const translate = masquerade(...(fullyRandom ? (['fully-random'] as const) : []));
  const say = (comment: string, ...parts: Part[]): Rule => rule(chain, parts, comment);
  return [
    say('our pods to the cluster', saddr(node), daddr(cluster), returns()),
    say('the cluster to our pods', saddr(cluster), daddr(node), returns()),
    say('outside to our pods', saddr(cluster, '!='), daddr(node), returns()),
    say('pods to outside', saddr(cluster), daddr(MULTICAST[cluster.ip.family], '!='), translate),
    say('hosts to remote pods', saddr(cluster, '!='), daddr(cluster), translate),
  ];
}

function forwardRules(chain: Chain, { cluster }: PodNetwork): Rule[] {
  return [
    rule(chain, [saddr(cluster), accept()], 'from pods'),
    rule(chain, [daddr(cluster), accept()], 'to pods'),
  ];
}
