/** Which points a quick run takes. Pure. */

import type { Random } from '../../testing/random.ts';
import type { CsiPoint } from './points.ts';

/** `count` points of each plan, in the order of all. */
export function sampleOf(points: readonly CsiPoint[], count: number, random: Random): readonly CsiPoint[] {
  const chosen = new Set<CsiPoint>();
  for (const plan of new Set(points.map((point) => point.plan))) {
    const own = points.filter((point) => point.plan === plan);
    const rest = [...own];
    for (let n = 0; n < count && rest.length > 0; n++)
      chosen.add(...(rest.splice(random.below(rest.length), 1) as [CsiPoint]));
  }
  return points.filter((point) => chosen.has(point));
}
