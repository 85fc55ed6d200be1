import type { JsonObject } from './json.ts';
import { readObject } from './json.ts';

/** Capabilities whose values are structures (CNI's CONVENTIONS.md). */
const structured = ['portMappings', 'bandwidth', 'ipRanges', 'dns'] as const;

/**
 * `runtimeConfig`, with the names that the conventions give: containerd (go-cni's PortMapping, BandWidth, IPRanges, DNS)
 * writes `HostPort` for `hostPort` and so on. Go's plugins do not see a difference, since its decoder takes a name in any
 * case; its structures' names begin with a capital and are the same after that.
 */
export function readRuntimeConfig(value: unknown): JsonObject {
  const raw = readObject(value, 'runtimeConfig') ?? {};
  let normal: Record<string, unknown> | undefined;
  for (const capability of structured) {
    const given = raw[capability];
    const named = withSmallInitials(given);
    if (named === given) continue;
    normal ??= { ...raw };
    normal[capability] = named;
  }
  return normal ?? raw;
}

/** The value with no capital at the beginning of a key; the value itself where there is none. Pure. */
function withSmallInitials(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const entries: unknown[] = [];
    let changed = false;
    for (const entry of value) {
      const named = withSmallInitials(entry);
      changed ||= named !== entry;
      entries.push(named);
    }
    return changed ? entries : value;
  }
  const named: Record<string, unknown> = {};
  let changed = false;
  for (const [key, entry] of Object.entries(value)) {
    const small = key.slice(0, 1).toLowerCase() + key.slice(1);
    const inner = withSmallInitials(entry);
    changed ||= small !== key || inner !== entry;
    // The exact name wins.
    if (small === key || !(small in value)) named[small] = inner;
  }
  return changed ? named : value;
}
