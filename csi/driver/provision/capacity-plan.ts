/** Which CSIStorageCapacity objects this node's driver should have: the scheduler reads them. Pure. */

import { formatQuantity, parseQuantity } from '../../../shared/kube/quantity.ts';
import type { CsiStorageCapacity, StorageClass } from '../../../shared/kube/storage-types.ts';
import type { OwnerReference } from '../../../shared/kube/types.ts';
import type { Segments } from './topology.ts';

export const DRIVER_LABEL = 'csi.storage.k8s.io/drivername';
export const MANAGER_LABEL = 'csi.storage.k8s.io/managed-by';

/** validation.DNS1035LabelMaxLength of apimachinery. */
const LONGEST_LABEL = 63;

/** What the driver says of one class. */
export interface Room {
  readonly className: string;
  readonly available: bigint;
  readonly largest: bigint | undefined;
}

export interface CapacityPlan {
  readonly create: readonly CsiStorageCapacity[];
  readonly update: readonly { readonly name: string; readonly patch: object }[];
  /** Names. */
  readonly remove: readonly string[];
}

export interface CapacityOptions {
  readonly driver: string;
  /** See `managerName`. */
  readonly manager: string;
  readonly namespace: string;
  readonly segments: Segments;
  readonly owner: OwnerReference | undefined;
  /** Five characters that make a name another one. */
  readonly suffix: () => string;
}

/** Classes whose room anybody asks for: where a volume's node is chosen by its pod. */
export function isTold({ volumeBindingMode }: StorageClass): boolean {
  return volumeBindingMode === 'WaitForFirstConsumer';
}

/**
 * @param rooms of the classes that the driver answered for
 * @param silent names of classes that it did not: their objects stay as they are
 * @param objects those of this manager
 */
export function capacityPlan(
  rooms: readonly Room[],
  silent: ReadonlySet<string>,
  objects: readonly CsiStorageCapacity[],
  options: CapacityOptions,
): CapacityPlan {
  const { segments, owner } = options;
  const kept = new Map<string, CsiStorageCapacity>();
  const remove: string[] = [];
  for (const object of objects) {
    const { storageClassName: name } = object;
    const isWanted = silent.has(name) || rooms.some(({ className }) => className === name);
    if (isWanted && !kept.has(name) && isOf(object, segments)) kept.set(name, object);
    else remove.push(object.metadata.name);
  }
  const create: CsiStorageCapacity[] = [];
  const update: { name: string; patch: object }[] = [];
  for (const room of rooms) {
    const object = kept.get(room.className);
    if (!object) create.push(objectOf(room, options));
    else if (!isCurrent(object, room) || !isOwned(object, owner))
      update.push({ name: object.metadata.name, patch: patchOf(object, room, owner) });
  }
  return { create, update, remove };
}

function objectOf(
  { className, available, largest }: Room,
  { driver, manager, namespace, segments, owner, suffix }: CapacityOptions,
): CsiStorageCapacity {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIStorageCapacity',
    metadata: {
      name: `csisc-${suffix()}`,
      namespace,
      labels: { [DRIVER_LABEL]: driver, [MANAGER_LABEL]: manager },
      ...(owner && { ownerReferences: [owner] }),
    },
    storageClassName: className,
    nodeTopology: { matchLabels: segments },
    capacity: formatQuantity(available),
    ...(largest !== undefined && { maximumVolumeSize: formatQuantity(largest) }),
  };
}

function patchOf(
  { metadata }: CsiStorageCapacity,
  { available, largest }: Room,
  owner: OwnerReference | undefined,
): object {
  const owners = metadata.ownerReferences ?? [];
  const isMissing = owner && !owners.some(({ uid }) => uid === owner.uid);
  return {
    ...(isMissing && { metadata: { ownerReferences: [...owners, owner] } }),
    capacity: formatQuantity(available),
    maximumVolumeSize: largest === undefined ? null : formatQuantity(largest),
  };
}

function isCurrent({ capacity, maximumVolumeSize }: CsiStorageCapacity, room: Room): boolean {
  const largest = maximumVolumeSize === undefined ? undefined : parseQuantity(maximumVolumeSize);
  return capacity !== undefined && parseQuantity(capacity) === room.available && largest === room.largest;
}

function isOwned(
  { metadata: { ownerReferences = [] } }: CsiStorageCapacity,
  owner: OwnerReference | undefined,
): boolean {
  return !owner || ownerReferences.some(({ uid, controller }) => uid === owner.uid && controller === true);
}

/** An object's topology cannot be changed: of another one it is another object. */
function isOf({ nodeTopology }: CsiStorageCapacity, segments: Segments): boolean {
  const { matchLabels = {}, matchExpressions = [] } = nodeTopology ?? {};
  const keys = Object.keys(matchLabels);
  return (
    matchExpressions.length === 0 &&
    keys.length === Object.keys(segments).length &&
    keys.every((key) => matchLabels[key] === segments[key])
  );
}

/** `external-provisioner-NODE`, shortened as external-provisioner does it (getNameWithMaxLength). */
export function managerName(node: string | undefined): string {
  const base = 'external-provisioner';
  if (node === undefined) return base;
  const name = `${base}-${node}`;
  if (name.length <= LONGEST_LABEL) return name;
  const left = LONGEST_LABEL - 10 - node.length;
  if (left <= 0) return `${base}-${fnv(name)}`;
  return `${base.slice(0, left)}-${fnv(base)}-${node}`;
}

/** FNV-1a of 32 bits, in eight hexadecimal digits. */
function fnv(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}
