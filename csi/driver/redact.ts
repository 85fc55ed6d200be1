/** Messages as a log may hold them: without what the protocol's descriptor marks as secret. Pure. */

import type { AnyMessageType, Field } from '../../shared/grpc/wire/schema.ts';

const HIDDEN = '***';

/**
 * Keys of volume_context whose values are credentials, though the field as a whole is none: the kubelet puts a pod's
 * service account tokens there (CSIDriver.spec.tokenRequests).
 */
const SECRET_KEYS: ReadonlySet<string> = new Set(['csi.storage.k8s.io/serviceAccount.tokens']);

/** `message` without defaults, with `***` for what is secret; of secret maps the keys stay. */
export function redact(type: AnyMessageType, message: object): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  const values = message as Readonly<Record<string, unknown>>;
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined || isEmpty(field, value)) continue;
    shown[field.name] = shownOf(field, value);
  }
  return shown;
}

function shownOf(field: Field, value: unknown): unknown {
  if (field.label === 'map') {
    const entries = Object.entries(value as Readonly<Record<string, unknown>>);
    return Object.fromEntries(
      entries.map(([key, each]) => [key, field.secret || SECRET_KEYS.has(key) ? HIDDEN : each]),
    );
  }
  if (field.secret) return HIDDEN;
  if (field.kind !== 'message')
    return field.label === 'many' ? (value as unknown[]).map(plain) : plain(value);
  const type = field.type?.();
  if (!type) return HIDDEN;
  if (field.label === 'many') return (value as object[]).map((each) => redact(type, each));
  return redact(type, value as object);
}

/** What JSON cannot hold, as text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}

function isEmpty({ label }: Field, value: unknown): boolean {
  if (value === '' || value === 0 || value === 0n || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  // An empty message says something by being there; an empty map does not.
  return label === 'map' && Object.keys(value as object).length === 0;
}
