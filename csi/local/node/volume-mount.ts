/** What may be unmounted of a volume that this driver does not remember to have mounted. */

import { realpathSync } from 'node:fs';
import { type MountEntry, mountAt, mountOf } from '../../../shared/sys/mountinfo.ts';
import { readMounts } from '../../../shared/sys/mounts.ts';
import { failedPrecondition } from '../../driver/status.ts';
import type { LocalParts } from '../parts.ts';
import { isMountPoint } from './mounts.ts';

/**
 * Refuses what cannot be a volume: a node has mounts that it cannot do without, and an unmount asks for nothing but a path. A
 * driver that lost its records still takes away what is a loop device, or of a pool's file system.
 *
 * @throws RpcError FAILED_PRECONDITION
 */
export function requireVolumeMount({ uses, pools }: LocalParts, volume: string, path: string): void {
  if (uses.places(volume).includes(path) || !isMountPoint(path)) return;
  const mounts = readMounts();
  const there = mountAt(mounts, realPath(path));
  const ofPools = [...pools.values()].map(({ directory }) => mountOf(mounts, realPath(directory))?.source);
  if (!there || isLoop(there) || ofPools.includes(there.source)) return;
  throw failedPrecondition(`what is mounted at ${path} (${there.source}, ${there.fsType}) is no volume`);
}

function isLoop({ source, fsType, root }: MountEntry): boolean {
  return /^\/dev\/loop\d+$/.test(source) || (fsType === 'devtmpfs' && /^\/loop\d+$/.test(root));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // What is mounted there does not answer.
    return path;
  }
}
