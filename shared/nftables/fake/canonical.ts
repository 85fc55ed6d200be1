import { ByteWriter } from '../../netlink/codec/wire.ts';
import { readChain, writeChain } from '../codec/chain.ts';
import { NFGENMSG_SIZE } from '../codec/message.ts';
import { readRule, writeRule } from '../codec/rule.ts';
import { readSet, writeSet } from '../codec/set.ts';
import type { Chain } from '../model/chain.ts';
import { FAMILY_NUMBERS, type Family } from '../model/family.ts';
import type { Rule } from '../model/rule.ts';
import type { NftMap, NftSet } from '../model/set.ts';

/**
 * Objects as listing gives them back: by way of the bytes that go to the kernel, so that the fake lists defaults,
 * orders of flags and the like just as the kernel's list is decoded.
 */
export function canonicalChain(chain: Chain): Chain {
  return readChain(bytes(chain.family, (writer) => writeChain(writer, chain)));
}

export function canonicalRule(rule: Rule): Rule {
  return readRule(bytes(rule.family, (writer) => writeRule(writer, rule, false)));
}

export function canonicalSet(set: NftSet | NftMap): NftSet | NftMap {
  const { id: _, ...rest } = readSet(bytes(set.family, (writer) => writeSet(writer, set, 0)));
  return rest;
}

function bytes(family: Family, fill: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(FAMILY_NUMBERS[family]);
  writer.zeros(NFGENMSG_SIZE - 1);
  fill(writer);
  return writer.toBytes();
}
