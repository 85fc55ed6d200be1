/** How much a pod may read from and write to a volume: the keys of a VolumeAttributesClass. Pure. */

import { invalidArgument } from '../driver/status.ts';

const KEYS = ['readIOPS', 'writeIOPS', 'readBPS', 'writeBPS'] as const;
export type IoLimitKey = (typeof KEYS)[number];

/** Operations and bytes a second; what is not there is not limited. */
export type IoLimits = Readonly<Partial<Record<IoLimitKey, number>>>;

/** Reads mutable parameters: whole numbers, 0 for no limit. @throws RpcError INVALID_ARGUMENT for any other key or value */
export function parseIoLimits(parameters: Readonly<Record<string, string>>): IoLimits {
  const limits: Partial<Record<IoLimitKey, number>> = {};
  for (const [key, value] of Object.entries(parameters)) {
    if (!isKey(key))
      throw invalidArgument('mutable_parameters', `"${key}" is unknown; known are ${KEYS.join(', ')}`);
    if (!/^\d{1,15}$/.test(value))
      throw invalidArgument('mutable_parameters', `${key} must be a whole number, not "${value}"`);
    limits[key] = Number(value);
  }
  return limits;
}

/** What holds after a change that names some of them. */
export function mergeIoLimits(before: IoLimits, change: IoLimits): IoLimits {
  const merged = Object.entries({ ...before, ...change }).filter(([, value]) => value > 0);
  return Object.fromEntries(merged) as IoLimits;
}

/** True for what a record may hold. */
export function isIoLimits(value: unknown): value is IoLimits {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([key, limit]) => isKey(key) && Number.isSafeInteger(limit) && limit > 0,
  );
}

function isKey(key: string): key is IoLimitKey {
  return (KEYS as readonly string[]).includes(key);
}
