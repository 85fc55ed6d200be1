import { Random } from '../testing/random.ts';
import type { Target } from './target.ts';

/** What a run of one target found. */
export interface Outcome {
  readonly name: string;
  /** Inputs that the parser got: each differs from every valid one it was made of. */
  readonly inputs: number;
  readonly accepted: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
}

/** An input that a parser did not stand. */
export interface Failure {
  /** To be repeated with `--seed` and `--from`. */
  readonly index: number;
  readonly input: string;
  readonly error: unknown;
}

/** How long to go on. */
export interface Limits {
  readonly seed: number;
  /** The first input's number. */
  readonly from?: number;
  readonly seconds?: number;
  /** How many to generate; what comes out unchanged is left out. */
  readonly inputs?: number;
}

/** Failures after which a run ends: more of them rarely tell more. */
const maxFailures = 5;

/** Inputs between looks at the clock. */
const batch = 50;

/** Feeds mutated inputs to a target. Each input depends on seed and number only. */
export async function fuzz(target: Target, limits: Limits): Promise<Outcome> {
  const { seed, from = 0, seconds = Number.POSITIVE_INFINITY, inputs = Number.POSITIVE_INFINITY } = limits;
  const start = performance.now();
  const unchanged = new Set(target.seeds.map(target.changed));
  const failures: Failure[] = [];
  const counted = { inputs: 0, accepted: 0 };
  let index = from;
  for (; index < from + inputs && failures.length < maxFailures; index++) {
    if (index % batch === 0 && performance.now() - start > seconds * 1000) break;
    // An odd multiplier keeps numbers and seeds apart; the generator mixes the rest.
    const input = target.generate(new Random((seed ^ Math.imul(index, 0x9e3779b1)) >>> 0));
    if (unchanged.has(target.changed(input))) continue;
    counted.inputs++;
    try {
      if ((await target.judge(input)) === 'accepted') counted.accepted++;
    } catch (error) {
      failures.push({ index, input: target.describe(input), error });
    }
  }
  return {
    name: target.name,
    ...counted,
    seconds: (performance.now() - start) / 1000,
    failures,
  };
}
