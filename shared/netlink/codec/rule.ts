import type { Cidr } from '../../ip/cidr.ts';
import type { Attribute } from './attributes.ts';

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

export function encodeRule(spec: RuleSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeRule(bytes: Uint8Array): Rule {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}
