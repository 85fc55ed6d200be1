/** What does not depend on any service: the chains that all share, and what leads to them. Pure. */

import { type Cidr, overlaps } from '../../../shared/ip/cidr.ts';
import type { ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { type CountSettings, count } from './counters.ts';
import { isPortChain } from './names.ts';
import type { RuleText, TableName } from './tables.ts';
import { comment, jump, markOf, network, rule } from './words.ts';

/** Chains whose rules are the ports'; in nat KUBE-SERVICES ends with those of `nodePortRules`. */
export const SHARED_CHAINS = {
  filter: ['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL'],
  nat: ['KUBE-SERVICES', 'KUBE-NODEPORTS'],
} as const;

/** Empty; gone when somebody flushed the table. */
export const CANARY = 'KUBE-PROXY-CANARY';

/** Chains that kube-proxy's own cleaning removes, beside those of ports. The kubelet's stay. */
const OWN_CHAINS: Readonly<Record<TableName, readonly string[]>> = {
  filter: [...SHARED_CHAINS.filter, 'KUBE-FORWARD', CANARY],
  nat: [...SHARED_CHAINS.nat, 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', CANARY],
  mangle: [CANARY],
};

/** Whether nobody but the proxy writes a chain. */
export function isOwnChain(table: TableName, name: string): boolean {
  return OWN_CHAINS[table].includes(name) || (table === 'nat' && isPortChain(name));
}

/** A rule in a chain that is not ours alone: put first where it is missing. */
export interface Hook {
  readonly chain: string;
  readonly rule: RuleText;
}

/** 127.0.0.0/8 and ::1. */
const LOOPBACK: Readonly<Record<Family, Cidr>> = {
  4: { ip: { family: 4, value: 0x7f00_0000n }, prefix: 8 },
  6: { ip: { family: 6, value: 1n }, prefix: 128 },
};

const NEW = '-m conntrack --ctstate NEW';
const hook = (chain: string, about: string, to: string, match = ''): Hook => ({
  chain,
  rule: rule(match, comment(about), jump(to)),
});
const OUTSIDE = 'kubernetes externally-visible service portals';
const PORTALS = 'kubernetes service portals';
const GUARD = 'kubernetes load balancer firewall';

/** Each is put before those above it. */
export const HOOKS: Readonly<Record<'filter' | 'nat', readonly Hook[]>> = {
  filter: [
    hook('INPUT', OUTSIDE, 'KUBE-EXTERNAL-SERVICES', NEW),
    hook('FORWARD', OUTSIDE, 'KUBE-EXTERNAL-SERVICES', NEW),
    hook('INPUT', 'kubernetes health check service ports', 'KUBE-NODEPORTS'),
    hook('FORWARD', PORTALS, 'KUBE-SERVICES', NEW),
    hook('OUTPUT', PORTALS, 'KUBE-SERVICES', NEW),
    hook('FORWARD', 'kubernetes forwarding rules', 'KUBE-FORWARD'),
    hook('INPUT', GUARD, 'KUBE-PROXY-FIREWALL', NEW),
    hook('OUTPUT', GUARD, 'KUBE-PROXY-FIREWALL', NEW),
    hook('FORWARD', GUARD, 'KUBE-PROXY-FIREWALL', NEW),
  ],
  nat: [
    hook('OUTPUT', PORTALS, 'KUBE-SERVICES'),
    hook('PREROUTING', PORTALS, 'KUBE-SERVICES'),
    hook('POSTROUTING', 'kubernetes postrouting rules', 'KUBE-POSTROUTING'),
  ],
};

/** The kubelet's chain, which it may have made already: it gets what it lacks, and is never emptied. */
export const KUBELET_CHAIN = 'KUBE-FIREWALL';

/** Whether node ports are served on 127.0.0.1; on ::1 the kernel does not let them be. */
export function servesLoopback({
  family,
  localhostNodePorts,
  nodePortAddresses,
}: Pick<FixedSettings, 'family' | 'localhostNodePorts' | 'nodePortAddresses'>): boolean {
  if (family === 6 || !localhostNodePorts) return false;
  return nodePortAddresses === 'all' || nodePortAddresses.some((one) => overlaps(one, LOOPBACK[4]));
}

/** Node ports on 127.0.0.1 take route_localnet, which would let neighbours reach what listens there. */
export function kubeletHooks(settings: FixedSettings): readonly Hook[] {
  if (!servesLoopback(settings)) return [];
  return [
    { chain: 'INPUT', rule: jump(KUBELET_CHAIN) },
    { chain: 'OUTPUT', rule: jump(KUBELET_CHAIN) },
    {
      chain: KUBELET_CHAIN,
      rule: rule(
        '! -s 127.0.0.0/8 -d 127.0.0.0/8',
        comment('block incoming localnet connections'),
        '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
      ),
    },
  ];
}

export interface FixedSettings extends ModeSettings, CountSettings {
  /** Node ports are served on 127.0.0.1 where `nodePortAddresses` has it. */
  readonly localhostNodePorts: boolean;
  /** Packets that conntrack takes for invalid would reset connections, unless it is told to be liberal. */
  readonly dropInvalid: boolean;
}

/** Chains with rules that never change. */
export function fixedChains(
  settings: FixedSettings,
): Record<'filter' | 'nat', Map<string, readonly RuleText[]>> {
  const mark = markOf(settings);
  const forward = [
    ...(settings.dropInvalid
      ? [
          rule(
            '-m conntrack --ctstate INVALID',
            settings.counts.has('invalid') ? count('invalid') : '',
            jump('DROP'),
          ),
        ]
      : []),
    rule(comment('kubernetes forwarding rules'), `-m mark --mark ${mark}/${mark}`, jump('ACCEPT')),
    rule(
      comment('kubernetes forwarding conntrack rule'),
      '-m conntrack --ctstate RELATED,ESTABLISHED',
      jump('ACCEPT'),
    ),
  ];
  return {
    filter: new Map([
      ['KUBE-FORWARD', forward],
      [CANARY, []],
    ]),
    nat: new Map([
      [
        'KUBE-POSTROUTING',
        [
          `-m mark ! --mark ${mark}/${mark} -j RETURN`,
          `-j MARK --set-xmark ${mark}/0x0`,
          rule(comment('kubernetes service traffic requiring SNAT'), '-j MASQUERADE --random-fully'),
        ],
      ],
      ['KUBE-MARK-MASQ', [`-j MARK --set-xmark ${mark}/${mark}`]],
      [CANARY, []],
    ]),
  };
}

/** The end of nat's KUBE-SERVICES: whatever else is for this node may be for a node port. */
export function nodePortRules(settings: FixedSettings): RuleText[] {
  const { family, nodePortAddresses } = settings;
  const about = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
  const local = '-m addrtype --dst-type LOCAL';
  const loopback = LOOPBACK[family];
  const isServed = servesLoopback(settings);
  const to = (where: string): RuleText => rule(where, about, local, jump('KUBE-NODEPORTS'));
  if (nodePortAddresses === 'all') return [to(isServed ? '' : network('! -d', loopback))];
  const isExcluded = !isServed && nodePortAddresses.some((one) => overlaps(one, loopback));
  return [
    ...(isExcluded
      ? [
          rule(
            network('-d', loopback),
            comment('no kubernetes service nodeports on loopback'),
            jump('RETURN'),
          ),
        ]
      : []),
    ...nodePortAddresses.map((one) => to(network('-d', one))),
  ];
}
