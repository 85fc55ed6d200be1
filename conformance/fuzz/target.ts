import type { Random } from '../testing/random.ts';

/** How a parser took an input: it got through, or was refused in the promised way. */
export type Verdict = 'accepted' | 'refused';

/** One parser under test. */
export interface Target<T = unknown> {
  readonly name: string;
  /** A valid input with a few changes, one at least. */
  readonly generate: (random: Random) => T;
  /** The valid inputs: the parser takes each. */
  readonly seeds: readonly T[];
  /** What is changed of an input, as text: changes may undo each other, and what equals a seed is not counted. */
  readonly changed: (input: T) => string;
  /** Runs the parser. Throws (anything) when it crashed, or answered what it must not. */
  readonly judge: (input: T) => Verdict | Promise<Verdict>;
  /** Takes away what it has made, if anything; it may be judged again after it. */
  readonly dispose?: () => void;
  /** The input as text, for the report of a failure. */
  readonly describe: (input: T) => string;
}

/** Hides a target's input type, so that targets of several types go into one list. */
export function target<T>(definition: Target<T>): Target {
  return definition as Target;
}

/** Throws unless `holds`: the parser gave an answer outside of what it promises. */
export function must(holds: boolean, claim: string): asserts holds {
  if (!holds) throw new Error(`violated: ${claim}`);
}
