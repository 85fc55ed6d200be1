import { readChain } from '../../../shared/nftables/codec/chain.ts';
import { readElements } from '../../../shared/nftables/codec/elements.ts';
import { NFT_MSG } from '../../../shared/nftables/codec/message.ts';
import { readRule } from '../../../shared/nftables/codec/rule.ts';
import { readSet } from '../../../shared/nftables/codec/set.ts';
import { readTable } from '../../../shared/nftables/codec/table.ts';
import { golden } from '../../../shared/nftables/testing/golden.ts';
import type { Random } from '../../testing/random.ts';
import { mutateAttributes } from '../mutate-attributes.ts';
import { type Target, target } from '../target.ts';
import { orRefused } from './netlink.ts';

type Read = (payload: Uint8Array) => unknown;

/** The decoder of each message that defines an object, by the low byte of nlmsg_type. */
const readers: Readonly<Record<number, Read>> = {
  [NFT_MSG.NEWTABLE]: readTable,
  [NFT_MSG.NEWCHAIN]: readChain,
  [NFT_MSG.NEWRULE]: readRule,
  [NFT_MSG.NEWSET]: readSet,
  [NFT_MSG.NEWSETELEM]: (payload) => readElements(payload, []),
};

/** Size of struct nlmsghdr (linux/netlink.h) and of struct nfgenmsg (linux/netfilter/nfnetlink.h). */
const nlmsghdr = 16;
const nfgenmsg = 4;

/** What the nft program sends, as far as it defines objects: the kernel lists them in the same form. */
const seeds = Object.values(golden)
  .flat()
  .map((hex) => Uint8Array.fromHex(hex))
  .flatMap((message) => {
    const read = readers[message[4] ?? 0];
    return read ? [{ read, payload: message.subarray(nlmsghdr) }] : [];
  });

/** Mutated listings of nf_tables. */
export const nftables: Target = target<{ read: Read; payload: Uint8Array }>({
  name: 'nftables',
  generate: (random) => {
    const { read, payload } = random.pick(seeds);
    return { read, payload: mutated(payload, random) };
  },
  judge: ({ read, payload }) =>
    orRefused(() => read(payload) ?? true) === undefined ? 'refused' : 'accepted',
  describe: ({ read, payload }) => `${read.name} ${payload.toHex()}`,
});

function mutated(seed: Uint8Array, random: Random): Uint8Array {
  let payload = seed;
  for (let count = 1 + random.below(3); count > 0; count--)
    payload = mutateAttributes(payload, nfgenmsg, random);
  return payload;
}
