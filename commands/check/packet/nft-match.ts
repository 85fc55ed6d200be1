/** Whether a rule of nf_tables is for a packet: its expressions are run on what is known of the packet. Pure. */

import { ipToBytes } from '../../../shared/ip/ip.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { CompareOp, Expression, Meta, Payload } from '../../../shared/nftables/model/expression.ts';
import type { Verdict } from '../../../shared/nftables/model/verdict.ts';
import type { Packet } from './packet.ts';
import type { Effect, JudgedRule, Match } from './walk.ts';

/** A byte of a register; `undefined` where it is not known. */
type Byte = number | undefined;

/** Bytes of all registers (NFT_REG32_COUNT × 4). */
const REGISTERS = 64;
/** NF_CT_STATE_BIT(IP_CT_NEW) of linux/netfilter/nf_conntrack_common.h. */
const CT_NEW = 8;
/** RTN_LOCAL of linux/rtnetlink.h. */
const LOCAL = 2;

/** @param elements of a set or map of the same table */
export function judgeNftRule(
  expressions: readonly Expression[],
  packet: Packet,
  elements: (set: string) => readonly Element[] | undefined,
): JudgedRule {
  const registers: Byte[] = Array.from({ length: REGISTERS });
  let match: Match = 'yes';
  const load = (register: number, bytes: readonly Byte[]): void => {
    for (let at = 0; at < Math.ceil(bytes.length / 4) * 4; at++)
      registers[register * 4 + at] = at < bytes.length ? bytes[at] : 0;
  };
  const read = (register: number, length: number): Byte[] =>
    registers.slice(register * 4, register * 4 + length);
  const require = (answer: Match): boolean => {
    if (answer === 'maybe') match = 'maybe';
    return answer !== 'no';
  };
  const no: JudgedRule = { match: 'no', effect: 'other' };

  for (const expression of expressions) {
    switch (expression.kind) {
      case 'payload':
        load(expression.dest, payloadBytes(expression, packet));
        break;
      case 'meta':
        load(expression.dest, metaBytes(expression, packet));
        break;
      case 'ct':
        load(expression.dest, expression.key === 'state' ? hostU32(CT_NEW) : unknown(16));
        break;
      case 'fib':
        load(
          expression.dest,
          expression.result === 'type' && expression.inputs.includes('daddr') ? hostU32(LOCAL) : unknown(16),
        );
        break;
      case 'immediate':
        load(expression.dest, [...expression.value]);
        break;
      case 'bitwise': {
        const { source, dest, mask, xor } = expression;
        load(
          dest,
          read(source, mask.length).map((byte, at) =>
            // What the mask takes away need not be known.
            mask[at] === 0
              ? (xor[at] ?? 0)
              : byte === undefined
                ? undefined
                : (byte & (mask[at] ?? 0)) ^ (xor[at] ?? 0),
          ),
        );
        break;
      }
      case 'byteorder':
        load(expression.dest, unknown(expression.length));
        break;
      case 'cmp':
        if (
          !require(compare(read(expression.source, expression.value.length), expression.op, expression.value))
        )
          return no;
        break;
      case 'range': {
        const bytes = read(expression.source, expression.from.length);
        const inside = both(compare(bytes, '>=', expression.from), compare(bytes, '<=', expression.to));
        if (!require(expression.op === '==' ? inside : not(inside))) return no;
        break;
      }
      case 'lookup': {
        const found = find(expression.source, elements(expression.set), read);
        if (!require(expression.inverted ? not(found.match) : found.match)) return no;
        if (expression.dest === 'verdict')
          return found.element?.data && 'code' in found.element.data
            ? { match, effect: effectOf(found.element.data) }
            : { match: 'maybe', effect: 'other' };
        if (expression.dest !== undefined) load(expression.dest, unknown(16));
        break;
      }
      case 'verdict':
        return { match, effect: effectOf(expression.verdict) };
      case 'reject':
        return { match, effect: 'drop' };
      case 'counter':
      case 'meta-set':
      case 'ct-set':
        break;
      case 'opaque':
        // Logging passes on; whatever else it is may not.
        if (expression.name !== 'log') match = 'maybe';
        break;
      default:
        match = 'maybe';
    }
  }
  return { match, effect: 'other' };
}

