import { isDeepStrictEqual } from 'node:util';
import { parseAttributes } from '../../../shared/netlink/codec/attributes.ts';
import { ByteWriter } from '../../../shared/netlink/codec/wire.ts';
import { readChain, writeChain } from '../../../shared/nftables/codec/chain.ts';
import { readElements } from '../../../shared/nftables/codec/elements.ts';
import { NFT_MSG } from '../../../shared/nftables/codec/message.ts';
import { readRule, writeRule } from '../../../shared/nftables/codec/rule.ts';
import { readSet } from '../../../shared/nftables/codec/set.ts';
import { readTable, writeTable } from '../../../shared/nftables/codec/table.ts';
import type { Chain } from '../../../shared/nftables/model/chain.ts';
import type { Rule } from '../../../shared/nftables/model/rule.ts';
import type { Table } from '../../../shared/nftables/model/table.ts';
import { golden } from '../../../shared/nftables/testing/golden.ts';
import type { Random } from '../../testing/random.ts';
import { mutateAttributes } from '../mutate-attributes.ts';
import { must, type Target, target } from '../target.ts';
import { orRefused } from './netlink.ts';

interface Codec<T = unknown> {
  readonly name: string;
  readonly read: (payload: Uint8Array) => T;
  /** Writes what was read, without the header. */
  readonly write?: (writer: ByteWriter, object: T) => void;
}

function codec<T>(definition: Codec<T>): Codec {
  return definition as Codec;
}

/** The codec of each message that defines an object, by the low byte of nlmsg_type. */
const codecs: Readonly<Record<number, Codec>> = {
  [NFT_MSG.NEWTABLE]: codec<Table>({ name: 'table', read: readTable, write: writeTable }),
  [NFT_MSG.NEWCHAIN]: codec<Chain>({ name: 'chain', read: readChain, write: writeChain }),
  [NFT_MSG.NEWRULE]: codec<Rule>({
    name: 'rule',
    read: readRule,
    write: (writer, rule) => writeRule(writer, rule, true),
  }),
  [NFT_MSG.NEWSET]: { name: 'set', read: readSet },
  [NFT_MSG.NEWSETELEM]: { name: 'elements', read: (payload) => elementsOf(payload) },
};

function elementsOf(payload: Uint8Array): unknown {
  const elements: Parameters<typeof readElements>[1] = [];
  readElements(payload, elements);
  return elements;
}

/** Size of struct nlmsghdr (linux/netlink.h) and of struct nfgenmsg (linux/netfilter/nfnetlink.h). */
const nlmsghdr = 16;
const nfgenmsg = 4;

/** What the nft program sends, as far as it defines objects: the kernel lists them in the same form. */
const seeds = Object.values(golden)
  .flat()
  .map((hex) => Uint8Array.fromHex(hex))
  .flatMap((message) => {
    const known = codecs[message[4] ?? 0];
    return known ? [{ codec: known, payload: message.subarray(nlmsghdr) }] : [];
  });

/** Mutated listings of nf_tables. */
export const nftables: Target = target<{ codec: Codec; payload: Uint8Array }>({
  name: 'nftables',
  generate: (random) => {
    const seed = random.pick(seeds);
    return { codec: seed.codec, payload: mutated(seed.payload, random) };
  },
  seeds,
  changed: ({ payload }) => payload.toHex(),
  judge: ({ codec: { read, write }, payload }) => {
    const object = orRefused(() => read(payload));
    if (object === undefined) return 'refused';
    if (write === undefined || hasTwins(payload)) return 'accepted';
    const rewrite = (value: unknown): unknown => {
      const writer = new ByteWriter();
      writer.bytes(payload.subarray(0, nfgenmsg));
      write(writer, value);
      return read(writer.toBytes());
    };
    must(isDeepStrictEqual(lasting(rewrite(object)), lasting(object)), 'writing keeps what reading gave');
    return 'accepted';
  },
  describe: ({ codec: { name }, payload }) => `${name} ${payload.toHex()}`,
});

/** An attribute that stands there twice, which the kernel never sends, is not kept as it was. */
function hasTwins(payload: Uint8Array): boolean {
  const types = parseAttributes(payload, nfgenmsg).map(({ type }) => type);
  return new Set(types).size < types.length;
}

/** Without what the kernel alone gives out, or a transaction's own numbers. */
function lasting(object: unknown): unknown {
  const { handle: _handle, id: _id, position: _position, ...rest } = object as Record<string, unknown>;
  return rest;
}

function mutated(seed: Uint8Array, random: Random): Uint8Array {
  let payload = seed;
  for (let count = 1 + random.below(3); count > 0; count--) {
    payload = mutateAttributes(payload, nfgenmsg, random);
  }
  return payload;
}
