/** The ways of keeping volumes that there are. */

import type { Backend } from './backend.ts';
import { BtrfsBackend } from './btrfs.ts';
import { DirectoryBackend } from './directory.ts';
import { LoopBackend } from './loop.ts';
import { QuotaBackend } from './quota.ts';

/** One of each, the usual one first. */
export function backends(): readonly Backend[] {
  return [new LoopBackend(), new QuotaBackend(), new BtrfsBackend(), new DirectoryBackend()];
}
