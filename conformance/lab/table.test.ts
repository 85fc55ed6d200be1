import { describe, expect, test } from 'vitest';
import type { Row } from './report.ts';
import { duration, formatRow, summary } from './table.ts';

const row: Row = {
  id: 'other-icmp/4',
  family: 'IPv4',
  title: 'pod → pod',
  outcome: 'failed',
  ms: 2041,
  detail: 'no answer',
  hints: ['look here', 'and there'],
};

describe('the table', () => {
  test('has a line a check, with its time, and hints below a red one', () => {
    const lines = formatRow(row, false).split('\n');
    expect(lines[0]).toMatch(/^✗ IPv4 {2}pod → pod +2\.0 s {2}no answer$/);
    expect(lines.slice(1)).toEqual(['        look here', '        and there']);
  });

  test('is coloured on request only', () => {
    expect(formatRow(row, false)).not.toContain('\x1b');
    expect(formatRow(row, true)).toContain('\x1b[31m✗\x1b[0m');
    expect(formatRow({ ...row, outcome: 'passed' }, true)).toContain('\x1b[32m✓');
  });

  test('shows no time for what did not run', () => {
    expect(formatRow({ ...row, outcome: 'skipped', hints: [] }, false)).toMatch(
      /^- IPv4 {2}pod → pod +no answer$/,
    );
  });

  test('ends with a count', () => {
    const passed = { ...row, outcome: 'passed' as const };
    const skipped = { ...row, outcome: 'skipped' as const };
    expect(summary([passed, passed], 1234)).toBe('2 checks passed in 1.2 s');
    expect(summary([passed, skipped], 900)).toBe('1 checks passed, 1 not run in 900 ms');
    expect(summary([passed, row, skipped], 900)).toBe('1 of 3 checks FAILED, 1 not run (900 ms)');
  });

  test('rounds times as a person reads them', () => {
    expect([0.2, 12.4, 999, 1000, 61_000].map(duration)).toEqual([
      '1 ms',
      '12 ms',
      '999 ms',
      '1.0 s',
      '61.0 s',
    ]);
  });
});
