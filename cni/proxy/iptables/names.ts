/**
 * Names of chains: kube-proxy's, from the same hash of the same words, so that who changes over from it or to it replaces
 * chains instead of having them twice (kube-proxy, pkg/proxy/iptables). Pure.
 */

import { type Endpoint, formatEndpoint } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';

/** RFC 4648 section 6. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Characters of the hash in a name: a chain's name may have 28 (XT_EXTENSION_MAXNAMELEN, less the end). */
const HASH_LENGTH = 16;

/** A port's own chains: by policy, for what comes to its outside addresses, and before those for source ranges. */
export interface PortChains {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
}

export function chainsOf(port: ServicePort): PortChains {
  const hash = hashOf(port.name + port.protocol.toLowerCase());
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
}

export function endpointChain(port: ServicePort, endpoint: Endpoint): string {
  return `KUBE-SEP-${hashOf(port.name + port.protocol.toLowerCase() + formatEndpoint(endpoint))}`;
}

/** Whether a chain belongs to a service or an endpoint: those that nothing wants any more are deleted. */
export function isPortChain(name: string): boolean {
  return /^KUBE-(?:SVC|SVL|EXT|FW|SEP)-/.test(name);
}

/**
 * Chains of kube-proxy's modes that use iptables (pkg/proxy/iptables, pkg/proxy/ipvs). The kubelet's are not among them, nor are
 * the two that both write (KUBE-MARK-MASQ, KUBE-MARK-DROP), which do nothing by themselves.
 */
const KUBE_PROXY =
  /^KUBE-(?:SERVICES|EXTERNAL-SERVICES|NODEPORTS|POSTROUTING|FORWARD|PROXY-FIREWALL|PROXY-CANARY|LOAD-BALANCER|NODE-PORT|SOURCE-RANGES-FIREWALL|IPVS-FILTER|IPVS-OUT-FILTER|(?:SVC|SVL|EXT|FW|XLB|SEP)-[A-Z2-7]{16})$/;

export function isKubeProxyChain(name: string): boolean {
  return KUBE_PROXY.test(name);
}

function hashOf(words: string): string {
  const digest = Bun.CryptoHasher.hash('sha256', words);
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of digest) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) {
      text += BASE32[(held >>> (bits - 5)) & 31];
      if (text.length === HASH_LENGTH) return text;
    }
    held &= (1 << bits) - 1;
  }
  return text;
}
