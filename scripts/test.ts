/**
 * Runs a tier of tests and says what it ran.
 *
 * `test`: every `*.test.ts`. `ci`: also the slow ones, `*.ci.test.ts`. The tier reaches the tests as UNDERPOD_TIER, so
 * that a property test can take more rounds. Further arguments go to vitest (`scripts/test.ts test cni/plugins`).
 */
import { getuid } from 'node:process';

const tier = process.argv[2] ?? 'test';
if (tier !== 'test' && tier !== 'ci') {
  console.error(`scripts/test.ts: no tier "${tier}": use test or ci`);
  process.exit(2);
}

console.log(`tier ${tier}: vitest on Bun ${Bun.version}${tier === 'ci' ? ', with *.ci.test.ts' : ''}`);
if (getuid?.() !== 0) console.log('not root: tests of the kernel are skipped, each with its reason');

const started = performance.now();
const vitest = Bun.spawnSync(
  [process.execPath, '--bun', 'node_modules/.bin/vitest', 'run', ...process.argv.slice(3)],
  { stdio: ['inherit', 'inherit', 'inherit'], env: { ...process.env, UNDERPOD_TIER: tier } },
);
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(`tier ${tier}: ${vitest.exitCode === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
process.exit(vitest.exitCode ?? 1);
