/** What a check is, and how a set of them runs: side by side, each after those without which it would mean nothing. */
import type { Family } from '../addresses.ts';
import type { Lab } from '../lab.ts';
import type { Report, Row } from '../report.ts';
import { withProgress } from '../report.ts';

export interface Check {
  /** Name for `--only`, such as `other-icmp/4`. */
  readonly id: string;
  readonly family?: Family;
  readonly title: string;
  /** Checks that must have passed, by id: so that one cause gives one red line. */
  readonly needs: readonly string[];
  /** Disruptive checks kill things: they run one by one, after the others. */
  readonly disruptive?: boolean;
  /** Why it cannot run in this lab, if so. */
  readonly impossible?: string;
  /**
   * @returns what was measured, for the table
   * @throws CheckFailure
   */
  run(lab: Lab): Promise<string>;
}

/** A check found something that does not work. */
export class CheckFailure extends Error {
  override readonly name: string = 'CheckFailure';
  readonly hints: readonly string[];

  constructor(message: string, hints: readonly string[] = [], options?: ErrorOptions) {
    super(message, options);
    this.hints = hints;
  }
}

/**
 * Runs checks and reports each one's row, in the order given, as soon as it and all before it are known.
 *
 * @param checks in the order of the table; a check stands after those it needs
 */
export async function runChecks(checks: readonly Check[], lab: Lab, report: Report): Promise<Row[]> {
  const outcomes = new Map<string, Promise<Row>>();
  let disruption: Promise<unknown> = Promise.resolve();
  for (const check of checks) {
    const needed = check.needs.flatMap((id) => outcomes.get(id) ?? []);
    const before =
      check.disruptive === true ? Promise.all([...outcomes.values(), disruption]) : Promise.resolve();
    const row = before.then(async () => runCheck(check, await Promise.all(needed), lab, report));
    if (check.disruptive === true) disruption = row;
    outcomes.set(check.id, row);
  }
  const rows: Row[] = [];
  for (const outcome of outcomes.values()) {
    const row = await outcome;
    rows.push(row);
    report({ kind: 'row', row });
  }
  return rows;
}

async function runCheck(check: Check, needed: readonly Row[], lab: Lab, report: Report): Promise<Row> {
  const base = {
    id: check.id,
    family: check.family === undefined ? '' : `IPv${check.family}`,
    title: check.title,
  };
  const lacking = needed.find((row) => row.outcome !== 'passed');
  if (check.impossible !== undefined || lacking !== undefined) {
    const detail = check.impossible ?? `not run, because of "${lacking?.title}"`;
    return { ...base, outcome: 'skipped', ms: 0, detail, hints: [] };
  }
  const start = performance.now();
  try {
    const detail = await withProgress(report, `${base.family} ${check.title}`.trim(), check.run(lab));
    return { ...base, outcome: 'passed', ms: performance.now() - start, detail, hints: [] };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const hints = error instanceof CheckFailure ? error.hints : [];
    return { ...base, outcome: 'failed', ms: performance.now() - start, detail, hints };
  }
}

/** An attempt from one place to another. */
export interface Attempt {
  readonly from: string;
  readonly to: string;
  run(): Promise<void>;
  /** What in the kernel explains a failure. */
  explain(): Promise<readonly string[]>;
}

/**
 * Makes all attempts side by side.
 *
 * @throws CheckFailure naming the first that failed, how many did, and the explanations of all of them, once each
 */
export async function all(attempts: readonly Attempt[]): Promise<void> {
  const results = await Promise.allSettled(attempts.map((attempt) => attempt.run()));
  const failed = attempts.flatMap((attempt, i) => {
    const result = results[i];
    return result?.status === 'rejected' ? [{ attempt, reason: result.reason as unknown }] : [];
  });
  const [first] = failed;
  if (first === undefined) return;
  const hints = new Set<string>();
  for (const { attempt } of failed) for (const hint of await explained(attempt)) hints.add(hint);
  if (hints.size === 0)
    hints.add(`no known cause; try it by hand from ${first.attempt.from}, with tcpdump on the way`);
  const why = first.reason instanceof Error ? first.reason.message : String(first.reason);
  const share = attempts.length === 1 ? '' : ` (${failed.length} of ${attempts.length} ways fail)`;
  throw new CheckFailure(
    `${first.attempt.from} → ${first.attempt.to}: ${why}${share}`,
    [...hints].slice(0, MAX_HINTS),
    {
      cause: first.reason,
    },
  );
}

const MAX_HINTS = 6;

async function explained(attempt: Attempt): Promise<readonly string[]> {
  try {
    return await attempt.explain();
  } catch (error) {
    return [`looking for the reason failed: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** `1 way`, `6 ways`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
