/** The table that `up` and `check` print: one line a check. Pure. */
import type { Row } from './report.ts';

const TITLE_WIDTH = 60;
const MARKS = { passed: ['✓', '32'], failed: ['✗', '31'], skipped: ['-', '33'] } as const;

/** A duration in ms as a person reads it. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** One check's line, and below it, where it failed, the hints. */
export function formatRow(row: Row, color: boolean): string {
  const paint = (code: string, text: string): string => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  const [mark, code] = MARKS[row.outcome];
  const title = row.title.padEnd(TITLE_WIDTH);
  const time = (row.outcome === 'skipped' ? '' : duration(row.ms)).padStart(7);
  const detail = row.outcome === 'failed' ? paint(code, row.detail) : paint('2', row.detail);
  const line = `${paint(code, mark)} ${row.family.padEnd(5)} ${title} ${time}  ${detail}`.trimEnd();
  return [line, ...row.hints.map((hint) => `        ${paint('33', hint)}`)].join('\n');
}

/** The line below the table. */
export function summary(rows: readonly Row[], ms: number): string {
  const count = (outcome: Row['outcome']): number => rows.filter((row) => row.outcome === outcome).length;
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')];
  const rest = skipped === 0 ? '' : `, ${skipped} not run`;
  return failed === 0
    ? `${passed} checks passed${rest} in ${duration(ms)}`
    : `${failed} of ${rows.length} checks FAILED${rest} (${duration(ms)})`;
}
