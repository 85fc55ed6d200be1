/** vrf's keys. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import { readString, readUint } from '../../protocol/json.ts';
import { ifnameProblem } from '../../protocol/names.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

export interface VrfConfig {
  /** The VRF's name, which is an interface's. */
  readonly name: string;
  /** Number of its routing table; undefined: that of the VRF that there is, or any free one. */
  readonly table: number | undefined;
}

/** Tables are numbered by a u32 (IFLA_VRF_TABLE of linux/if_link.h). */
const maxTable = 0xffff_ffff;

/** @throws CniError code 6 for wrong types, 7 for what makes no sense */
export function readVrfConfig({ raw }: NetConf): VrfConfig {
  const name = readString(raw['vrfname'], 'vrfname') ?? '';
  const problem = ifnameProblem(name);
  if (name === '') throw invalidConfig('there is no "vrfname": set it to the name that the VRF is to have');
  if (problem) throw invalidConfig(`vrfname ${JSON.stringify(name.slice(0, 256))} ${problem}`);
  const table = readUint(raw['table'], 'table') ?? 0;
  if (table > maxTable) throw invalidConfig(`table ${table} must be ${maxTable} at most; 0 takes a free one`);
  return { name, table: table === 0 ? undefined : table };
}
