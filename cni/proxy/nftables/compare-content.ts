/** What the shared maps lack, and what they hold too much. Pure. */

import { type Change, Changes } from './changes.ts';
import type { Sink } from './content.ts';
import { Deviations } from './deviations.ts';
import { isSlots } from './layout.ts';
import type { SharedContent } from './read-back.ts';

/**
 * @param content as it was read back; used up
 * @param tell tells every element that there should be
 * @param known what was known to deviate before
 * @returns what is to be changed now, and the slots that are to go later
 */
export function compareContent(
  content: SharedContent,
  tell: (sink: Sink) => void,
  known: Deviations,
  now: number,
): { readonly changes: Change[]; readonly deviations: Deviations } {
  const deviations = new Deviations();
  const differences = new Changes();
  tell((map, key, value) => {
    const elements = content.get(map);
    const held = elements?.get(key);
    elements?.delete(key);
    if (held === value) return;
    if (held !== undefined) differences.remove(map, key, held);
    differences.add(map, key, value);
  });
  for (const [map, elements] of content) {
    for (const [key, held] of elements) {
      if (isSlots(map)) deviations.note(map, key, held, undefined, known.since(map, key) ?? now);
      else differences.remove(map, key, held);
    }
  }
  return { changes: [...differences], deviations };
}
