import { type Attribute, NLA_F_NESTED, parseAttributes } from '../attributes.ts';
import { i32, text, u32 } from '../read.ts';
import type { ByteWriter } from '../wire.ts';

/** Sends a packet to another interface, as a copy or for good. */
export interface MirredAction {
  readonly kind: 'mirred';
  /** Index of the interface. */
  readonly target: number;
  /** One of MIRRED. */
  readonly way: number;
  /** What becomes of the packet afterwards: one of TC_ACT. */
  readonly verdict: number;
  /** Number that the kernel gives the action. */
  readonly id?: number;
  readonly capabilities?: number;
  readonly references?: number;
  readonly bindings?: number;
  readonly unknown?: readonly Attribute[];
  /** Attributes beside its options, such as counters. */
  readonly actionUnknown?: readonly Attribute[];
}

/** Any other action, its whole content as bytes. */
export interface OtherAction {
  readonly kind: 'other';
  readonly data: Uint8Array;
}

export type TcAction = MirredAction | OtherAction;

/** TCA_EGRESS_* and TCA_INGRESS_* of linux/tc_act/tc_mirred.h. */
export const MIRRED = {
  EGRESS_REDIRECT: 1,
  EGRESS_MIRROR: 2,
  INGRESS_REDIRECT: 3,
  INGRESS_MIRROR: 4,
} as const;

/** TC_ACT_* of linux/pkt_cls.h. */
export const TC_ACT = { OK: 0, SHOT: 2, PIPE: 3, STOLEN: 4 } as const;

/** TCA_ACT_KIND, TCA_ACT_OPTIONS (linux/pkt_cls.h) and TCA_MIRRED_PARMS (tc_mirred.h). */
const ACT = { KIND: 1, OPTIONS: 2 } as const;
const MIRRED_PARMS = 2;

/** Size of struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex, each of four bytes. */
const PARMS_SIZE = 28;

/** Writes actions, each in a nest that is numbered from 1. */
export function writeActions(writer: ByteWriter, actions: readonly TcAction[]): void {
  for (let i = 0; i < actions.length; i++) {
    const action = actions[i] as TcAction;
    if (action.kind === 'other') {
      writer.attr(i + 1, action.data);
      continue;
    }
    const start = writer.beginNest(i + 1);
    writeMirred(writer, action);
    writer.endNest(start);
  }
}

function writeMirred(writer: ByteWriter, action: MirredAction): void {
  writer.attrString(ACT.KIND, 'mirred');
  const options = writer.beginNest(ACT.OPTIONS | NLA_F_NESTED);
  const start = writer.beginNest(MIRRED_PARMS);
  writer.u32(action.id ?? 0);
  writer.u32(action.capabilities ?? 0);
  writer.u32(action.verdict);
  writer.u32(action.references ?? 0);
  writer.u32(action.bindings ?? 0);
  writer.u32(action.way);
  writer.u32(action.target);
  writer.endNest(start);
  writer.attributes(action.unknown);
  writer.endNest(options);
  writer.attributes(action.actionUnknown);
}

/** Reads what `writeActions` writes; the actions come in the order of their numbers. @throws DecodeError */
export function readActions(bytes: Uint8Array): TcAction[] {
  const actions: TcAction[] = [];
  for (const { payload } of parseAttributes(bytes)) actions.push(readAction(payload));
  return actions;
}

function readAction(bytes: Uint8Array): TcAction {
  let kind: string | undefined;
  let options: Attribute[] | undefined;
  const rest: Attribute[] = [];
  for (const attribute of parseAttributes(bytes)) {
    if (attribute.type === ACT.KIND) kind = text(attribute.payload);
    else if (attribute.type === ACT.OPTIONS && kind === 'mirred')
      options = parseAttributes(attribute.payload);
    else rest.push(attribute);
  }
  let parameters: Uint8Array | undefined;
  const unknown: Attribute[] = [];
  for (const attribute of options ?? []) {
    if (attribute.type === MIRRED_PARMS) parameters = attribute.payload;
    else unknown.push(attribute);
  }
  if (parameters === undefined || parameters.length < PARMS_SIZE) return { kind: 'other', data: bytes };
  return {
    kind: 'mirred',
    ...numbers(parameters),
    verdict: i32(parameters, 8) >>> 0,
    way: u32(parameters, 20),
    target: u32(parameters, 24),
    ...(unknown.length === 0 ? {} : { unknown }),
    ...(rest.length === 0 ? {} : { actionUnknown: rest }),
  };
}

function numbers(bytes: Uint8Array): Pick<MirredAction, 'id' | 'capabilities' | 'references' | 'bindings'> {
  const [id, capabilities, references, bindings] = [
    u32(bytes),
    u32(bytes, 4),
    u32(bytes, 12),
    u32(bytes, 16),
  ];
  return {
    ...(id === 0 ? {} : { id }),
    ...(capabilities === 0 ? {} : { capabilities }),
    ...(references === 0 ? {} : { references }),
    ...(bindings === 0 ? {} : { bindings }),
  };
}
