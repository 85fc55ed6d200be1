import { afterAll, describe, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { linkTypes } from '../bench/cni.ts';
import { executable } from '../build/executable.ts';
import { missingFeature } from '../cni/features.ts';
import { linkUpstream, upstreamFlannel } from '../cni/upstream.ts';
import { enterWorld } from '../cni/world.ts';
import { slowness } from '../testing/slowness.ts';
import { allowed, covers } from './allowed.ts';
import { versions } from './case.ts';
import { allTypes } from './cases.ts';
import { type Difference, differences } from './compare.ts';
import { runCase } from './run.ts';

/**
 * Types × operations × versions: our executable and upstream's get the same calls on nodes of their own, and answers,
 * kernel and files are the same but for what `allowed.ts` lists. What is listed and no longer differs fails, too.
 */

const program = executable();
const flannel = upstreamFlannel();
const world = enterWorld();
afterAll(() => world?.[Symbol.dispose]());
const theirs = { directory: '/run/go-bin', baseDirectory: '/run/go-bin' };
const ours = { directory: '/run/bin', baseDirectory: '/run/go-bin' };
const upstream = world && linkUpstream(theirs.directory, flannel);
if (world) linkTypes(program, ours.directory);

/** Why a type is left out here. */
function leftOut(type: string): boolean {
  if (!upstream?.includes(type) || !pluginTypes.includes(type)) return true;
  return missingFeature(type) !== undefined;
}

const found: Difference[] = [];
const ran = new Set<string>();
let casesRun = 0;
/** All that can run here; fewer run when some are picked by name. */
const casesHere = allTypes
  .filter(({ type }) => world && !leftOut(type))
  .reduce((sum, { cases }) => sum + cases.length, 0);

describe.skipIf(!upstream)('beside upstream', () => {
  for (const { type, cases, versions: known = versions } of allTypes) {
    describe.skipIf(leftOut(type))(type, () => {
      test.each(cases.map((one) => [one.name, one] as const))(
        '%s',
        (name, one) => {
          ran.add(type);
          casesRun += 1;
          const here: Difference[] = [];
          for (const version of known) {
            const left = runCase(ours, type, one, version);
            const right = runCase(theirs, type, one, version);
            here.push(...differences({ type, name, version }, left, right));
          }
          found.push(...here);
          const unlisted = here.filter((difference) => !allowed.some((entry) => covers(entry, difference)));
          expect(
            unlisted.map(({ version, path, ours: a, theirs: b }) => `${version} ${path}: ${a} | ${b}`),
          ).toEqual([]);
        },
        60_000 * slowness,
      );
    });
  }

  test('every listed difference is still there', ({ skip }) => {
    skip(casesRun < casesHere, 'only some cases were run');
    const vanished = allowed.filter(
      (entry) =>
        (entry.types ?? [...ran]).some((type) => ran.has(type)) &&
        !found.some((difference) => covers(entry, difference)),
    );
    expect(vanished.map(({ types, path, reason }) => `${types ?? 'all'} ${path}: ${reason}`)).toEqual([]);
  });
});

describe('the matrix', () => {
  test('has every type', () => {
    const listed = allTypes.map(({ type }) => type);
    // underpod is ours alone: beside the chain that it stands for, it is tested in cni/plugins/underpod.
    expect(pluginTypes.filter((type) => type !== 'underpod' && !listed.includes(type))).toEqual([]);
  });
});
