/** Chains that follow from the settings alone, the base chains among them. Pure. */

import { type Cidr, overlaps, parseCidr } from '../../../shared/ip/cidr.ts';
import { daddr, saddr } from '../../../shared/nftables/build/address.ts';
import { ctState, ctStatus } from '../../../shared/nftables/build/conntrack.ts';
import { packetPriority } from '../../../shared/nftables/build/field.ts';
import { inSet, priorityFromMap, vmap } from '../../../shared/nftables/build/lookup.ts';
import {
  fibDaddrType,
  fibSaddrType,
  iifname,
  markIs,
  markOr,
  markXor,
  setPriority,
} from '../../../shared/nftables/build/match.ts';
import type { Part } from '../../../shared/nftables/build/rule.ts';
import { drop, goTo, jump, masquerade, rejectIn } from '../../../shared/nftables/build/statement.ts';
import { type BaseHook, PRIORITY } from '../../../shared/nftables/model/chain.ts';
import type { ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { type ChainSpec, type RuleSpec, ruleOf } from './chain-spec.ts';
import type { Layout } from './layout.ts';

/**
 * Filters before translation see the addresses that clients used; those at 10 more see what was not translated. Between
 * other programs' chains nothing is lost: an accept here ends only this table's chain.
 */
const BEFORE = PRIORITY.dstnat - 10;
const AFTER = PRIORITY.dstnat + 10;

export function staticChains(layout: Layout, settings: ModeSettings): ChainSpec[] {
  const rule = (...parts: Part[]): RuleSpec => ruleOf(layout, parts);
  const chain = (name: string, rules: readonly RuleSpec[], base?: BaseHook): ChainSpec => ({
    name,
    rules,
    ...(base && { base: { ...base, policy: 'accept' } }),
  });
  const isNew = ctState('new');
  const { frontend, nodePort } = layout;
  const refuse = rejectIn(layout.table.family);
  const bit = markBit(settings);

  const firewall = rule(isNew, vmap(frontend, 'firewall'));
  const services = [
    rule(priorityFromMap(frontend, 'frontends')),
    rule(vmap(packetPriority, 'treatments')),
    ...toNodePorts(settings).map((parts) => rule(...parts, goTo('services-node-ports'))),
  ];
  return [
    chain('services', services),
    chain('services-node-ports', [
      rule(priorityFromMap(nodePort, 'node-ports')),
      rule(vmap(packetPriority, 'node-port-treatments')),
    ]),
    // externalTrafficPolicy Local, for who is neither a pod nor the node: the second look-up.
    chain('local', localRules(rule, priorityFromMap(frontend, 'local-frontends'))),
    chain('local-node-ports', localRules(rule, priorityFromMap(nodePort, 'local-node-ports'))),
    chain('no-endpoints', [
      rule(inSet(frontend, 'dropped'), drop()),
      rule(inSet(frontend, 'rejected'), refuse),
    ]),
    chain('no-endpoints-node-ports', [
      rule(inSet(nodePort, 'dropped-node-ports'), drop()),
      rule(inSet(nodePort, 'rejected-node-ports'), refuse),
    ]),
    chain('cluster-ips', [
      rule(inSet(layout.daddr, 'cluster-ips'), refuse),
      ...settings.serviceCidrs.map((cidr) => rule(daddr(cidr), drop())),
    ]),
    chain('masquerading', [rule(markXor(bit)), rule(masquerade('fully-random'))]),

    chain('filter-prerouting', [firewall], { type: 'filter', hook: 'prerouting', priority: BEFORE }),
    chain(
      'filter-input',
      [
        rule(isNew, jump('no-endpoints')),
        ...toNodePorts(settings).map((parts) => rule(isNew, ...parts, jump('no-endpoints-node-ports'))),
      ],
      { type: 'filter', hook: 'input', priority: BEFORE },
    ),
    chain('filter-forward', [rule(isNew, jump('no-endpoints')), rule(isNew, jump('cluster-ips'))], {
      type: 'filter',
      hook: 'forward',
      priority: BEFORE,
    }),
    chain('filter-output', [firewall, rule(isNew, jump('no-endpoints'))], {
      type: 'filter',
      hook: 'output',
      priority: BEFORE,
    }),
    chain('filter-output-untranslated', [rule(isNew, jump('cluster-ips'))], {
      type: 'filter',
      hook: 'output',
      priority: AFTER,
    }),
    chain('nat-prerouting', [rule(jump('services'))], {
      type: 'nat',
      hook: 'prerouting',
      priority: PRIORITY.dstnat,
    }),
    chain('nat-output', [rule(jump('services'))], { type: 'nat', hook: 'output', priority: PRIORITY.dstnat }),
    chain(
      'nat-postrouting',
      [
        rule(markIs(bit, bit), goTo('masquerading')),
        // A pod that reaches itself through a service must see another source than itself.
        rule(ctStatus('dnat'), inSet([layout.saddr, layout.daddr], 'hairpin'), masquerade('fully-random')),
      ],
      { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
    ),
  ];
}

/** No local endpoint: silence. The priority is cleared before the look-up, as what led here is still in it. */
function localRules(rule: (...parts: Part[]) => RuleSpec, lookUp: Part): RuleSpec[] {
  return [rule(setPriority(0)), rule(lookUp), rule(vmap(packetPriority, 'local-treatments')), rule(drop())];
}

/** The mark's bit as a number that keeps its sign out. */
export function markBit({ masqueradeBit }: ModeSettings): number {
  return (1 << masqueradeBit) >>> 0;
}

/** `meta mark set meta mark | bit`: postrouting will masquerade. */
export function markForMasquerade(settings: ModeSettings): Part {
  return markOr(markBit(settings));
}

/** Each of these conditions, all of its parts together, tells packets from this node's pods. */
export function fromLocalPods({ localDetector }: ModeSettings): Part[][] {
  switch (localDetector.by) {
    case 'nothing':
      return [];
    case 'source':
      return localDetector.networks.map((network) => [saddr(network)]);
    case 'bridge':
      return [[iifname(localDetector.name)]];
    case 'interface-prefix':
      return [[iifname(`${localDetector.prefix}*`)]];
    default:
      return localDetector satisfies never;
  }
}

export function fromThisNode(): Part {
  return fibSaddrType('local');
}

/** RFC 1122, RFC 4291: what is sent there never leaves the node, nor could it be answered after translation. */
const LOOPBACK: Readonly<Record<Family, Cidr>> = {
  4: parseCidr('127.0.0.0/8') as Cidr,
  6: parseCidr('::1/128') as Cidr,
};

/** Each of these conditions tells packets to an address on which node ports are served. */
function toNodePorts({ family, nodePortAddresses }: ModeSettings): Part[][] {
  const loopback = LOOPBACK[family];
  const notLoopback = daddr(family === 6 ? loopback.ip : loopback, '!=');
  if (nodePortAddresses === 'all') return [[fibDaddrType('local'), notLoopback]];
  return nodePortAddresses.map((cidr) => [
    daddr(cidr),
    ...(overlaps(cidr, loopback) ? [notLoopback] : []),
    fibDaddrType('local'),
  ]);
}
