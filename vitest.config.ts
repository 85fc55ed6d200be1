import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config';
import { slowness } from './conformance/testing/slowness.ts';

/**
 * Slow tests, `*.ci.test.ts`, make a tier of their own: `.ci/run` runs both. The VM names files of either. Too slow for that,
 * `*.soak.test.ts`, is what `make soak` alone runs.
 */
const tier = process.env['UNDERPOD_TIER'];
const ofTier = tier === 'ci' || tier === 'soak' ? `**/*.${tier}.test.ts` : '**/*.test.ts';

/**
 * Run by Bun (`bun --bun vitest run`). Test files run in processes of their own (forks), because kernel tests enter
 * network namespaces and a thread that the runtime spawns meanwhile would stay there.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    include: [ofTier],
    exclude: [
      ...configDefaults.exclude,
      'dist/**',
      'build/**',
      ...(tier === 'ci' || tier === 'vm' ? [] : ['**/*.ci.test.ts']),
      ...(tier === 'soak' ? [] : ['**/*.soak.test.ts']),
    ],
    // Everything but the tests themselves is loaded by Bun as it is, not module by module through Vite: a tenth of the time.
    server: { deps: { external: [/(?<!\.test)\.ts$/] } },
    pool: 'forks',
    // One file waits for the kernel (a veth deletion takes 20 ms) while another computes; more only adds start-up.
    maxWorkers: 2,
    // A compile of the executable or a VM's boot sets its own limit; everything else is quick or wrong.
    testTimeout: 20_000 * slowness,
    hookTimeout: 30_000 * slowness,
    passWithNoTests: true,
  },
});

export default config;
