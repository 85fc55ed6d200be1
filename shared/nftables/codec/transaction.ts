import { NLM_F } from '../../netlink/codec/message.ts';
import { ByteWriter } from '../../netlink/codec/wire.ts';
import { FAMILY_NUMBERS, type Family } from '../model/family.ts';
import type { Operation, Transaction } from '../transaction.ts';
import { writeChain } from './chain.ts';
import { blockMessages, writeBlock } from './element-block.ts';
import { writeElements } from './elements.ts';
import { toRaw } from './interval.ts';
import { BATCH, beginMessage, endMessage, NFT_MSG, SUBSYSTEM, writeFrame } from './message.ts';
import { writeRule } from './rule.ts';
import { RULE } from './rule-attributes.ts';
import { writeSet } from './set.ts';
import { writeTable } from './table.ts';

/** A transaction as bytes for one send. */
export interface Batch {
  readonly bytes: Uint8Array;
  /** By message, counted from the frame's first: the index of the operation it belongs to; −1 for the frame. */
  readonly operations: readonly number[];
}

/** Attributes that name what is deleted or flushed: all of these start with the table's name. */
const TABLE = 1;
const CHAIN_NAME = 3;
const SET_NAME = 2;
/** NFTA_SET_ELEM_LIST_SET. */
const LIST_SET = 2;

/** The type of messages that add a rule. */
export const newRule: number = (SUBSYSTEM << 8) | NFT_MSG.NEWRULE;

/** Ids of sets that the caller gave none: far from those, as an id has to be unique within the transaction. */
const FIRST_SET_ID = 0x1_0000;

/**
 * Encodes a transaction. The kernel handles the batch while it takes it, so its last message alone asks for an
 * acknowledgement; every message that fails is answered anyway.
 *
 * @param first sequence number of the first message
 * @param echo asks for each new rule as it is once it is there, with its handle
 * @param generation the kernel refuses the batch when another is current by then
 */
export function encodeTransaction(
  transaction: Transaction,
  first: number,
  echo: boolean = false,
  generation?: number,
): Batch {
  const writer = new ByteWriter(4096);
  const operations = [-1];
  const starts: number[] = [];
  let last = 0;
  writeFrame(writer, BATCH.BEGIN, 0, first, generation);
  for (let index = 0; index < transaction.operations.length; index++) {
    writeOperation(writer, transaction.operations[index] as Operation, FIRST_SET_ID + index, () => {
      last = writer.length;
      if (echo) starts.push(last);
      operations.push(index);
      return first + operations.length - 1;
    });
  }
  if (last === 0) return { bytes: new Uint8Array(0), operations: [] };
  // nlmsg_type and nlmsg_flags make up the second word of a message; flags are its upper half.
  writer.patchU32(last + 4, wordAt(writer.view(), last + 4) | (NLM_F.ACK << 16));
  for (const start of starts) {
    const word = wordAt(writer.view(), start + 4);
    if ((word & 0xffff) === newRule) writer.patchU32(start + 4, word | (NLM_F.ECHO << 16));
  }
  operations.push(-1);
  writeFrame(writer, BATCH.END, 0, first + operations.length - 1);
  return { bytes: writer.view(), operations };
}

/** How many sequence numbers a transaction needs at most. */
export function messageBound({ operations }: Transaction): number {
  let bound = 2;
  for (const operation of operations) {
    const object = 'object' in operation ? operation.object : undefined;
    if (object?.kind === 'elements') bound += Math.max(1, object.elements.length);
    else if (object?.kind === 'block') bound += blockMessages(object);
    else bound += 1;
  }
  return bound;
}

/** Writes the messages of one operation, each as long as it may be. */
export function writeOperation(
  writer: ByteWriter,
  operation: Operation,
  setId: number,
  nextSequence: () => number,
): void {
  switch (operation.verb) {
    case 'add':
    case 'create':
    case 'insert':
    case 'replace':
      writeNew(writer, operation, setId, nextSequence);
      return;
    case 'delete':
      writeDelete(writer, operation, nextSequence);
      return;
    case 'flush':
      writeFlush(writer, operation, nextSequence);
      return;
    default:
      operation satisfies never;
  }
}

type New = Extract<Operation, { verb: 'add' | 'create' | 'insert' | 'replace' }>;

