/** bridge's key `vlanTrunk`. Pure. */

import { invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readInteger, readObject } from '../../protocol/json.ts';

/** The highest VLAN: 4095 is reserved (IEEE 802.1Q, table 9-2). */
export const maxVlan = 4094;

/**
 * VLANs of a list of `{id}`, `{minID, maxID}` or both, in ascending order, each once.
 *
 * @throws CniError code 6 for wrong types, 7 for what is no VLAN or half a range
 */
export function readVlanTrunk(value: unknown): readonly number[] {
  const entries = readArray(value, 'vlanTrunk');
  if (entries === undefined || entries.length === 0) return [];
  const wanted = new Uint8Array(maxVlan + 1);
  for (let index = 0; index < entries.length; index++) {
    const path = `vlanTrunk[${index}]`;
    const entry = readObject(entries[index], path) ?? {};
    const id = readId(entry, 'id', path);
    if (id !== undefined) wanted[id] = 1;
    const first = readId(entry, 'minID', path);
    const last = readId(entry, 'maxID', path);
    if (first === undefined && last === undefined) continue;
    if (first === undefined || last === undefined) {
      throw invalidConfig(`${path} has only one of minID and maxID: give both, or "id" for a single VLAN`);
    }
    if (first > last) throw invalidConfig(`${path}: minID ${first} is greater than maxID ${last}`);
    wanted.fill(1, first, last + 1);
  }
  const vlans: number[] = [];
  for (let id = 1; id <= maxVlan; id++) if (wanted[id] === 1) vlans.push(id);
  return vlans;
}

function readId(entry: JsonObject, key: string, path: string): number | undefined {
  const id = readInteger(entry[key], `${path}.${key}`);
  if (id === undefined || (id >= 1 && id <= maxVlan)) return id;
  throw invalidConfig(`${path}.${key} ${id} must lie between 1 and ${maxVlan}`);
}
