/** What a caller wants to do with a volume, read from the protocol's VolumeCapability. Pure. */

import { AccessModeMode, type VolumeCapability } from '#messages/csi';
import { invalidArgument } from './status.ts';

/** How many nodes and pods may use a volume at the same time, and how. */
export type AccessMode = Exclude<keyof typeof AccessModeMode, 'UNKNOWN'>;

/** One VolumeCapability. */
export interface Capability {
  readonly mode: AccessMode;
  readonly access: BlockAccess | MountAccess;
}

/** The volume is a block device. */
export interface BlockAccess {
  readonly type: 'block';
}

/** The volume is a directory. */
export interface MountAccess {
  readonly type: 'mount';
  /** Empty: the driver's default. */
  readonly fsType: string;
  /** Options of mount(8); may be secret (spec: "mount_flags" may contain sensitive information). */
  readonly mountFlags: readonly string[];
}

const MODES: ReadonlyMap<number, AccessMode> = new Map(
  Object.entries(AccessModeMode).flatMap(([name, value]) =>
    value === AccessModeMode.UNKNOWN ? [] : [[value, name as AccessMode] as const],
  ),
);

/** Reads one. @param field its name in the request, for the error @throws RpcError INVALID_ARGUMENT */
export function capabilityOf(message: VolumeCapability | undefined, field: string): Capability {
  if (!message) throw invalidArgument(field, 'is missing');
  const mode = MODES.get(message.accessMode?.mode ?? 0);
  if (!mode) throw invalidArgument(`${field}.access_mode`, 'is missing or unknown');
  if (message.block) return { mode, access: { type: 'block' } };
  if (!message.mount) throw invalidArgument(`${field}.access_type`, 'must be block or mount');
  const { fsType, mountFlags, volumeMountGroup } = message.mount;
  // The kubelet sends one to drivers that say VOLUME_MOUNT_GROUP alone, and sets the group itself for the others.
  if (volumeMountGroup !== '') throw invalidArgument(`${field}.mount.volume_mount_group`, 'is not supported');
  return { mode, access: { type: 'mount', fsType, mountFlags } };
}

/** Reads a list that must have at least one. @throws RpcError INVALID_ARGUMENT */
export function capabilitiesOf(messages: readonly VolumeCapability[], field: string): readonly Capability[] {
  if (messages.length === 0) throw invalidArgument(field, 'is empty');
  return messages.map((message, index) => capabilityOf(message, `${field}[${index}]`));
}

/** True where nobody may write. */
export function isReadOnlyMode(mode: AccessMode): boolean {
  return mode === 'SINGLE_NODE_READER_ONLY' || mode === 'MULTI_NODE_READER_ONLY';
}

/** True where pods of several nodes may use the volume at the same time. */
export function isMultiNodeMode(mode: AccessMode): boolean {
  return mode.startsWith('MULTI_NODE');
}
