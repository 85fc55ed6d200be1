/** Names of what the mode makes: kube-proxy's (pkg/proxy/ipvs), so that who changes over takes it over. Pure. */

import type { IpSetType } from '../../../shared/netlink/codec/ipset.ts';
import type { Family } from '../model/endpoint.ts';
import type { Protocol } from '../model/service-port.ts';

/** The device that has the services' addresses: what is sent to them is for this node, where IPVS finds it. */
export const DEVICE = 'kube-ipvs0';

export type SetKey =
  | 'loopBack'
  | 'clusterIp'
  | 'externalIp'
  | 'externalIpLocal'
  | 'loadBalancer'
  | 'guarded'
  | 'loadBalancerLocal'
  | 'sourceIp'
  | 'sourceCidr'
  | 'nodePortTcp'
  | 'nodePortLocalTcp'
  | 'nodePortUdp'
  | 'nodePortLocalUdp'
  | 'nodePortSctp'
  | 'nodePortLocalSctp'
  | 'healthCheckNodePort'
  | 'addresses';

/** What each set holds, and what rules that look into it say about themselves. */
const SETS: Readonly<Record<SetKey, readonly [name: string, type: IpSetType, comment: string]>> = {
  loopBack: [
    'KUBE-LOOP-BACK',
    'hash:ip,port,ip',
    'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose',
  ],
  clusterIp: [
    'KUBE-CLUSTER-IP',
    'hash:ip,port',
    'Kubernetes service cluster ip + port for masquerade purpose',
  ],
  externalIp: [
    'KUBE-EXTERNAL-IP',
    'hash:ip,port',
    'Kubernetes service external ip + port for masquerade and filter purpose',
  ],
  externalIpLocal: [
    'KUBE-EXTERNAL-IP-LOCAL',
    'hash:ip,port',
    'Kubernetes service external ip + port with externalTrafficPolicy=local',
  ],
  loadBalancer: ['KUBE-LOAD-BALANCER', 'hash:ip,port', 'Kubernetes service lb portal'],
  guarded: [
    'KUBE-LOAD-BALANCER-FW',
    'hash:ip,port',
    'Kubernetes service load balancer ip + port for load balancer with sourceRange',
  ],
  loadBalancerLocal: [
    'KUBE-LOAD-BALANCER-LOCAL',
    'hash:ip,port',
    'Kubernetes service load balancer ip + port with externalTrafficPolicy=local',
  ],
  sourceIp: [
    'KUBE-LOAD-BALANCER-SOURCE-IP',
    'hash:ip,port,ip',
    'Kubernetes service load balancer ip + port + source IP for packet filter purpose',
  ],
  sourceCidr: [
    'KUBE-LOAD-BALANCER-SOURCE-CIDR',
    'hash:ip,port,net',
    'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  ],
  nodePortTcp: ['KUBE-NODE-PORT-TCP', 'bitmap:port', 'Kubernetes nodeport TCP port for masquerade purpose'],
  nodePortLocalTcp: [
    'KUBE-NODE-PORT-LOCAL-TCP',
    'bitmap:port',
    'Kubernetes nodeport TCP port with externalTrafficPolicy=local',
  ],
  nodePortUdp: ['KUBE-NODE-PORT-UDP', 'bitmap:port', 'Kubernetes nodeport UDP port for masquerade purpose'],
  nodePortLocalUdp: [
    'KUBE-NODE-PORT-LOCAL-UDP',
    'bitmap:port',
    'Kubernetes nodeport UDP port with externalTrafficPolicy=local',
  ],
  nodePortSctp: [
    'KUBE-NODE-PORT-SCTP-HASH',
    'hash:ip,port',
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  nodePortLocalSctp: [
    'KUBE-NODE-PORT-LOCAL-SCTP-HASH',
    'hash:ip,port',
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  healthCheckNodePort: ['KUBE-HEALTH-CHECK-NODE-PORT', 'bitmap:port', 'Kubernetes health check node port'],
  addresses: ['KUBE-IPVS-IPS', 'hash:ip', 'Addresses on the ipvs interface'],
};

export const SET_KEYS: readonly SetKey[] = Object.keys(SETS) as SetKey[];

export function setTypeOf(key: SetKey): IpSetType {
  return SETS[key][1];
}

/** What rules of kube-proxy's say about a set, as `iptables-save` prints it. */
export function setCommentOf(key: SetKey): string {
  return SETS[key][2].replaceAll("'", "\\'");
}

/** The most characters of a set's name (IPSET_MAXNAMELEN of linux/netfilter/ipset/ip_set.h, less the end). */
const NAME_LENGTH = 31;

export function setNameOf(key: SetKey, family: Family): string {
  const [name] = SETS[key];
  return family === 4 ? name : name.replace('KUBE-', 'KUBE-6-').slice(0, NAME_LENGTH);
}

export const NODE_PORTS: Readonly<Record<Protocol, { readonly all: SetKey; readonly local: SetKey }>> = {
  TCP: { all: 'nodePortTcp', local: 'nodePortLocalTcp' },
  UDP: { all: 'nodePortUdp', local: 'nodePortLocalUdp' },
  SCTP: { all: 'nodePortSctp', local: 'nodePortLocalSctp' },
};

/** Chains that this mode alone has; the others have the names of the iptables mode's. */
export const OWN_CHAINS: Readonly<Record<'filter' | 'nat', readonly string[]>> = {
  nat: ['KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER'],
  filter: ['KUBE-NODE-PORT', 'KUBE-SOURCE-RANGES-FIREWALL', 'KUBE-IPVS-FILTER', 'KUBE-IPVS-OUT-FILTER'],
};
