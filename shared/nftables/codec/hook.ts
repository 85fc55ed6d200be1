import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { BaseHook, ChainType, Hook, Policy } from '../model/chain.ts';
import type { Family } from '../model/family.ts';
import { type Fields, NotModelled, nameOf, nested } from './fields.ts';
import { unknownOf } from './unknown.ts';

/** enum nft_hook_attributes of linux/netfilter/nf_tables.h. */
const HOOKNUM = 1;
const PRIORITY = 2;

/** NF_DROP and NF_ACCEPT of linux/netfilter.h. */
export const POLICIES: Readonly<Record<Policy, number>> = { drop: 0, accept: 1 };

/** enum nf_inet_hooks of linux/netfilter.h; the bridge's first five are the same (linux/netfilter_bridge.h). */
const INET_HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 5 } as const;
/** NF_ARP_* of linux/netfilter_arp.h. */
const ARP_HOOKS = { input: 0, output: 1, forward: 2 } as const;
/** enum nf_dev_hooks of linux/netfilter.h. */
const NETDEV_HOOKS = { ingress: 0, egress: 1 } as const;

/** Writes the attribute `type` that holds where a base chain hooks in. @throws RangeError */
export function writeHook(writer: ByteWriter, type: number, family: Family, base: BaseHook): void {
  const number = hooksOf(family)[base.hook];
  if (number === undefined) throw new RangeError(`family ${family} has no hook ${base.hook}`);
  const nest = writer.beginNest(nested(type));
  writer.attrU32be(HOOKNUM, number);
  writer.attrU32be(PRIORITY, base.priority);
  writer.attributes(base.unknown);
  writer.endNest(nest);
}

/** @throws NotModelled */
export function readHook(fields: Fields, family: Family, type: string, policy: number | undefined): BaseHook {
  if (type !== 'filter' && type !== 'nat' && type !== 'route') throw new NotModelled(`chain type ${type}`);
  return {
    type: type satisfies ChainType,
    hook: nameOf(hooksOf(family) as Record<Hook, number>, fields.u32(HOOKNUM)),
    priority: fields.u32(PRIORITY) | 0,
    policy: nameOf(POLICIES, policy ?? POLICIES.accept),
    ...unknownOf(fields.rest),
  };
}

function hooksOf(family: Family): Partial<Record<Hook, number>> {
  if (family === 'arp') return ARP_HOOKS;
  return family === 'netdev' ? NETDEV_HOOKS : INET_HOOKS;
}
