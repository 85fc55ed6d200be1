/**
 * Runs a tier of tests and says what it ran.
 *
 * `test`: every `*.test.ts` but the slow ones. `ci`: the slow ones, `*.ci.test.ts`. `soak`: those that are too slow for CI,
 * `*.soak.test.ts`. The tier reaches the tests as
 * UNDERPOD_TIER. Further arguments go to vitest (`scripts/test.ts test cni/plugins`).
 */
import { getuid } from 'node:process';

const tier = process.argv[2];
if (tier !== 'test' && tier !== 'ci' && tier !== 'soak') {
  console.error('usage: scripts/test.ts test|ci|soak [VITEST ARGUMENTS]');
  process.exit(2);
}

console.log(
  `tier ${tier}: ${tier === 'test' ? '*.test.ts' : `*.${tier}.test.ts`} with vitest on Bun ${Bun.version}`,
);

/** Makes an ordinary user root of namespaces of their own: enough for nearly all tests of the kernel. */
const ASIDE = ['unshare', '--user', '--map-root-user', '--mount', '--net'];

/** What to put before the command. Tried, since distributions forbid user namespaces in several ways. */
function prefix(): readonly string[] {
  if (getuid?.() === 0) return [];
  const command = [...ASIDE, 'mount', '-t', 'tmpfs', 'none', '/tmp'];
  const trial = Bun.which('unshare') === null ? undefined : Bun.spawnSync(command, { stderr: 'pipe' });
  if (trial?.success) {
    console.log(
      'not root: the tests run in a user namespace; what needs the real root is skipped, with its reason',
    );
    return ASIDE.slice(0, 3);
  }
  const why = trial?.stderr.toString().trim() ?? 'unshare(1) is missing';
  console.log(
    `not root, and no user namespace (${why}): tests of the kernel are skipped, each with its reason`,
  );
  return [];
}

const vitest = Bun.spawnSync(
  [...prefix(), process.execPath, '--bun', 'node_modules/.bin/vitest', 'run', ...process.argv.slice(3)],
  { stdio: ['inherit', 'inherit', 'inherit'], env: { ...process.env, UNDERPOD_TIER: tier } },
);
process.exit(vitest.exitCode ?? 1);
