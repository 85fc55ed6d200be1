import type { Register } from '../model/expression.ts';
import type { Field } from './field.ts';
import type { Part, RuleDraft } from './rule.ts';

/** Where a look-up goes: a set's or map's name, or the anonymous one that `Anonymous` made for this transaction. */
export type SetName = string | { readonly name: string; readonly id: number };

/** `ip saddr . ip daddr @set`; with '!=' goes on if the key is not in the set. */
export function inSet(key: Field | readonly Field[], set: SetName, op: '==' | '!=' = '=='): Part {
  return (draft) => {
    loadKey(draft, key);
    draft.push({ kind: 'lookup', ...named(set), source: 0, ...(op === '!=' ? { inverted: true } : {}) });
  };
}

/** `… vmap @map`: does what the map says of the key; goes on if it says nothing. */
export function vmap(key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    loadKey(draft, key);
    draft.push({ kind: 'lookup', ...named(map), source: 0, dest: 'verdict' });
  };
}

/** `ct mark set … map @map`: goes on with the mark unchanged if the map has no such key. */
export function ctMarkFromMap(key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    loadKey(draft, key);
    draft.push(
      { kind: 'lookup', ...named(map), source: 0, dest: 0 },
      { kind: 'ct-set', key: 'mark', source: 0 },
    );
  };
}

/** `dnat ip to … map @map` where the map's values are (address . port). */
export function dnatFromMap(family: 'ip' | 'ip6', key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    loadKey(draft, key, family);
    const portMin = family === 'ip' ? 1 : 4;
    draft.push(
      { kind: 'lookup', ...named(map), source: 0, dest: 0 },
      { kind: 'nat', type: 'dnat', family, addressMin: 0, portMin, flags: [] },
    );
  };
}

/** Loads the fields into consecutive registers from 0 on, each at a multiple of four bytes. */
export function loadKey(draft: RuleDraft, key: Field | readonly Field[], family?: 'ip' | 'ip6'): void {
  const fields: readonly Field[] = Array.isArray(key) ? key : [key as Field];
  if (family !== undefined) draft.needNetwork(family);
  for (const field of fields) if (field.network !== undefined) draft.needNetwork(field.network);
  let dest: Register = 0;
  for (const field of fields) {
    draft.push(field.load(dest));
    dest += Math.ceil(field.size / 4);
  }
}

function named(set: SetName): { set: string; setId?: number } {
  return typeof set === 'string' ? { set } : { set: set.name, setId: set.id };
}
