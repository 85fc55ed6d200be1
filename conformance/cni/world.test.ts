import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { kernelTestsUnavailable, run } from '../testing/netns.ts';

/** Enters a world in a process of its own, which then ends as `ending` says. @returns its directory on disk */
function worldThatEnds(ending: string): string {
  const script = `
    const { enterWorld } = await import(process.argv[1]);
    const world = enterWorld();
    world.container();
    // By this thread: Bun.write uses one that is still outside, and would leave the file on the host.
    const { mkdirSync, writeFileSync } = await import('node:fs');
    mkdirSync('/var/lib/cni/networks/n', { recursive: true });
    writeFileSync('/var/lib/cni/networks/n/10.0.0.2', 'x');
    process.stdout.write(world.disk);
    ${ending}`;
  return run(process.execPath, '-e', script, `${import.meta.dirname}/world.ts`);
}

describe.skipIf(kernelTestsUnavailable() !== undefined)('a world leaves nothing on disk', () => {
  test.each(['', 'process.exit(0);', 'world[Symbol.dispose](); world[Symbol.dispose]();'])(
    'when the process ends with "%s"',
    (ending) => {
      const disk = worldThatEnds(ending);
      expect(disk).toMatch(/underpod-world-/);
      expect(existsSync(disk)).toBe(false);
    },
  );
});
