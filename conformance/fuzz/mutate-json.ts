import type { Random } from '../testing/random.ts';
import { mutateText } from './mutate-text.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const numbers = [0, -0, 1, -1, 0.5, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, -1e-7];

/** A deep copy of a JSON value with one change at a random place. */
export function mutateJson(value: unknown, random: Random): unknown {
  const copy = structuredClone(value) as Json;
  const holder = { root: copy };
  const places = placesOf(holder);
  const { parent, key } = random.pick(places);
  change(parent, key, random);
  return holder.root;
}

type Parent = Json[] | { [key: string]: Json };

function placesOf(parent: Parent): { parent: Parent; key: string }[] {
  return Object.entries(parent).flatMap(([key, child]) => {
    const here = { parent, key };
    return typeof child === 'object' && child !== null ? [here, ...placesOf(child)] : [here];
  });
}

function change(parent: Parent, key: string, random: Random): void {
  const value = get(parent, key);
  switch (random.below(6)) {
    case 0:
      // Another type.
      set(parent, key, anything(random));
      return;
    case 1:
      remove(parent, key);
      return;
    case 2:
      // A key that nobody knows beside it, or the element twice.
      if (Array.isArray(parent)) parent.push(structuredClone(value));
      else set(parent, mutateText(key, random), anything(random));
      return;
    case 3:
      if (!Array.isArray(parent)) {
        set(parent, mutateText(key, random), value);
        remove(parent, key);
        return;
      }
      parent.reverse();
      return;
    default:
      set(parent, key, similar(value, random));
      return;
  }
}

/** A value of the same type. */
function similar(value: Json, random: Random): Json {
  if (typeof value === 'string') return mutateText(value, random);
  if (typeof value === 'number')
    return random.below(2) === 0 ? random.pick(numbers) : value + random.below(3) - 1;
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return random.below(2) === 0 ? [] : [...value, ...structuredClone(value)];
  return value === null
    ? null
    : random.below(2) === 0
      ? {}
      : { ...value, [mutateText('key', random)]: value };
}

function anything(random: Random): Json {
  return random.pick<() => Json>([
    () => null,
    () => random.below(2) === 0,
    () => random.pick(numbers),
    () => mutateText('text', random),
    () => [],
    () => [null],
    () => ({}),
    () => ({ type: 'x' }),
    () => nest(random.below(60)),
  ])();
}

function nest(depth: number): Json {
  let value: Json = [];
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? { a: value } : [value];
  return value;
}

function get(parent: Parent, key: string): Json {
  return (Array.isArray(parent) ? parent[Number(key)] : parent[key]) ?? null;
}

function set(parent: Parent, key: string, value: Json): void {
  if (Array.isArray(parent)) parent[Number(key)] = value;
  // Not by assignment: "__proto__" shall be a key like any other, as JSON.parse makes it.
  else Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function remove(parent: Parent, key: string): void {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else if (key === 'root') parent[key] = null;
  else delete parent[key];
}
