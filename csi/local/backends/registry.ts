/** The ways of keeping volumes that there are. */

import type { Backend } from './backend.ts';

/** One of each. */
export function backends(): readonly Backend[] {
  return [];
}
