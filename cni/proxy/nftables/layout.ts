/**
 * Names and definitions of what lies in the table. Pure.
 *
 * A change of this file, of `static-rules.ts` or of `chains.ts` that a table made before would not fit needs another
 * `LAYOUT`: such a table is replaced in one transaction. What differs in chains alone is mended in place.
 */

import { hostU32 } from '../../../shared/nftables/build/bytes.ts';
import * as field from '../../../shared/nftables/build/field.ts';
import { typeofHints } from '../../../shared/nftables/build/typeof.ts';
import {
  classid,
  type DataType,
  inetProto,
  inetService,
  integer,
  ipv4Addr,
  ipv6Addr,
} from '../../../shared/nftables/model/data-type.ts';
import type { NftMap, NftSet } from '../../../shared/nftables/model/set.ts';
import type { Table, TableRef } from '../../../shared/nftables/model/table.ts';
import type { Family } from '../model/endpoint.ts';
import { numberOf } from './keys.ts';
import { MOST, type Value } from './values.ts';

export const LAYOUT = 1;

export const TABLE_NAME = 'underpod-proxy';

/** Comes before the version in the table's comment. */
const COMMENT = 'underpod service proxy, layout ';

/**
 * The sets and maps whose elements follow the services, in the order in which their changes may be made one after the
 * other: what a look-up leads to comes before what leads there.
 */
export const SHARED = [
  'local-slots',
  'local-node-port-slots',
  'slots',
  'node-port-slots',
  'hairpin',
  'firewall',
  'local-frontends',
  'local-node-ports',
  'frontends',
  'node-ports',
  'dropped',
  'dropped-node-ports',
  'rejected',
  'rejected-node-ports',
  'cluster-ips',
] as const;

export type SharedName = (typeof SHARED)[number];

/**
 * Maps from a value to the chain for it; by `local-treatments` go the second look-ups, of local endpoints. Node ports
 * have one of their own: whenever a chain changes, the kernel goes through all chains that each rule may lead to.
 */
export const TREATMENTS = ['treatments', 'node-port-treatments', 'local-treatments'] as const;

export type TreatmentsName = (typeof TREATMENTS)[number];

/** The map in which a value is looked up. */
export function treatmentsOf({ kind, nodePort }: Value): TreatmentsName {
  return kind === 'local' ? 'local-treatments' : nodePort ? 'node-port-treatments' : 'treatments';
}

/** Maps whose elements are deleted a while after nobody can be on the way to them any more. */
export function isSlots(name: SharedName): boolean {
  return name.endsWith('slots');
}

export interface Layout {
  readonly family: Family;
  readonly table: TableRef & { readonly family: 'ip' | 'ip6' };
  readonly sets: Readonly<Record<SharedName | TreatmentsName, NftSet | NftMap>>;
  /** What rules look up, in this family. */
  readonly saddr: field.Field;
  readonly daddr: field.Field;
  /** `ip daddr . meta l4proto . th dport` */
  readonly frontend: readonly field.Field[];
  /** `meta l4proto . th dport` */
  readonly nodePort: readonly field.Field[];
  readonly addressType: DataType;
}

export function layoutOf(family: Family): Layout {
  const ip = family === 4 ? 'ip' : 'ip6';
  const [saddr, daddr, addressType] =
    family === 4 ? [field.ipSaddr, field.ipDaddr, ipv4Addr] : [field.ip6Saddr, field.ip6Daddr, ipv6Addr];
  const table = { family: ip, name: TABLE_NAME } as const;
  const nodePort = [field.l4proto, field.thDport];
  const frontend = [daddr, ...nodePort];
  const nodePortType = [inetProto, inetService];
  const frontendType = [addressType, ...nodePortType];
  const set = (name: string, key: readonly DataType[]): NftSet => ({
    kind: 'set',
    family: ip,
    table: TABLE_NAME,
    name,
    key,
  });
  const map = (name: string, key: readonly DataType[], data: NftMap['data']): NftMap => ({
    ...set(name, key),
    kind: 'map',
    data,
  });
  const slots = (name: string, fields: readonly field.Field[], key: readonly DataType[]): NftMap => ({
    ...map(name, [...key, integer], [addressType, inetService]),
    hints: typeofHints([...fields, field.randomBelow(MOST + 1)], [daddr, field.thDport]),
  });
  return {
    family,
    table,
    saddr,
    daddr,
    frontend,
    nodePort,
    addressType,
    sets: {
      slots: slots('slots', frontend, frontendType),
      'local-slots': slots('local-slots', frontend, frontendType),
      'node-port-slots': slots('node-port-slots', nodePort, nodePortType),
      'local-node-port-slots': slots('local-node-port-slots', nodePort, nodePortType),
      frontends: map('frontends', frontendType, [classid]),
      'local-frontends': map('local-frontends', frontendType, [classid]),
      'node-ports': map('node-ports', nodePortType, [classid]),
      'local-node-ports': map('local-node-ports', nodePortType, [classid]),
      treatments: map('treatments', [classid], 'verdict'),
      'node-port-treatments': map('node-port-treatments', [classid], 'verdict'),
      'local-treatments': map('local-treatments', [classid], 'verdict'),
      firewall: map('firewall', frontendType, 'verdict'),
      rejected: set('rejected', frontendType),
      dropped: set('dropped', frontendType),
      'rejected-node-ports': set('rejected-node-ports', nodePortType),
      'dropped-node-ports': set('dropped-node-ports', nodePortType),
      'cluster-ips': set('cluster-ips', [addressType]),
      hairpin: set('hairpin', [addressType, addressType]),
    },
  };
}

/** The table as it is made. */
export function tableOf({ table }: Layout): Table {
  return { kind: 'table', ...table, comment: `${COMMENT}${LAYOUT}` };
}

/** Whether a table is of this layout, so that it can be taken over as it is. */
export function isOfThisLayout(table: Table): boolean {
  return table.comment === `${COMMENT}${LAYOUT}`;
}

/** A value's key in `treatments`. */
export function treatmentKey(value: number): Uint8Array {
  return hostU32(value);
}

export function valueOfKey(key: Uint8Array): number {
  return numberOf(String.fromCharCode(...key));
}
