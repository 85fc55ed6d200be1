/** A sample of the points at which the driver can be killed; main.ts tries all. */

import { describe, expect, test } from 'vitest';
import { freshNetns } from '../../testing/netns.ts';
import { Random } from '../../testing/random.ts';
import { slowness } from '../../testing/slowness.ts';
import { CsiKills } from './points.ts';
import { sampleOf } from './sample.ts';

const isTraceable = Bun.which('strace') !== null;
if (!isTraceable) process.stderr.write('skipped: kills of the CSI driver: no strace here\n');

describe.skipIf(!isTraceable || !freshNetns())('kill -9 of the CSI driver', () => {
  test(
    'before a system call: the call made again does the same, nothing is lost and nothing left',
    async () => {
      const seed = Number(process.env['CI_SEED'] ?? 1);
      await using kills = await CsiKills.start();
      const points = sampleOf(await kills.points(), 4, new Random(seed));
      const { problems, killed, tried } = await kills.run(points);
      expect(problems).toEqual([]);
      // Threads do not always share their work alike; most points are met all the same.
      expect(killed).toBeGreaterThan(tried / 2);
    },
    300_000 * slowness,
  );
});
