import { describe, expect, test } from 'vitest';
import type { Lab } from '../lab.ts';
import type { Event, Row } from '../report.ts';
import { all, type Check, CheckFailure, runChecks } from './check.ts';

const lab = {} as Lab;

/** Runs checks, recording in which order their parts happen. */
class Recorder {
  readonly events: string[] = [];
  readonly reported: Row[] = [];

  check(id: string, options: Partial<Check> & { fails?: boolean; ticks?: number } = {}): Check {
    const { fails = false, ticks = 1, ...rest } = options;
    const run = async (): Promise<string> => {
      this.events.push(`begin ${id}`);
      for (let i = 0; i < ticks; i++) await Promise.resolve();
      this.events.push(`end ${id}`);
      if (fails) throw new CheckFailure('broken', ['look here']);
      return 'fine';
    };
    return { id, title: `title of ${id}`, needs: [], run, ...rest };
  }

  async run(...checks: Check[]): Promise<Record<string, string>> {
    const report = (event: Event): void => {
      if (event.kind === 'row') this.reported.push(event.row);
    };
    const rows = await runChecks(checks, lab, report);
    return Object.fromEntries(rows.map((row) => [row.id, row.outcome]));
  }
}

describe('running checks', () => {
  test('side by side, reported in the order of the table', async () => {
    const recorder = new Recorder();
    await recorder.run(recorder.check('slow', { ticks: 50 }), recorder.check('quick'));
    expect(recorder.events).toEqual(['begin slow', 'begin quick', 'end quick', 'end slow']);
    expect(recorder.reported.map((row) => row.id)).toEqual(['slow', 'quick']);
  });

  test('one cause gives one red line: what needs it does not run', async () => {
    const recorder = new Recorder();
    const outcomes = await recorder.run(
      recorder.check('base', { fails: true }),
      recorder.check('above', { needs: ['base'] }),
      recorder.check('further', { needs: ['above'] }),
      recorder.check('other'),
    );
    expect(outcomes).toEqual({ base: 'failed', above: 'skipped', further: 'skipped', other: 'passed' });
    expect(recorder.reported[0]).toMatchObject({ detail: 'broken', hints: ['look here'] });
    expect(recorder.reported[1]?.detail).toBe('not run, because of "title of base"');
    expect(recorder.events).not.toContain('begin above');
  });

  test('a check that is not among the chosen ones is not waited for', async () => {
    const recorder = new Recorder();
    expect(await recorder.run(recorder.check('above', { needs: ['base'] }))).toEqual({ above: 'passed' });
  });

  test('what kills runs alone and last', async () => {
    const recorder = new Recorder();
    await recorder.run(
      recorder.check('slow', { ticks: 50 }),
      recorder.check('kill 1', { disruptive: true, ticks: 5 }),
      recorder.check('kill 2', { disruptive: true, fails: true }),
      recorder.check('kill 3', { disruptive: true }),
    );
    expect(recorder.events).toEqual(
      ['slow', 'kill 1', 'kill 2', 'kill 3'].flatMap((id) => [`begin ${id}`, `end ${id}`]),
    );
  });

  test('what cannot be run here says why', async () => {
    const recorder = new Recorder();
    const outcomes = await recorder.run(recorder.check('peers', { impossible: 'there is one node only' }));
    expect(outcomes).toEqual({ peers: 'skipped' });
    expect(recorder.reported[0]?.detail).toBe('there is one node only');
  });
});

describe('attempts', () => {
  const attempt = (from: string, error: string | undefined, hints: string[] = []) => ({
    from,
    to: 'b',
    run: async () => {
      if (error !== undefined) throw new Error(error);
    },
    explain: async () => hints,
  });

  test('the first failure is named, all are counted and explained once', async () => {
    const failing = all([
      attempt('a1', undefined),
      attempt('a2', 'no answer', ['missing on 2']),
      attempt('a3', 'no answer', ['missing on 2', 'missing on 3']),
    ]);
    await expect(failing).rejects.toMatchObject({
      message: 'a2 → b: no answer (2 of 3 ways fail)',
      hints: ['missing on 2', 'missing on 3'],
    });
  });

  test('an explanation that fails does not hide the failure', async () => {
    const broken = {
      ...attempt('a', 'no answer'),
      explain: async () => {
        throw new Error('ip is not installed');
      },
    };
    await expect(all([broken])).rejects.toMatchObject({
      message: 'a → b: no answer',
      hints: ['looking for the reason failed: ip is not installed'],
    });
  });

  test('all well is well', async () => {
    await expect(all([attempt('a', undefined)])).resolves.toBeUndefined();
  });
});
