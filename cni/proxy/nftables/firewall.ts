/** Service ports with source ranges (loadBalancerSourceRanges): a set of networks each, asked before translation. Pure. */

import { type Cidr, containsCidr, firstIp, lastIp, networkOf } from '../../../shared/ip/cidr.ts';
import { ipToBytes } from '../../../shared/ip/ip.ts';
import { inSet } from '../../../shared/nftables/build/lookup.ts';
import { drop, returns } from '../../../shared/nftables/build/statement.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import type { ServicePort } from '../model/service-port.ts';

import { type ChainSpec, ruleOf } from './chain-spec.ts';
import type { Layout } from './layout.ts';
import { firewallChain, sourcesOf } from './object-names.ts';

export interface Firewall {
  readonly set: NftSet;
  readonly ranges: readonly Element[];
  readonly chain: ChainSpec;
}

/** @returns undefined where everybody may */
export function firewallOf(layout: Layout, port: ServicePort): Firewall | undefined {
  if (port.sourceRanges === undefined || !port.frontends.some(({ kind }) => kind === 'load-balancer'))
    return undefined;
  const name = sourcesOf(port.name);
  return {
    set: {
      kind: 'set',
      family: layout.table.family,
      table: layout.table.name,
      name,
      key: [layout.addressType],
      interval: true,
    },
    ranges: rangesOf(port.sourceRanges),
    chain: {
      name: firewallChain(port.name),
      rules: [ruleOf(layout, [inSet(layout.saddr, name), returns()]), ruleOf(layout, [drop()])],
    },
  };
}

/** The networks as elements: none within another, which the kernel would refuse. In the order of their addresses. */
function rangesOf(cidrs: readonly Cidr[]): Element[] {
  const networks = cidrs.map(networkOf).sort((a, b) => {
    if (a.ip.value !== b.ip.value) return a.ip.value < b.ip.value ? -1 : 1;
    return a.prefix - b.prefix;
  });
  const kept: Cidr[] = [];
  for (const network of networks) {
    const last = kept.at(-1);
    if (last === undefined || !containsCidr(last, network)) kept.push(network);
  }
  return kept.map((network) => {
    const [key, keyEnd] = [ipToBytes(firstIp(network)), ipToBytes(lastIp(network))];
    return firstIp(network).value === lastIp(network).value ? { key } : { key, keyEnd };
  });
}

export function sameRanges(a: readonly Element[], b: readonly Element[]): boolean {
  const text = (ranges: readonly Element[]): string =>
    ranges.map(({ key, keyEnd }) => `${key.toHex()}-${(keyEnd ?? key).toHex()}`).join();
  return text(a) === text(b);
}
