/** A service port as chains of its own and as its rules in the chains that all share. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { ModeSettings } from '../mode.ts';
import { addressOf, type Endpoint, formatEndpoint } from '../model/endpoint.ts';
import { type Frontend, type ServicePort, treatmentOf } from '../model/service-port.ts';
import { type CountSettings, count } from './counters.ts';
import { chainsOf, endpointChain, type PortChains } from './names.ts';
import type { RuleText, SharedRule } from './tables.ts';
import {
  chance,
  comment,
  fromPods,
  host,
  jump,
  markOf,
  network,
  protocol,
  reject,
  remembered,
  rule,
  toPort,
} from './words.ts';

export interface PortRules {
  readonly shared: readonly SharedRule[];
  /** In the nat table. */
  readonly chains: ReadonlyMap<string, readonly RuleText[]>;
}

export interface PlanSettings extends ModeSettings, CountSettings {
  /** Whether rules of endpoints say whose they are, which takes two fifths of a table's size. */
  readonly endpointComments: boolean;
}

const MARK = jump('KUBE-MARK-MASQ');
const FROM_NODE = '-m addrtype --src-type LOCAL';
const ON_NODE = '-m addrtype --dst-type LOCAL';

export function rulesOf(port: ServicePort, settings: PlanSettings): PortRules {
  const names = chainsOf(port);
  const shared: SharedRule[] = [];
  const chains = new Map<string, readonly RuleText[]>();
  const used = { cluster: false, local: false };
  const before: Record<'cluster' | 'local', RuleText[]> = { cluster: [], local: [] };
  for (const frontend of port.frontends) {
    const treatment = treatmentOf(port, frontend, {
      masqueradeAll: settings.masqueradeAll,
      detectsLocal: settings.localDetector.by !== 'nothing',
    });
    if (treatment.to === 'reject' || treatment.to === 'drop') {
      shared.push(refusal(port, frontend, treatment.to, settings));
      continue;
    }
    if (frontend.kind === 'cluster-ip' && treatment.to !== 'by-source') {
      used[treatment.to] = true;
      shared.push(dispatch(port, frontend, names[treatment.to]));
      before[treatment.to].push(...insideMarks(port, frontend, treatment.masquerade, settings));
      continue;
    }
    if (!chains.has(names.external))
      chains.set(names.external, externalRules(port, frontend, names, settings));
    if (treatment.to === 'by-source') {
      used.local = port.localEndpoints.length > 0;
      used.cluster ||= port.endpoints.length > 0;
      if (port.localEndpoints.length === 0) shared.push(refusal(port, frontend, 'drop', settings));
    } else used[treatment.to] = true;
    const isGuarded = frontend.kind === 'load-balancer' && port.sourceRanges !== undefined;
    shared.push(dispatch(port, frontend, isGuarded ? names.firewall : names.external));
    if (frontend.address === undefined && settings.counts.has('loopback'))
      shared.push(countLoopback(port, frontend, names.external));
    if (!isGuarded) continue;
    shared.push(guard(port, frontend, names));
    if (!chains.has(names.firewall))
      chains.set(names.firewall, firewallRules(port, port.sourceRanges, names));
  }
  if (port.healthCheckPort !== undefined) shared.push(healthCheck(port.name, port.healthCheckPort));
  /** Endpoints that are reached, and their chains. */
  const reached = new Map<Endpoint, string>();
  for (const to of ['cluster', 'local'] as const) {
    if (!used[to]) continue;
    const endpoints = to === 'cluster' ? port.endpoints : port.localEndpoints;
    for (const endpoint of endpoints)
      if (!reached.has(endpoint)) reached.set(endpoint, endpointChain(port, endpoint));
    chains.set(names[to], [...before[to], ...choice(port, endpoints, reached, settings)]);
  }
  for (const [endpoint, chain] of reached) chains.set(chain, translation(port, endpoint, chain, settings));
  return { shared, chains };
}

const KIND_COMMENT = {
  'cluster-ip': ' cluster IP',
  'external-ip': ' external IP',
  'load-balancer': ' loadbalancer IP',
  'node-port': '',
} as const;

/** Which packets are a frontend's; in nat a node port's chain is asked for the node's addresses only. */
function matches({ protocol: name }: ServicePort, frontend: Frontend, text: string, more = ''): RuleText {
  return rule(
    frontend.address === undefined ? '' : host('-d', frontend.address),
    protocol(name),
    comment(text),
    more,
    toPort(name, frontend.port),
  );
}

function dispatch(port: ServicePort, frontend: Frontend, chain: string): SharedRule {
  return {
    table: 'nat',
    chain: frontend.address === undefined ? 'KUBE-NODEPORTS' : 'KUBE-SERVICES',
    rule: rule(matches(port, frontend, port.name + KIND_COMMENT[frontend.kind]), jump(chain)),
  };
}

/** Leads where the rule of the node port does, which it comes before: a rule that comes last is put first, or is sorted so. */
function countLoopback(port: ServicePort, frontend: Frontend, chain: string): SharedRule {
  return {
    table: 'nat',
    chain: 'KUBE-NODEPORTS',
    rule: rule('-d 127.0.0.0/8', matches(port, frontend, port.name), count('loopback'), jump(chain)),
  };
}

