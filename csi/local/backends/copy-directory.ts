/** Copies a volume that is a directory: each file by reflink where the pool can, else its data. */

import { reflink } from '../../../shared/sys/allocate.ts';
import { copyTree } from '../../../shared/sys/copy-tree.ts';
import { fstat } from '../../../shared/sys/stat.ts';
import type { Work } from './backend.ts';
import { DataCopy, newBuffer } from './copy-data.ts';
import { writeOut } from './still.ts';

/**
 * Makes the empty directory `target` a copy of `source`, on the disk when this returns. Of a source in use it is not of one
 * moment: see copyTree.
 *
 * @param total what the source may hold, in bytes, against which progress is told
 * @throws SyscallError ENOSPC, EDQUOT; those of copyTree
 */
export async function copyDirectory(
  source: string,
  target: string,
  total: number,
  { signal, progress }: Work,
): Promise<void> {
  const buffer = newBuffer();
  let canReflink = true;
  let done = 0;
  await copyTree(source, target, {
    signal,
    copyData: async (from, to, path) => {
      canReflink = canReflink && reflink(from, to, path);
      if (!canReflink)
        await new DataCopy({ fd: from, path }, { fd: to, path }, signal, undefined, buffer).pass();
      done += fstat(from).size;
      progress?.(done, Math.max(done, total));
    },
  });
  await writeOut(target);
}