function effectOf(verdict: Verdict): Effect {
  if (verdict.code === 'jump' || verdict.code === 'goto') return { jump: verdict.chain };
  return verdict.code === 'continue' ? 'other' : verdict.code;
}

/** The packet's headers as far as they are known: RFC 791, RFC 8200, RFC 768. */
function payloadBytes({ base, offset, length }: Payload, packet: Packet): Byte[] {
  const v4 = packet.from.family === 4;
  const header: Byte[] = [];
  const put = (at: number, bytes: readonly number[] | Uint8Array): void => {
    for (const [index, byte] of bytes.entries()) header[at + index] = byte;
  };
  if (base === 'network') {
    put(v4 ? 9 : 6, [packet.protocol]);
    put(v4 ? 12 : 8, ipToBytes(packet.from));
    put(v4 ? 16 : 24, ipToBytes(packet.to));
  } else if (base === 'transport' && packet.port !== undefined) {
    put(2, [packet.port >> 8, packet.port & 0xff]);
  }
  return Array.from({ length }, (_, index) => header[offset + index]);
}

function metaBytes({ key }: Meta, packet: Packet): Byte[] {
  const v4 = packet.from.family === 4;
  switch (key) {
    case 'iifname':
      return Array.from({ length: 16 }, (_, at) => packet.device.charCodeAt(at) || 0);
    case 'l4proto':
      return [packet.protocol];
    // NFPROTO_IPV4 and _IPV6 of linux/netfilter.h.
    case 'nfproto':
      return [v4 ? 2 : 10];
    // ETH_P_IP and ETH_P_IPV6.
    case 'protocol':
      return v4 ? [0x08, 0x00] : [0x86, 0xdd];
    case 'mark':
      return hostU32(0);
    // PACKET_HOST.
    case 'pkttype':
      return [0];
    default:
      return unknown(16);
  }
}

function unknown(length: number): Byte[] {
  return Array.from({ length }, () => undefined);
}

/** Both architectures are little-endian. */
function hostU32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

/** As the kernel compares: byte by byte. */
function compare(bytes: readonly Byte[], op: CompareOp, value: Uint8Array): Match {
  let order = 0;
  for (const [at, wanted] of value.entries()) {
    const byte = bytes[at];
    if (byte === undefined) {
      // A known byte that differs further on settles equality.
      const differs = [...value].some((other, index) => bytes[index] !== undefined && bytes[index] !== other);
      if (differs && (op === '==' || op === '!=')) return op === '!=' ? 'yes' : 'no';
      return 'maybe';
    }
    if (byte !== wanted) {
      order = byte - wanted;
      break;
    }
  }
  const holds = {
    '==': order === 0,
    '!=': order !== 0,
    '<': order < 0,
    '<=': order <= 0,
    '>': order > 0,
    '>=': order >= 0,
  }[op];
  return holds ? 'yes' : 'no';
}

function both(a: Match, b: Match): Match {
  if (a === 'no' || b === 'no') return 'no';
  return a === 'yes' && b === 'yes' ? 'yes' : 'maybe';
}

function not(match: Match): Match {
  return match === 'maybe' ? 'maybe' : match === 'yes' ? 'no' : 'yes';
}

function find(
  source: number,
  elements: readonly Element[] | undefined,
  read: (register: number, length: number) => Byte[],
): { readonly match: Match; readonly element?: Element } {
  if (!elements) return { match: 'maybe' };
  let maybe = false;
  for (const element of elements) {
    const bytes = read(source, element.key.length);
    const match = element.keyEnd
      ? both(compare(bytes, '>=', element.key), compare(bytes, '<=', element.keyEnd))
      : compare(bytes, '==', element.key);
    if (match === 'yes') return { match, element };
    maybe ||= match === 'maybe';
  }
  return { match: maybe ? 'maybe' : 'no' };
}
