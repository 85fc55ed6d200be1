/** The ways of keeping volumes that there are. */

import type { Backend } from './backend.ts';
import { LoopBackend } from './loop.ts';

/** One of each. */
export function backends(): readonly Backend[] {
  return [new LoopBackend()];
}
