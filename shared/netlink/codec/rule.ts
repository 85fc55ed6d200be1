import type { Cidr } from '../../ip/cidr.ts';
import { type Attribute, parseAttributes } from './attributes.ts';
import { familyNumber, ipFamily } from './constants.ts';
import { FieldTable } from './fields.ts';
import { cidr, u8, u16, u32 } from './read.ts';
import { RT_TABLE } from './route.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** What a rule does, linux/fib_rules.h. */
export const FR_ACT = { TO_TBL: 1, GOTO: 2, NOP: 3, BLACKHOLE: 6, UNREACHABLE: 7, PROHIBIT: 8 } as const;
/** Bits of a rule's flags, linux/fib_rules.h. */
export const FIB_RULE = {
  PERMANENT: 1,
  INVERT: 2,
  UNRESOLVED: 4,
  IIF_DETACHED: 8,
  OIF_DETACHED: 16,
} as const;

export interface PortRange {
  readonly start: number;
  readonly end: number;
}

/** A rule of policy routing. */
export interface Rule {
  readonly family: 4 | 6;
  readonly source?: Cidr;
  readonly destination?: Cidr;
  readonly iif?: string;
  readonly oif?: string;
  readonly priority?: number;
  readonly mark?: number;
  /** Goes with `mark`; the kernel's default is all ones. */
  readonly mask?: number;
  readonly table: number;
  /** One of FR_ACT. */
  readonly action: number;
  /** Bits of FIB_RULE. */
  readonly flags: number;
  readonly tos: number;
  /** Priority of the rule to jump to. */
  readonly goto?: number;
  /** Ignore results with prefixes of this length or shorter. */
  readonly suppressPrefixLength?: number;
  readonly suppressGroup?: number;
  /** Look up in the VRF's table. */
  readonly l3mdev?: boolean;
  readonly uids?: PortRange;
  /** One of RTPROT. */
  readonly protocol?: number;
  /** IP protocol number. */
  readonly ipProtocol?: number;
  readonly sourcePorts?: PortRange;
  readonly destinationPorts?: PortRange;
  readonly unknown?: readonly Attribute[];
}

/** What a request says about a rule. Left out: action look-up, table main. */
export type RuleSpec = Pick<Rule, 'family'> & Partial<Rule>;

/**
 * Size of struct fib_rule_hdr: family, dst_len, src_len, tos, table, res1, res2, action as u8, flags u32
 * (linux/fib_rules.h).
 */
const HEADER = 12;

/** Attributes of linux/fib_rules.h that are not single numbers or names. */
const FRA = { DST: 1, SRC: 2, TABLE: 15, UID_RANGE: 20, SPORT_RANGE: 23, DPORT_RANGE: 24 } as const;
const SUPPRESS_GROUP = 13;
const SUPPRESS_PREFIX_LENGTH = 14;

/** Those that come before and after FRA_TABLE, in the order in which `ip` sends them. */
const BEFORE: FieldTable<Rule> = new FieldTable<Rule>([
  ['iif', 3, 'string'],
  ['oif', 17, 'string'],
  ['mark', 10, 'u32'],
  ['mask', 16, 'u32'],
]);
const AFTER: FieldTable<Rule> = new FieldTable<Rule>([
  ['priority', 6, 'u32'],
  ['goto', 4, 'u32'],
  ['suppressPrefixLength', SUPPRESS_PREFIX_LENGTH, 'u32'],
  ['suppressGroup', SUPPRESS_GROUP, 'u32'],
  ['l3mdev', 19, 'bool'],
  ['protocol', 21, 'u8'],
  ['ipProtocol', 22, 'u8'],
]);

/** The payload of RTM_NEWRULE, RTM_DELRULE and, with action and table 0, of RTM_GETRULE. */
export function encodeRule(spec: RuleSpec): Uint8Array {
  return encoded(writeRule, spec);
}

export function writeRule(writer: ByteWriter, spec: RuleSpec): void {
  const { source, destination, action = FR_ACT.TO_TBL } = spec;
  const table = spec.table ?? (action === FR_ACT.TO_TBL ? RT_TABLE.MAIN : RT_TABLE.UNSPEC);
  writer.u8(familyNumber(spec.family));
  writer.u8(destination?.prefix ?? 0);
  writer.u8(source?.prefix ?? 0);
  writer.u8(spec.tos ?? 0);
  writer.u8(table > 0xff ? RT_TABLE.UNSPEC : table);
  writer.u16(0);
  writer.u8(action);
  writer.u32(spec.flags ?? 0);
  if (source !== undefined) writer.attrIp(FRA.SRC, source.ip);
  if (destination !== undefined) writer.attrIp(FRA.DST, destination.ip);
  BEFORE.write(writer, spec);
  if (table > 0xff) writer.attrU32(FRA.TABLE, table);
  AFTER.write(writer, spec);
  writePorts(writer, FRA.SPORT_RANGE, spec.sourcePorts);
  writePorts(writer, FRA.DPORT_RANGE, spec.destinationPorts);
  if (spec.uids !== undefined) {
    // struct fib_rule_uid_range: start u32, end u32.
    const start = writer.beginNest(FRA.UID_RANGE);
    writer.u32(spec.uids.start);
    writer.u32(spec.uids.end);
    writer.endNest(start);
  }
  writer.attributes(spec.unknown);
}

/** @throws DecodeError, also for families other than IPv4 and IPv6 */
export function decodeRule(bytes: Uint8Array): Rule {
  const family = ipFamily(u8(bytes));
  const unknown: Attribute[] = [];
  const found: { -readonly [K in keyof Rule]?: Rule[K] } = {
    family,
    tos: u8(bytes, 3),
    table: u8(bytes, 4),
    action: u8(bytes, 7),
    flags: u32(bytes, 8),
  };
  for (const attribute of parseAttributes(bytes, HEADER)) {
    const { type, payload } = attribute;
    if (type === FRA.SRC) found.source = cidr(payload, u8(bytes, 2), family);
    else if (type === FRA.DST) found.destination = cidr(payload, u8(bytes, 1), family);
    else if (type === FRA.TABLE) found.table = u32(payload);
    else if (type === FRA.UID_RANGE) found.uids = { start: u32(payload), end: u32(payload, 4) };
    else if (type === FRA.SPORT_RANGE) found.sourcePorts = { start: u16(payload), end: u16(payload, 2) };
    else if (type === FRA.DPORT_RANGE) found.destinationPorts = { start: u16(payload), end: u16(payload, 2) };
    else if (isUnset(type, payload)) continue;
    else if (
      !BEFORE.read(attribute.type, attribute.payload, found) &&
      !AFTER.read(attribute.type, attribute.payload, found)
    )
      unknown.push(attribute);
  }
  if (unknown.length > 0) found.unknown = unknown;
  return found as Rule;
}

/** The kernel tells the suppressors of every rule; all ones mean that there is none. */
function isUnset(type: number, payload: Uint8Array): boolean {
  return (type === SUPPRESS_PREFIX_LENGTH || type === SUPPRESS_GROUP) && u32(payload) === 0xffff_ffff;
}

/** struct fib_rule_port_range: start u16, end u16, host order. */
function writePorts(writer: ByteWriter, type: number, ports: PortRange | undefined): void {
  if (ports === undefined) return;
  const start = writer.beginNest(type);
  writer.u16(ports.start);
  writer.u16(ports.end);
  writer.endNest(start);
}
