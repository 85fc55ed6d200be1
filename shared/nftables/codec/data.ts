import type { ByteWriter } from '../../netlink/codec/wire.ts';
import type { Verdict } from '../model/verdict.ts';
import { Fields, NotModelled, nested } from './fields.ts';

/** enum nft_data_attributes and nft_verdict_attributes of linux/netfilter/nf_tables.h. */
const DATA_VALUE = 1;
const DATA_VERDICT = 2;
const VERDICT_CODE = 1;
const VERDICT_CHAIN = 2;

/** NF_DROP and NF_ACCEPT of linux/netfilter.h; enum nft_verdicts (−1 to −5) of linux/netfilter/nf_tables.h. */
const CODES = {
  drop: 0,
  accept: 1,
  continue: 0xffff_ffff,
  jump: 0xffff_fffd,
  goto: 0xffff_fffc,
  return: 0xffff_fffb,
} as const;

/** A constant, as NFTA_*_DATA holds it. */
export function writeValue(writer: ByteWriter, type: number, value: Uint8Array): void {
  const nest = writer.beginNest(nested(type));
  writer.attr(DATA_VALUE, value);
  writer.endNest(nest);
}

/** A verdict, as NFTA_*_DATA holds it. */
export function writeVerdict(writer: ByteWriter, type: number, verdict: Verdict): void {
  const nest = writer.beginNest(nested(type));
  const inner = writer.beginNest(nested(DATA_VERDICT));
  writer.attrU32be(VERDICT_CODE, CODES[verdict.code]);
  if ('chain' in verdict) writer.attrString(VERDICT_CHAIN, verdict.chain);
  writer.endNest(inner);
  writer.endNest(nest);
}

/** @throws NotModelled for a verdict that is not one of ours, such as queue */
export function readData(bytes: Uint8Array): Uint8Array | Verdict {
  const fields = new Fields(bytes);
  const value = fields.optional(DATA_VALUE);
  const data = value ?? readVerdict(fields.bytes(DATA_VERDICT));
  if (fields.rest.length > 0) throw new NotModelled('data');
  return data;
}

/** @throws NotModelled when the data is not a constant */
export function readValue(bytes: Uint8Array): Uint8Array {
  const data = readData(bytes);
  if (!(data instanceof Uint8Array)) throw new NotModelled('a verdict where a value belongs');
  return data;
}

function readVerdict(bytes: Uint8Array): Verdict {
  const fields = new Fields(bytes);
  const code = fields.u32(VERDICT_CODE);
  const chain = fields.optionalText(VERDICT_CHAIN);
  if (fields.rest.length > 0) throw new NotModelled('verdict');
  for (const name of ['drop', 'accept', 'continue', 'return'] as const) {
    if (CODES[name] === code && chain === undefined) return { code: name };
  }
  for (const name of ['jump', 'goto'] as const) {
    if (CODES[name] === code && chain !== undefined) return { code: name, chain };
  }
  throw new NotModelled(`verdict ${code}`);
}
