/** What ext4 says of itself in its superblock. Pure. Source: Documentation/filesystems/ext4/super.rst of the kernel. */

/** Where it lies on the device, and how much of it is looked at. */
export const SUPERBLOCK = { offset: 1024, length: 1024 } as const;

const MAGIC = 0xef53;

/** s_state */
const VALID_FS = 1;
const ERROR_FS = 2;

/**
 * Whether the file system has to be checked before it is mounted: `errors` were found in it while it was mounted, or it was not
 * unmounted and has no journal that would mend that. What was cut off with a journal is clean: mounting replays it.
 */
export function ext4State(superblock: Uint8Array): 'clean' | 'unclean' | 'errors' | 'none' {
  const view = new DataView(superblock.buffer, superblock.byteOffset, superblock.length);
  if (view.getUint16(0x38, true) !== MAGIC) return 'none';
  const state = view.getUint16(0x3a, true);
  if ((state & ERROR_FS) !== 0) return 'errors';
  return (state & VALID_FS) === 0 ? 'unclean' : 'clean';
}
