import { typeLength } from '../codec/data-types.ts';
import { compareKeys } from '../codec/interval.ts';
import type { Element, Elements } from '../model/element.ts';
import type { NftMap, NftSet } from '../model/set.ts';
import { checkTarget } from './objects.ts';
import { isSetUsed, validate } from './references.ts';
import { type Draft, type Held, refuse, type SetState, type TableState } from './state.ts';

/** @param now the clock, in milliseconds */
export function addElements(
  draft: Draft,
  verb: 'add' | 'create',
  { set: ref, elements }: Elements,
  now: number,
): void {
  const table = draft.table(ref.family, ref.table);
  const state = draft.set(ref);
  if (state.set.constant && isSetUsed(table, ref.name)) refuse('EBUSY');
  dropExpired(state, now);
  let verdicts = false;
  for (const element of elements) {
    check(table, state.set, element);
    verdicts ||= element.data !== undefined && !(element.data instanceof Uint8Array);
    const key = keyText(element.key);
    const held = state.elements.get(key);
    if (held !== undefined && same(held.element, element)) {
      if (verb === 'create') refuse('EEXIST');
      continue;
    }
    if (held !== undefined || overlaps(state, element)) refuse('EEXIST');
    if (state.set.size !== undefined && state.elements.size >= state.set.size) refuse('ENFILE');
    const timeout = element.timeout ?? state.set.timeout;
    state.elements.set(key, {
      element,
      expiresAt: timeout === undefined ? Number.POSITIVE_INFINITY : now + (element.expires ?? timeout),
    });
  }
  if (verdicts) validate(table);
}

export function deleteElements(draft: Draft, { set: ref, elements }: Elements, now: number): void {
  const table = draft.table(ref.family, ref.table);
  const state = draft.set(ref);
  if (state.set.constant && isSetUsed(table, ref.name)) refuse('EBUSY');
  dropExpired(state, now);
  for (const element of elements) {
    const held = state.elements.get(keyText(element.key));
    if (held === undefined || compareKeys(lastKey(held.element), lastKey(element)) !== 0) refuse('ENOENT');
    state.elements.delete(keyText(element.key));
  }
}

/** The elements as the kernel lists them: those with a time to live say how much of it is left. */
export function listElements({ set, elements }: SetState, now: number): Element[] {
  const list: Element[] = [];
  for (const held of elements.values()) if (held.expiresAt > now) list.push(shown(set, held, now));
  return list;
}

function shown(set: NftSet | NftMap, { element, expiresAt }: Held, now: number): Element {
  if (expiresAt === Number.POSITIVE_INFINITY) return element;
  const timeout = element.timeout ?? set.timeout;
  return { ...element, ...(timeout === undefined ? {} : { timeout }), expires: expiresAt - now };
}

function check(table: TableState, set: NftSet | NftMap, { key, keyEnd, data, timeout }: Element): void {
  const length = typeLength(set.key);
  if (key.length !== length || (keyEnd !== undefined && (keyEnd.length !== length || !set.interval)))
    refuse('EINVAL');
  if (timeout !== undefined && !set.timeouts && set.timeout === undefined) refuse('EINVAL');
  if ((set.kind === 'map') !== (data !== undefined)) refuse('EINVAL');
  if (set.kind !== 'map' || data === undefined) return;
  if (data instanceof Uint8Array !== (set.data !== 'verdict')) refuse('EINVAL');
  if (data instanceof Uint8Array) {
    if (set.data !== 'verdict' && data.length !== typeLength(set.data)) refuse('EINVAL');
  } else if ('chain' in data) {
    checkTarget(table, data.chain);
  }
}

/** Only ranges can meet without having the same key. */
function overlaps({ set, elements }: SetState, element: Element): boolean {
  if (!set.interval || set.key.length > 1) return false;
  for (const { element: other } of elements.values()) {
    if (compareKeys(element.key, lastKey(other)) <= 0 && compareKeys(other.key, lastKey(element)) <= 0)
      return true;
  }
  return false;
}

function dropExpired(state: SetState, now: number): void {
  for (const [key, { expiresAt }] of state.elements) if (expiresAt <= now) state.elements.delete(key);
}

/** Whether adding the one where the other is changes nothing. */
function same(a: Element, b: Element): boolean {
  if (compareKeys(lastKey(a), lastKey(b)) !== 0) return false;
  if (a.data instanceof Uint8Array && b.data instanceof Uint8Array) return compareKeys(a.data, b.data) === 0;
  return JSON.stringify(a.data) === JSON.stringify(b.data);
}

function lastKey({ key, keyEnd }: Element): Uint8Array {
  return keyEnd ?? key;
}

function keyText(key: Uint8Array): string {
  return key.toHex();
}
