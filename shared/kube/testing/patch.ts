/** The three kinds of patches, as the API server applies them to what is in use here. Pure. */

import { Refusal } from './fake-store.ts';

type Value = unknown;
type Fields = Readonly<Record<string, unknown>>;

/** Which key tells the items of a list apart, by the list's name (`patchMergeKey` of Kubernetes' types). */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  env: 'name',
  ownerReferences: 'uid',
};

/** @throws Refusal for a kind that there is none of */
export function applyPatch(object: Value, patch: Value, contentType: string): Value {
  switch (contentType.split(';')[0]) {
    case 'application/merge-patch+json':
      return merge(object, patch, false, '');
    case 'application/strategic-merge-patch+json':
      return merge(object, patch, true, '');
    case 'application/json-patch+json':
      return (patch as Operation[]).reduce(operate, object);
    default:
      throw new Refusal(415, 'UnsupportedMediaType', `a patch of type ${contentType}`);
  }
}

/** RFC 7396; strategic: lists that have a merge key are merged by it. */
function merge(object: Value, patch: Value, strategic: boolean, name: string): Value {
  if (Array.isArray(patch)) {
    const key = MERGE_KEYS[name];
    return strategic && key !== undefined ? mergeList(object, patch as Fields[], key) : patch;
  }
  if (!isFields(patch)) return patch;
  const result: Record<string, unknown> = { ...(isFields(object) && object) };
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith('$')) continue;
    if (value === null) delete result[field];
    else result[field] = merge(result[field], value, strategic, field);
  }
  return result;
}

function mergeList(list: Value, patch: readonly Fields[], key: string): Value {
  const result = Array.isArray(list) ? [...(list as Fields[])] : [];
  for (const item of patch) {
    const at = result.findIndex((old) => old[key] === item[key]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = merge(result[at], item, true, '') as Fields;
    else result.push(item);
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: Value;
}

/** RFC 6902: add, replace, remove and test of fields and list items. */
function operate(object: Value, { op, path, value }: Operation): Value {
  const keys = path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop();
  const copy = structuredClone(object);
  if (last === undefined) return value;
  const parent = keys.reduce<Value>((at, key) => (at as Fields | undefined)?.[key], copy);
  if (!isFields(parent) && !Array.isArray(parent)) throw new Refusal(422, 'Invalid', `there is no ${path}`);
  const fields = parent as Record<string, unknown>;
  if (op === 'test') {
    if (JSON.stringify(fields[last]) !== JSON.stringify(value))
      throw new Refusal(422, 'Invalid', `${path} differs`);
  } else if (Array.isArray(parent)) {
    const at = last === '-' ? parent.length : Number(last);
    parent.splice(at, op === 'add' ? 0 : 1, ...(op === 'remove' ? [] : [value]));
  } else if (op === 'remove') delete fields[last];
  else fields[last] = value;
  return copy;
}

function isFields(value: Value): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
