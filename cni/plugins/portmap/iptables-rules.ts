/**
 * Port mappings as rules of iptables: upstream 1.9.1's chains, rules and comments, as input of iptables-restore. Pure.
 *
 * A packet for an address of the node goes to CNI-HOSTPORT-DNAT, from there by its port to the container's chain, which
 * marks what has to be masqueraded and translates.
 */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { quote } from '../common/iptables/quote.ts';
import type { PortmapConfig } from './config.ts';
import { dnatChain, masqueradeChain, portsChain, setMarkChain } from './iptables-names.ts';
import { isOfFamily } from './nft-rules.ts';

/** Ports that one rule of multiport names at most (XT_MULTI_PORTS). */
const portsPerRule = 15;

/** Longest comment (XT_MAX_COMMENT_LEN − 1), and how upstream cuts one. */
const maxComment = 255;

/** What a container's rules in CNI-HOSTPORT-DNAT say of themselves. */
export function portsComment(network: string, containerId: string): string {
  const comment = `dnat name: "${network}" id: "${containerId}"`;
  return comment.length <= maxComment ? comment : `${comment.slice(0, maxComment - 2)}...`;
}

/**
 * The lines that add a pod's mappings of one family, with what is missing of the shared chains.
 *
 * @param saved the table nat as iptables-save writes it
 */
export function addLines(
  saved: string,
  config: PortmapConfig,
  network: string,
  containerId: string,
  target: Cidr,
): string[] {
  const own = portsChain(network, containerId);
  return [
    ...sharedLines(saved.split('\n'), config),
    // Made or emptied: whatever a killed ADD left in it.
    `:${own} - [0:0]`,
    ...entryLines(config, own, portsComment(network, containerId), target),
    ...translationLines(config, own, target),
  ];
}

/** -N fails where another ADD was faster: then all is read and tried again. A declaration would empty the chain. */
function sharedLines(saved: readonly string[], config: PortmapConfig): string[] {
  const lines: string[] = [];
  const has = (start: string, end = ''): boolean =>
    saved.some((line) => line.startsWith(start) && line.endsWith(end));
  const mark = `0x${(2 ** config.markMasqBit).toString(16)}`;
  if (config.snat && config.externalSetMarkChain === undefined) {
    if (!has(`:${setMarkChain} `)) lines.push(`-N ${setMarkChain}`);
    if (!has(`-A ${setMarkChain} `)) {
      const comment = '-m comment --comment "CNI portfwd masquerade mark"';
      lines.push(`-A ${setMarkChain} ${comment} -j MARK --set-xmark ${mark}/${mark}`);
    }
    if (!has(`:${masqueradeChain} `)) lines.push(`-N ${masqueradeChain}`);
    if (!has(`-A ${masqueradeChain} `)) {
      lines.push(`-A ${masqueradeChain} -m mark --mark ${mark}/${mark} -j MASQUERADE`);
    }
    // First of all: other plugins' masquerading would take the packet before.
    if (!has('-A POSTROUTING ', `-j ${masqueradeChain}`)) {
      const comment = '-m comment --comment "CNI portfwd requiring masquerade"';
      lines.push(`-I POSTROUTING 1 ${comment} -j ${masqueradeChain}`);
    }
  }
  if (!has(`:${dnatChain} `)) lines.push(`-N ${dnatChain}`);
  for (const from of ['PREROUTING', 'OUTPUT']) {
    if (!has(`-A ${from} `, `-j ${dnatChain}`))
      lines.push(`-A ${from} -m addrtype --dst-type LOCAL -j ${dnatChain}`);
  }
  return lines;
}

function entryLines(config: PortmapConfig, own: string, comment: string, { ip }: Cidr): string[] {
  const ports = new Map<string, number[]>();
  for (const mapping of config.mappings) {
    ports.set(mapping.protocol, [...(ports.get(mapping.protocol) ?? []), mapping.hostPort]);
  }
  const conditions = config.conditions[ip.family].map((word) => ` ${word}`).join('');
  return [...ports.keys()].sort().flatMap((protocol) => {
    const all = ports.get(protocol) ?? [];
    const lines: string[] = [];
    for (let at = 0; at < all.length; at += portsPerRule) {
      const some = all.slice(at, at + portsPerRule).join(',');
      const match = `-p ${protocol} -m comment --comment ${quote(comment)} -m multiport --dports ${some}`;
      lines.push(`-A ${dnatChain} ${match}${conditions} -j ${own}`);
    }
    return lines;
  });
}

function translationLines(config: PortmapConfig, own: string, target: Cidr): string[] {
  const { ip } = target;
  const mark = config.externalSetMarkChain ?? setMarkChain;
  const everywhere = ip.family === 4 ? '0.0.0.0/0' : '::/0';
  const sources = config.masqAll
    ? [everywhere]
    : [formatCidr(target), ...(ip.family === 4 ? ['127.0.0.1/32'] : [])];
  const address = ip.family === 4 ? formatIp(ip) : `[${formatIp(ip)}]`;
  return config.mappings
    .filter((mapping) => isOfFamily(mapping, ip.family))
    .flatMap(({ protocol, hostPort, containerPort, hostIp }) => {
      const to = hostIp && hostIp.value !== 0n ? ` -d ${formatIp(hostIp)}` : '';
      const match = `-p ${protocol} -m ${protocol} --dport ${hostPort}${to}`;
      const marks = config.snat ? sources.map((source) => `-A ${own} ${match} -s ${source} -j ${mark}`) : [];
      return [...marks, `-A ${own} ${match} -j DNAT --to-destination ${address}:${containerPort}`];
    });
}
