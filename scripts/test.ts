/**
 * Runs a tier of tests and says what it ran.
 *
 * `test`: every `*.test.ts` but the slow ones. `ci`: the slow ones, `*.ci.test.ts`. The tier reaches the tests as
 * UNDERPOD_TIER. Further arguments go to vitest (`scripts/test.ts test cni/plugins`).
 */
import { getuid } from 'node:process';

const tier = process.argv[2];
if (tier !== 'test' && tier !== 'ci') {
  console.error('usage: scripts/test.ts test|ci [VITEST ARGUMENTS]');
  process.exit(2);
}

console.log(
  `tier ${tier}: ${tier === 'ci' ? '*.ci.test.ts' : '*.test.ts'} with vitest on Bun ${Bun.version}`,
);
if (getuid?.() !== 0) console.log('not root: tests of the kernel are skipped, each with its reason');

const vitest = Bun.spawnSync(
  [process.execPath, '--bun', 'node_modules/.bin/vitest', 'run', ...process.argv.slice(3)],
  { stdio: ['inherit', 'inherit', 'inherit'], env: { ...process.env, UNDERPOD_TIER: tier } },
);
process.exit(vitest.exitCode ?? 1);
