import { afterAll, describe, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { linkTypes } from '../bench/cni.ts';
import { executable } from '../build/executable.ts';
import { canWork, isThorough, isWanted } from '../cni/features.ts';
import { linkUpstream, upstreamFlannel } from '../cni/upstream.ts';
import { enterWorld } from '../cni/world.ts';
import { slowness } from '../testing/slowness.ts';
import { type Allowed, allowed, concerns, covers } from './allowed.ts';
import { type Case, versions } from './case.ts';
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

/** What a case needs of the kernel: nothing of its type's if it is refused for what it says. */
function needsOf(type: string, { name, parts = [] }: Case): readonly string[] {
  return name.startsWith('error: ') ? parts : [type, ...parts];
}

/** Whether a case can run here, beside upstream's. */
function canRun(type: string, one: Case): boolean {
  const isThere = upstream?.includes(type) && pluginTypes.includes(type);
  return isThere === true && canWork(...needsOf(type, one));
}

const key = (type: string, { name }: Case): string => `${type}: ${name}`;
const wanted = allTypes
  .map((one) => ({ ...one, cases: one.cases.filter((each) => isWanted(...needsOf(one.type, each))) }))
  .filter(({ cases }) => cases.length > 0);

const found: Difference[] = [];
const ran = new Set<string>();

describe('beside upstream', () => {
  for (const { type, cases, versions: known = versions } of wanted) {
    describe(type, () => {
      for (const one of cases) {
        const { name } = one;
        test.skipIf(!canRun(type, one))(
          name,
          () => {
            ran.add(key(type, one));
            const here: Difference[] = [];
            for (const version of isThorough ? known : known.slice(-1)) {
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
      }
    });
  }

  test('every listed difference is still there', () => {
    /** Whether all was run that an entry is about, as far as it can be here. */
    const isJudged = (entry: Allowed): boolean => {
      const about = allTypes.flatMap(({ type, cases }) =>
        cases
          .filter((one) => concerns(entry, { type, name: one.name }) && canRun(type, one))
          .map((one) => key(type, one)),
      );
      const isComplete = isThorough || entry.version === undefined;
      return isComplete && about.length > 0 && about.every((one) => ran.has(one));
    };
    const vanished = allowed.filter(
      (entry) => isJudged(entry) && !found.some((difference) => covers(entry, difference)),
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
