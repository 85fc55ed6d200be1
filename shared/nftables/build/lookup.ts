import type { Expression, Register } from '../model/expression.ts';
import type { Field } from './field.ts';
import type { Part, RuleDraft } from './rule.ts';

/** A set's or map's name; of an anonymous one (build/anonymous.ts) its id in the transaction as well. */
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

/** `ct mark set … map @map`: goes on with the next rule, the mark unchanged, if the map has no such key. */
export function ctMarkFromMap(key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    loadKey(draft, key);
    draft.push(
      { kind: 'lookup', ...named(map), source: 0, dest: 0 },
      { kind: 'ct-set', key: 'mark', source: 0 },
    );
  };
}

/** `meta priority set … map @map`: goes on with the next rule, the priority unchanged, if the map has no such key. */
export function priorityFromMap(key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    loadKey(draft, key);
    draft.push(
      { kind: 'lookup', ...named(map), source: 0, dest: 0 },
      { kind: 'meta-set', key: 'priority', source: 0 },
    );
  };
}

/**
 * `update @set { … timeout 10s counter }`: adds the key to a dynamic set, or starts its time anew. A full set lets the
 * packet go on with the next rule, nothing after this in the rule is done then.
 *
 * @param timeout in milliseconds; the set's own if absent
 * @param expressions run for the element: a counter, for instance
 */
export function updateSet(
  key: Field | readonly Field[],
  set: SetName,
  options: {
    readonly timeout?: number;
    readonly expressions?: readonly Expression[];
    readonly op?: 'add' | 'update';
  } = {},
): Part {
  const { op = 'update', ...rest } = options;
  return (draft) => {
    loadKey(draft, key);
    draft.push({ kind: 'dynset', ...named(set), op, sourceKey: 0, ...rest });
  };
}

/** Loads the fields into consecutive registers from 0 on, each at a multiple of four bytes. */
export function loadKey(draft: RuleDraft, key: Field | readonly Field[]): void {
  const fields: readonly Field[] = Array.isArray(key) ? key : [key as Field];
  for (const field of fields) if (field.network !== undefined) draft.needNetwork(field.network);
  let dest: Register = 0;
  for (const field of fields) {
    draft.push(field.load(dest));
    dest += Math.ceil(field.size / 4);
  }
}

/** A set as look-ups name it. */
export function named(set: SetName): { set: string; setId?: number } {
  return typeof set === 'string' ? { set } : { set: set.name, setId: set.id };
}
