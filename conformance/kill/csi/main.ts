/**
 * Kills `underpod csi local` at the system calls of every call of a volume's life.
 *
 * Usage: csi/main.ts [--points N|all (of each call; all)] [--plan TEXT] [--seed N] [--verbose]
 * Ends with `N passed, N failed`; exit code 1 if anything was lost or left.
 */

import { parseArgs } from 'node:util';
import { freshNetns } from '../../testing/netns.ts';
import { Random } from '../../testing/random.ts';
import { CsiKills, pointName } from './points.ts';
import { sampleOf } from './sample.ts';

const { values } = parseArgs({
  options: {
    points: { type: 'string', default: 'all' },
    plan: { type: 'string', default: '' },
    verbose: { type: 'boolean' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
if (!freshNetns()) process.exit(1);
await using kills = await CsiKills.start();
const all = (await kills.points()).filter(({ plan }) => plan.name.includes(values.plan));
const chosen =
  values.points === 'all' ? all : sampleOf(all, Number(values.points), new Random(Number(values.seed)));
process.stdout.write(`seed ${values.seed}: ${chosen.length} of ${all.length} points\n`);
let failed = 0;
for (const point of chosen) {
  if (values.verbose) process.stdout.write(`${pointName(point)}\n`);
  const { problems } = await kills.run([point]);
  if (problems.length > 0) failed++;
  for (const problem of problems) process.stdout.write(`FAIL ${problem}\n`);
}
process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