function refusal(
  port: ServicePort,
  frontend: Frontend,
  how: 'reject' | 'drop',
  { family }: PlanSettings,
): SharedRule {
  const why = `${port.name} has no ${how === 'reject' ? '' : 'local '}endpoints`;
  return {
    table: 'filter',
    chain: frontend.kind === 'cluster-ip' ? 'KUBE-SERVICES' : 'KUBE-EXTERNAL-SERVICES',
    rule: rule(
      matches(port, frontend, why, frontend.address === undefined ? ON_NODE : ''),
      how === 'reject' ? reject(family) : jump('DROP'),
    ),
  };
}

/** What the firewall's chain let pass untranslated still has the address of the load balancer, and ends here. */
function guard(port: ServicePort, frontend: Frontend, { firewall }: PortChains): SharedRule {
  return {
    table: 'filter',
    chain: 'KUBE-PROXY-FIREWALL',
    rule: rule(matches(port, frontend, `${port.name} traffic not accepted by ${firewall}`), jump('DROP')),
  };
}

/** Whoever else drops what comes in: load balancers may ask this node. */
function healthCheck(name: string, port: number): SharedRule {
  const about = comment(`${name} health check node port`);
  return {
    table: 'filter',
    chain: 'KUBE-NODEPORTS',
    rule: rule(protocol('TCP'), about, toPort('TCP', port), jump('ACCEPT')),
  };
}

/** Marks for masquerading what comes to a cluster IP. */
function insideMarks(
  port: ServicePort,
  frontend: Frontend,
  masquerade: 'never' | 'from-outside' | 'always',
  settings: PlanSettings,
): RuleText[] {
  if (masquerade === 'never') return [];
  const marked = (source: string, iface: string): RuleText => {
    const address = frontend.address === undefined ? '' : host('-d', frontend.address);
    const about = comment(`${port.name} cluster IP`);
    return rule(
      source,
      address,
      iface,
      protocol(port.protocol),
      about,
      toPort(port.protocol, frontend.port),
      MARK,
    );
  };
  if (masquerade === 'always') return [marked('', '')];
  const { localDetector } = settings;
  if (localDetector.by !== 'source') return [marked('', `! ${fromPods(localDetector)[0] ?? ''}`)];
  const [only, ...others] = localDetector.networks;
  if (only !== undefined && others.length === 0) return [marked(network('! -s', only), '')];
  // Outside all networks: marked, then the mark is taken back of what comes from one of them.
  const mark = markOf(settings);
  const back = localDetector.networks.map((one) =>
    marked(network('-s', one), '').replace(MARK, `-j MARK --set-xmark 0x0/${mark}`),
  );
  return [marked('', ''), ...back];
}

function externalRules(
  port: ServicePort,
  { policy }: Frontend,
  names: PortChains,
  { localDetector }: PlanSettings,
): RuleText[] {
  const what = `${port.name} external destinations`;
  if (policy === 'cluster')
    return [rule(comment(`masquerade traffic for ${what}`), MARK), jump(names.cluster)];
  const rules: RuleText[] = [];
  if (port.endpoints.length > 0) {
    for (const source of fromPods(localDetector))
      rules.push(rule(source, comment(`pod traffic for ${what}`), jump(names.cluster)));
    rules.push(rule(comment(`masquerade LOCAL traffic for ${what}`), FROM_NODE, MARK));
    rules.push(rule(comment(`route LOCAL traffic for ${what}`), FROM_NODE, jump(names.cluster)));
  }
  if (port.localEndpoints.length > 0) rules.push(jump(names.local));
  return rules;
}

function firewallRules(
  port: ServicePort,
  ranges: readonly Cidr[] | undefined,
  { external }: PortChains,
): RuleText[] {
  const about = comment(`${port.name} loadbalancer IP`);
  return [
    ...(ranges ?? []).map((range) => rule(network('-s', range), about, jump(external))),
    comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`),
  ];
}

/** First who was here before, then each of those left with the chance that makes all equal. */
function choice(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  reached: ReadonlyMap<Endpoint, string>,
  settings: PlanSettings,
): RuleText[] {
  const about = (endpoint: Endpoint): string =>
    settings.endpointComments ? comment(`${port.name} -> ${formatEndpoint(endpoint)}`) : '';
  const chains = endpoints.map((endpoint) => [endpoint, reached.get(endpoint) ?? ''] as const);
  const rules: RuleText[] = [];
  if (port.affinity !== undefined)
    for (const [endpoint, chain] of chains)
      rules.push(rule(about(endpoint), remembered(chain, settings.family, port.affinity), jump(chain)));
  for (const [index, [endpoint, chain]] of chains.entries()) {
    const left = chains.length - index;
    rules.push(rule(about(endpoint), left > 1 ? chance(left) : '', jump(chain)));
  }
  return rules;
}

function translation(
  port: ServicePort,
  endpoint: Endpoint,
  chain: string,
  settings: PlanSettings,
): RuleText[] {
  const about = settings.endpointComments ? comment(port.name) : '';
  const name = port.protocol.toLowerCase();
  return [
    rule(host('-s', addressOf(endpoint)), about, MARK),
    rule(
      protocol(port.protocol),
      about,
      port.affinity === undefined ? '' : remembered(chain, settings.family),
      `-m ${name} -j DNAT --to-destination ${formatEndpoint(endpoint)}`,
    ),
  ];
}
