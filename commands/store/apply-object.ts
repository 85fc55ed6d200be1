/** What applying a manifest to a stored object gives, as kubectl's three-way merge does for plain fields. Pure. */

import type { KubeObject } from '../../shared/store/kube-object.ts';

/** kubectl's own annotation, so that objects can move between a cluster and this store. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

type Fields = Readonly<Record<string, unknown>>;

/** `metadata` that is the store's or that says nothing of what is wanted. */
const storeOwned = ['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'managedFields', 'selfLink'];

/**
 * The object to store: what the manifest says wins, what an earlier manifest said and this one does not is removed,
 * what others wrote (an agent's annotations and podCIDRs) stays. Lists are replaced as a whole.
 */
export function mergeApplied(manifest: KubeObject, stored: KubeObject | undefined): KubeObject {
  const wanted = withoutStoreOwned(manifest);
  const before = stored && lastApplied(stored);
  const merged = merge(wanted, before, stored) as KubeObject;
  return {
    ...merged,
    metadata: {
      ...merged.metadata,
      annotations: { ...merged.metadata.annotations, [LAST_APPLIED]: JSON.stringify(wanted) },
    },
  };
}

function merge(wanted: Fields, before: Fields | undefined, stored: Fields | undefined): Fields {
  const result: Record<string, unknown> = { ...stored };
  for (const key of Object.keys(before ?? {})) if (!(key in wanted)) delete result[key];
  for (const [key, value] of Object.entries(wanted)) {
    // `null` asks for the field to be absent, as in a JSON merge patch (RFC 7386).
    if (value === null) delete result[key];
    else
      result[key] = isFields(value) ? merge(value, fieldsOf(before?.[key]), fieldsOf(stored?.[key])) : value;
  }
  return result;
}

function withoutStoreOwned(manifest: KubeObject): KubeObject {
  const metadata: Record<string, unknown> = { ...manifest.metadata };
  for (const key of storeOwned) delete metadata[key];
  // Of an exported object; nested in itself it would grow with every round.
  if (isFields(metadata['annotations'])) {
    const { [LAST_APPLIED]: _, ...annotations } = metadata['annotations'];
    metadata['annotations'] = annotations;
  }
  return { ...manifest, metadata: metadata as KubeObject['metadata'] };
}

function lastApplied(stored: KubeObject): Fields | undefined {
  const text = stored.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    // Edited by hand: nothing is known of earlier manifests, so nothing of theirs is removed.
    return undefined;
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return isFields(value) ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
