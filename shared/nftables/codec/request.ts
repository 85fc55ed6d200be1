import { ByteWriter } from '../../netlink/codec/wire.ts';
import type { NetlinkRequest } from '../../netlink/requests.ts';
import { FAMILY_NUMBERS, type Family } from '../model/family.ts';
import type { RuleRef } from '../model/rule.ts';
import type { SetRef } from '../model/set.ts';
import type { TableRef } from '../model/table.ts';
import { writeElement } from './element.ts';
import { nested } from './fields.ts';
import { NFGENMSG_SIZE, NFT_MSG, SUBSYSTEM } from './message.ts';
import { RULE } from './rule-attributes.ts';

/** NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE and _SET of linux/netfilter/nf_tables.h. */
const TABLE = 1;
const LIST_SET = 2;
/** NFTA_SET_ELEM_LIST_ELEMENTS. */
const ELEMENTS = 3;

/** Asks for the tables of a family, or of all. */
export function dumpTables(family?: Family): NetlinkRequest {
  return request(NFT_MSG.GETTABLE, family, 'list tables');
}

/** Asks for the chains of all tables of a family: the kernel has no narrower filter. */
export function dumpChains(family: Family): NetlinkRequest {
  return request(NFT_MSG.GETCHAIN, family, `list chains of family ${family}`);
}

export function dumpRules(table: TableRef, chain?: string): NetlinkRequest {
  const what = `list rules of ${table.family} ${table.name}${chain === undefined ? '' : ` ${chain}`}`;
  return request(NFT_MSG.GETRULE, table.family, what, (writer) => {
    writer.attrString(RULE.TABLE, table.name);
    if (chain !== undefined) writer.attrString(RULE.CHAIN, chain);
  });
}

/** Asks for one rule; ENOENT where it is not there. */
export function findRule({ family, table, chain, handle }: RuleRef): NetlinkRequest {
  const what = `find rule ${handle} of ${family} ${table} ${chain}`;
  const asked = request(NFT_MSG.GETRULE, family, what, (writer) => {
    writer.attrString(RULE.TABLE, table);
    writer.attrString(RULE.CHAIN, chain);
    writer.attrU64be(RULE.HANDLE, handle);
  });
  return { ...asked, replies: true };
}

export function dumpSets(table: TableRef): NetlinkRequest {
  return request(NFT_MSG.GETSET, table.family, `list sets of ${table.family} ${table.name}`, (writer) =>
    writer.attrString(TABLE, table.name),
  );
}

export function dumpElements(set: SetRef): NetlinkRequest {
  const what = `list elements of ${set.family} ${set.table} ${set.name}`;
  return request(NFT_MSG.GETSETELEM, set.family, what, (writer) => {
    writer.attrString(TABLE, set.table);
    writer.attrString(LIST_SET, set.name);
  });
}

/** Asks for one element of a set without ranges; ENOENT where it is not there. */
export function findElement(set: SetRef, key: Uint8Array): NetlinkRequest {
  const what = `find an element of ${set.family} ${set.table} ${set.name}`;
  const asked = request(NFT_MSG.GETSETELEM, set.family, what, (writer) => {
    writer.attrString(TABLE, set.table);
    writer.attrString(LIST_SET, set.name);
    const list = writer.beginNest(nested(ELEMENTS));
    writeElement(writer, 1, { key });
    writer.endNest(list);
  });
  return { ...asked, replies: true };
}

export function getGeneration(): NetlinkRequest {
  return request(NFT_MSG.GETGEN, undefined, 'get the generation of nf_tables');
}

function request(
  type: number,
  family: Family | undefined,
  what: string,
  fill?: (writer: ByteWriter) => void,
): NetlinkRequest {
  const writer = new ByteWriter(64);
  writer.u8(family === undefined ? 0 : FAMILY_NUMBERS[family]);
  writer.zeros(NFGENMSG_SIZE - 1);
  fill?.(writer);
  return { type: (SUBSYSTEM << 8) | type, flags: 0, payload: writer.view(), what };
}
