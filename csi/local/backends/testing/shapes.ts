/** Volumes as small as they can be. */

import type { FsType, Shape } from '../backend.ts';

const MIB = 1024 * 1024;

const SIZES: Readonly<Record<FsType, number>> = { ext4: 32 * MIB, xfs: 320 * MIB, btrfs: 256 * MIB };

export function shapeOf(fsType: FsType): Shape {
  return { size: SIZES[fsType], thin: false, access: 'mount', fsType };
}
