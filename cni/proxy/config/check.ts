/** What a configuration's values must be, as kube-proxy checks them (pkg/proxy/apis/config/validation). Pure. */

import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Configuration, SyncPeriods } from './configuration.ts';

export const MODES = ['nftables', 'iptables', 'ipvs'] as const;
export const LOCAL_MODES = ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] as const;
/** In place of networks (kube-proxy 1.31 and later). */
export const NODE_PORT_KEYWORDS = ['primary', 'localhost', 'all'] as const;
/** net/netfilter/ipvs of Linux. */
const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'sh',
  'dh',
  'sed',
  'nq',
  'mh',
  'fo',
  'ovf',
  '',
];

/** One sentence for each value that cannot be: which, what is wrong, what to write. */
export function problemsOf(configuration: Configuration): string[] {
  const { mode, iptables, ipvs, nftables, conntrack, detectLocal, detectLocalMode } = configuration;
  const problems: string[] = [];
  const expect = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(problem);
  };
  const notNegative = (name: string, value: number): void =>
    expect(value >= 0, `${name} is ${value}; write 0 or more`);
  expect(mode === '' || isOneOf(MODES, mode), `mode is "${mode}"; write ${list(MODES)}, or leave it empty`);
  // The section of a mode that is not in force may say anything (kube-proxy's rule); iptables' bit is that of ipvs, too.
  const isNftables = mode === 'nftables' || mode === '';
  for (const [name, { masqueradeBit }] of Object.entries({ iptables, ...(isNftables && { nftables }) })) {
    const isBit = Number.isInteger(masqueradeBit) && masqueradeBit >= 0 && masqueradeBit <= 31;
    expect(isBit, `${name}.masqueradeBit is ${masqueradeBit}; write 0 to 31`);
  }
  if (mode === 'iptables' || mode === '') problems.push(...periods('iptables', iptables));
  if (isNftables) problems.push(...periods('nftables', nftables));
  if (mode === 'ipvs') {
    problems.push(...periods('ipvs', ipvs));
    for (const key of ['tcpTimeout', 'tcpFinTimeout', 'udpTimeout'] as const)
      notNegative(`ipvs.${key}`, ipvs[key]);
    expect(
      SCHEDULERS.includes(ipvs.scheduler),
      `ipvs.scheduler is "${ipvs.scheduler}"; write one of ${list(SCHEDULERS.filter(Boolean))}`,
    );
    for (const text of ipvs.excludeCIDRs)
      expect(parseCidr(text) !== undefined, `ipvs.excludeCIDRs has "${text}"; write networks`);
  }
  for (const key of ['maxPerCore', 'min'] as const) notNegative(`conntrack.${key}`, conntrack[key]);
  for (const key of [
    'tcpEstablishedTimeout',
    'tcpCloseWaitTimeout',
    'udpTimeout',
    'udpStreamTimeout',
  ] as const)
    notNegative(`conntrack.${key}`, conntrack[key]);
  notNegative('clientConnection.burst', configuration.clientConnection.burst);
  const { oomScoreAdj } = configuration;
  expect(
    oomScoreAdj >= -1000 && oomScoreAdj <= 1000,
    `oomScoreAdj is ${oomScoreAdj}; write -1000 to 1000 (proc(5))`,
  );
  expect(configuration.configSyncPeriod > 0, 'configSyncPeriod must be more than 0');
  const { bindAddress } = configuration;
  expect(parseIp(bindAddress) !== undefined, `bindAddress is "${bindAddress}"; write an IP address`);
  for (const key of ['healthzBindAddress', 'metricsBindAddress'] as const) {
    const address = configuration[key];
    const isRight = address === '' || parseBind(address) !== undefined;
    expect(isRight, `${key} is "${address}"; write IP:port, such as "0.0.0.0:10256" or "[::]:10256"`);
  }
  problems.push(...clusterCidr(configuration.clusterCIDR));
  expect(
    isOneOf(LOCAL_MODES, detectLocalMode),
    `detectLocalMode is "${detectLocalMode}"; write ${list(LOCAL_MODES)}`,
  );
  expect(
    detectLocalMode !== 'BridgeInterface' || isInterface(detectLocal.bridgeInterface),
    `detectLocal.bridgeInterface is "${detectLocal.bridgeInterface}"; name the pods' bridge, such as "cni0"`,
  );
  expect(
    detectLocalMode !== 'InterfaceNamePrefix' || isInterface(detectLocal.interfaceNamePrefix),
    `detectLocal.interfaceNamePrefix is "${detectLocal.interfaceNamePrefix}"; write how the pods' interfaces begin, such as "veth"`,
  );
  for (const text of configuration.nodePortAddresses) {
    const isRight = isOneOf(NODE_PORT_KEYWORDS, text) || parseCidr(text) !== undefined;
    expect(isRight, `nodePortAddresses has "${text}"; write networks, or ${list(NODE_PORT_KEYWORDS)}`);
  }
  return problems;
}

/** `0.0.0.0:10256`, `[::]:10256`. */
export function parseBind(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || parseIp(address) === undefined || port < 1 || port > 65535) return undefined;
  return { address, port };
}

function periods(name: string, { syncPeriod, minSyncPeriod }: SyncPeriods): string[] {
  const problems: string[] = [];
  if (syncPeriod <= 0) problems.push(`${name}.syncPeriod must be more than 0`);
  if (minSyncPeriod < 0) problems.push(`${name}.minSyncPeriod must not be negative`);
  if (minSyncPeriod > syncPeriod)
    problems.push(`${name}.minSyncPeriod is longer than ${name}.syncPeriod; write a shorter one`);
  return problems;
}

function clusterCidr(text: string): string[] {
  if (text === '') return [];
  const networks = text.split(',').map((part) => parseCidr(part.trim()));
  const families = networks.map((network) => network?.ip.family);
  const isRight = !families.includes(undefined) && new Set(families).size === families.length;
  if (isRight) return [];
  return [
    `clusterCIDR is "${text}"; write the pods' network, or one of each family: "10.244.0.0/16,fd00:10:244::/56"`,
  ];
}

/** IFNAMSIZ of linux/if.h. */
function isInterface(name: string): boolean {
  return name !== '' && name.length < 16 && !/[\s/]/.test(name);
}

function isOneOf<T extends string>(all: readonly T[], text: string): text is T {
  return (all as readonly string[]).includes(text);
}

function list(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
