/** Upstream's names in iptables. Pure. */

import { sha512 } from '../common/masquerade-rules.ts';

export const dnatChain = 'CNI-HOSTPORT-DNAT';
export const setMarkChain = 'CNI-HOSTPORT-SETMARK';
export const masqueradeChain = 'CNI-HOSTPORT-MASQ';

/** XT_EXTENSION_MAXNAMELEN − 1 of linux/netfilter/x_tables.h: what upstream fills a chain's name up to. */
const chainLength = 28;

/** The chain of a container's ports: `CNI-DN-` and the start of a hash. */
export function portsChain(network: string, containerId: string): string {
  return `CNI-DN-${sha512(network + containerId)}`.slice(0, chainLength);
}
