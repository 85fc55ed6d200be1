/**
 * The rules of iptables that go with virtual servers: as many however many services there are, since they ask the sets.
 * Shaped as kube-proxy's (pkg/proxy/ipvs, writeIptablesRules), in the form that `iptables-save` prints. Pure.
 */

import type { Hook } from '../iptables/fixed-rules.ts';
import type { RuleText } from '../iptables/tables.ts';
import { comment, fromPods, host, jump, markOf, network, protocol, reject, rule } from '../iptables/words.ts';
import type { ModeSettings } from '../mode.ts';
import { formatAddress } from '../model/endpoint.ts';
import type { Protocol } from '../model/service-port.ts';
import { addressOfServer, type ServerKey, virtualServerOf } from './keys.ts';
import { NODE_PORTS, OWN_CHAINS, type SetKey, setCommentOf, setNameOf } from './names.ts';

/** The chain whose rules are ports'. */
export const OUT_FILTER = 'KUBE-IPVS-OUT-FILTER';

const PORTALS = 'kubernetes service portals';
const FIREWALL = 'kube-proxy firewall rules';
const ACCESS = 'kubernetes ipvs access filter';
const hook = (chain: string, about: string, to: string): Hook => ({
  chain,
  rule: rule(comment(about), jump(to)),
});

/** Each is put before those above it. */
export const HOOKS: Readonly<Record<'filter' | 'nat', readonly Hook[]>> = {
  filter: [
    hook('FORWARD', 'kubernetes forwarding rules', 'KUBE-FORWARD'),
    hook('INPUT', 'kubernetes health check rules', 'KUBE-NODE-PORT'),
    hook('INPUT', FIREWALL, 'KUBE-PROXY-FIREWALL'),
    hook('FORWARD', FIREWALL, 'KUBE-PROXY-FIREWALL'),
    hook('INPUT', ACCESS, 'KUBE-IPVS-FILTER'),
    hook('OUTPUT', ACCESS, OUT_FILTER),
  ],
  nat: [
    hook('OUTPUT', PORTALS, 'KUBE-SERVICES'),
    hook('PREROUTING', PORTALS, 'KUBE-SERVICES'),
    hook('POSTROUTING', 'kubernetes postrouting rules', 'KUBE-POSTROUTING'),
  ],
};

/** All chains, most of which the iptables mode has by the same names. */
export const CHAINS: Readonly<Record<'filter' | 'nat', readonly string[]>> = {
  nat: ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', ...OWN_CHAINS.nat],
  filter: ['KUBE-FORWARD', 'KUBE-PROXY-FIREWALL', ...OWN_CHAINS.filter],
};

const MARK = jump('KUBE-MARK-MASQ');
const ACCEPT = jump('ACCEPT');
const RETURN = jump('RETURN');
const FROM_NODE = '-m addrtype --src-type LOCAL';
const TO_NODE = '-m addrtype --dst-type LOCAL';
const NEW = '-m conntrack --ctstate NEW';