function writeNew(
  writer: ByteWriter,
  { verb, object }: New,
  setId: number,
  nextSequence: () => number,
): void {
  const exclusive = verb === 'create' ? NLM_F.EXCL : 0;
  const create = NLM_F.CREATE | exclusive;
  const message = (type: number, flags: number, family: Family, fill: () => void): void =>
    writeMessage(writer, type, flags, family, nextSequence, fill);
  switch (object.kind) {
    case 'table':
      message(NFT_MSG.NEWTABLE, exclusive, object.family, () => writeTable(writer, object));
      return;
    case 'chain':
      message(NFT_MSG.NEWCHAIN, create, object.family, () => writeChain(writer, object));
      return;
    case 'rule': {
      const replace = verb === 'replace';
      const flags = replace ? NLM_F.REPLACE : verb === 'insert' ? create : create | NLM_F.APPEND;
      message(NFT_MSG.NEWRULE, flags, object.family, () => writeRule(writer, object, replace));
      return;
    }
    case 'set':
    case 'map':
      message(NFT_MSG.NEWSET, create, object.family, () => writeSet(writer, object, object.id ?? setId));
      return;
    case 'elements':
      writeElements(
        writer,
        object.set,
        toRaw(object.set, object.elements),
        NFT_MSG.NEWSETELEM,
        create,
        nextSequence,
      );
      return;
    case 'block':
      writeBlock(writer, object, NFT_MSG.NEWSETELEM, create, nextSequence);
      return;
    default:
      object satisfies never;
  }
}

function writeDelete(
  writer: ByteWriter,
  operation: Extract<Operation, { verb: 'delete' }>,
  nextSequence: () => number,
): void {
  const message = (type: number, family: Family, fill: () => void): void =>
    writeMessage(writer, type, 0, family, nextSequence, fill);
  switch (operation.kind) {
    case 'table': {
      const { ref } = operation;
      message(NFT_MSG.DELTABLE, ref.family, () => writer.attrString(TABLE, ref.name));
      return;
    }
    case 'chain': {
      const { ref } = operation;
      message(NFT_MSG.DELCHAIN, ref.family, () => {
        writer.attrString(TABLE, ref.table);
        writer.attrString(CHAIN_NAME, ref.name);
      });
      return;
    }
    case 'rule': {
      const { ref } = operation;
      message(NFT_MSG.DELRULE, ref.family, () => {
        writer.attrString(RULE.TABLE, ref.table);
        writer.attrString(RULE.CHAIN, ref.chain);
        writer.attrU64be(RULE.HANDLE, ref.handle);
      });
      return;
    }
    case 'set': {
      const { ref } = operation;
      message(NFT_MSG.DELSET, ref.family, () => {
        writer.attrString(TABLE, ref.table);
        writer.attrString(SET_NAME, ref.name);
      });
      return;
    }
    case 'block':
      writeBlock(writer, operation.object, NFT_MSG.DELSETELEM, 0, nextSequence);
      return;
    case 'elements': {
      const { set, elements } = operation.object;
      writeElements(writer, set, toRaw(set, elements), NFT_MSG.DELSETELEM, 0, nextSequence);
      return;
    }
    default:
      operation satisfies never;
  }
}

/** Emptying is a deletion that names the container only. */
function writeFlush(
  writer: ByteWriter,
  operation: Extract<Operation, { verb: 'flush' }>,
  nextSequence: () => number,
): void {
  const { kind, ref } = operation;
  const type = kind === 'set' ? NFT_MSG.DELSETELEM : NFT_MSG.DELRULE;
  writeMessage(writer, type, 0, ref.family, nextSequence, () => {
    if (kind === 'set') writer.attrString(LIST_SET, ref.name);
    writer.attrString(TABLE, kind === 'table' ? ref.name : ref.table);
    if (kind === 'chain') writer.attrString(RULE.CHAIN, ref.name);
  });
}

function writeMessage(
  writer: ByteWriter,
  type: number,
  flags: number,
  family: Family,
  nextSequence: () => number,
  fill: () => void,
): void {
  const start = beginMessage(writer, type, flags, nextSequence(), FAMILY_NUMBERS[family]);
  fill();
  endMessage(writer, start);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
