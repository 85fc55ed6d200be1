/** sbr's keys. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { readArray, readBoolean, readInteger, requireString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

export interface SbrConfig {
  /** Somebody else fills this table: there are only rules to make. Undefined: each address gets one of its own. */
  readonly table: number | undefined;
  /** By family; they come before those of the addresses. */
  readonly gateways: { readonly 4: Ip | undefined; readonly 6: Ip | undefined };
  /** The subnets of the addresses stay in the main table, with the address to send from. */
  readonly addSourceHints: boolean;
}

/** Tables are numbered by a u32 (FRA_TABLE of linux/fib_rules.h); 0 is none, of which the kernel makes any free one. */
const maxTable = 0xffff_ffff;

/** @throws CniError code 6 for wrong types, 7 for what makes no sense */
export function readSbrConfig({ raw }: NetConf): SbrConfig {
  return {
    table: readTable(raw['table']),
    gateways: readGateways(raw['gateways']),
    addSourceHints: readBoolean(raw['addSourceHints'], 'addSourceHints') ?? false,
  };
}

/** `table` alone: all that DEL looks at. */
export function readTable(value: unknown): number | undefined {
  const table = readInteger(value, 'table');
  if (table === undefined || (table > 0 && table <= maxTable)) return table;
  throw invalidConfig(`table ${table} must lie between 1 and ${maxTable}: leave it out for one of its own`);
}

function readGateways(value: unknown): SbrConfig['gateways'] {
  const gateways: { 4: Ip | undefined; 6: Ip | undefined } = { 4: undefined, 6: undefined };
  let at = 0;
  for (const entry of readArray(value, 'gateways') ?? []) {
    const text = requireString(entry, `gateways[${at++}]`);
    const gateway = parseIp(text);
    if (!gateway) throw invalidConfig(`gateways: ${JSON.stringify(text)} is no IP address`);
    if (gateways[gateway.family])
      throw invalidConfig(`gateways has several of IPv${gateway.family}: give one of each family at most`);
    gateways[gateway.family] = gateway;
  }
  return gateways;
}