/** Chains with all their rules, but for those of ports. */
export function fixedChains(
  settings: ModeSettings,
): Record<'filter' | 'nat', Map<string, readonly RuleText[]>> {
  const { family } = settings;
  // Which side of a packet is looked up is said for each part of an entry.
  const inSet = (set: SetKey, of: string): string => `-m set --match-set ${setNameOf(set, family)} ${of}`;
  const about = (set: SetKey): string => comment(setCommentOf(set));
  const mark = markOf(settings);
  return {
    nat: new Map([
      [
        'KUBE-SERVICES',
        [
          `-s ${family === 4 ? '127.0.0.0/8' : '::1/128'} -j RETURN`,
          rule(about('loadBalancer'), inSet('loadBalancer', 'dst,dst'), jump('KUBE-LOAD-BALANCER')),
          ...clusterIpMarks(settings, inSet),
          rule(about('externalIp'), inSet('externalIp', 'dst,dst'), MARK),
          rule(about('externalIp'), inSet('externalIp', 'dst,dst'), TO_NODE, ACCEPT),
          rule(about('externalIpLocal'), inSet('externalIpLocal', 'dst,dst'), FROM_NODE, MARK),
          rule(about('externalIpLocal'), inSet('externalIpLocal', 'dst,dst'), TO_NODE, ACCEPT),
          rule(TO_NODE, jump('KUBE-NODE-PORT')),
          rule(inSet('clusterIp', 'dst,dst'), ACCEPT),
          rule(inSet('loadBalancer', 'dst,dst'), ACCEPT),
        ],
      ],
      [
        'KUBE-LOAD-BALANCER',
        [
          // The node's own come from the service's address, which other nodes would answer themselves.
          rule(FROM_NODE, MARK),
          rule(about('loadBalancerLocal'), inSet('loadBalancerLocal', 'dst,dst'), RETURN),
          MARK,
        ],
      ],
      [
        'KUBE-NODE-PORT',
        Object.entries(NODE_PORTS).flatMap(([name, { all, local }]) => {
          const sides = name === 'SCTP' ? 'dst,dst' : 'dst';
          const of = protocol(name as Protocol);
          return [
            rule(of, about(local), inSet(local, sides), RETURN),
            rule(of, about(all), inSet(all, sides), MARK),
          ];
        }),
      ],
      [
        'KUBE-POSTROUTING',
        [
          rule(about('loopBack'), inSet('loopBack', 'dst,dst,src'), jump('MASQUERADE')),
          `-m mark ! --mark ${mark}/${mark} -j RETURN`,
          `-j MARK --set-xmark ${mark}/0x0`,
          rule(comment('kubernetes service traffic requiring SNAT'), '-j MASQUERADE --random-fully'),
        ],
      ],
      ['KUBE-MARK-MASQ', [`-j MARK --set-xmark ${mark}/${mark}`]],
    ]),
    filter: new Map([
      [
        'KUBE-FORWARD',
        [
          rule(comment('kubernetes forwarding rules'), `-m mark --mark ${mark}/${mark}`, ACCEPT),
          rule(
            comment('kubernetes forwarding conntrack rule'),
            '-m conntrack --ctstate RELATED,ESTABLISHED',
            ACCEPT,
          ),
        ],
      ],
      ['KUBE-NODE-PORT', [rule(about('healthCheckNodePort'), inSet('healthCheckNodePort', 'dst'), ACCEPT)]],
      [
        'KUBE-PROXY-FIREWALL',
        // Connections that are open stay open, whoever may no longer open new ones.
        [rule(NEW, about('guarded'), inSet('guarded', 'dst,dst'), jump('KUBE-SOURCE-RANGES-FIREWALL'))],
      ],
      [
        'KUBE-SOURCE-RANGES-FIREWALL',
        [
          rule(about('sourceCidr'), inSet('sourceCidr', 'dst,dst,src'), RETURN),
          rule(about('sourceIp'), inSet('sourceIp', 'dst,dst,src'), RETURN),
          jump('DROP'),
        ],
      ],
      [
        'KUBE-IPVS-FILTER',
        // What listens on the node must not be reached by a service's address.
        [
          ...(['loadBalancer', 'clusterIp', 'externalIp', 'externalIpLocal'] as const).map((set) =>
            rule(inSet(set, 'dst,dst'), RETURN),
          ),
          rule(inSet('healthCheckNodePort', 'dst'), RETURN),
          rule(NEW, inSet('addresses', 'dst'), reject(family)),
        ],
      ],
    ]),
  };
}

function clusterIpMarks(settings: ModeSettings, inSet: (set: SetKey, of: string) => string): RuleText[] {
  const about = comment(setCommentOf('clusterIp'));
  const marked = (source: string, sides = 'dst,dst', then = MARK): RuleText =>
    rule(source, about, inSet('clusterIp', sides), then);
  const { localDetector: detector, masqueradeAll } = settings;
  if (masqueradeAll) return [marked('')];
  // The node's own connections come from the service's address.
  if (detector.by === 'nothing') return [marked('', 'src,dst')];
  if (detector.by !== 'source') return [marked(`! ${fromPods(detector)[0] ?? ''}`)];
  const [only, ...others] = detector.networks;
  if (only !== undefined && others.length === 0) return [marked(network('! -s', only))];
  // Outside all networks: marked, then the mark is taken back of what comes from one of them.
  const back = `-j MARK --set-xmark 0x0/${markOf(settings)}`;
  return [marked(''), ...detector.networks.map((one) => marked(network('-s', one), 'dst,dst', back))];
}

/**
 * Keeps the node from a load balancer's address. Its own packets are translated before any filter sees them, so that only IPVS
 * can tell whither they went.
 */
export function nodeRefusal(key: ServerKey): RuleText {
  const address = addressOfServer(key);
  const { protocol: number, port } = virtualServerOf(key);
  const match = `-m ipvs --vproto ${number} --vaddr ${formatAddress(address)} --vport ${port}`;
  return rule(host('-s', address), match, jump('DROP'));
}
