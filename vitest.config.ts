import { defineConfig } from 'vitest/config';

/**
 * Run by Bun (`bun --bun vitest run`). Test files run in processes of their own (forks), because kernel tests enter
 * network namespaces and a thread that the runtime spawns meanwhile would stay there.
 */
/** Slow tests (`*.ci.test.ts`) run only in the tiers `ci` and `soak`. */
const quick = process.env['UNDERPOD_TIER'] === undefined || process.env['UNDERPOD_TIER'] === 'test';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'build/**', ...(quick ? ['**/*.ci.test.ts'] : [])],
    pool: 'forks',
    // One file waits for the kernel (a veth deletion takes 20 ms) while another computes; more only adds start-up.
    maxWorkers: 2,
    // A compile of the executable or a VM's boot sets its own limit; everything else is quick or wrong.
    testTimeout: 20_000,
    hookTimeout: 30_000,
    passWithNoTests: true,
  },
});
