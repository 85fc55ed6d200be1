import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../testing/random.ts';
import { checkError, checkResult } from './cni-spec.ts';
import { mutateJson } from './mutate-json.ts';
import { fuzz } from './run.ts';
import { results } from './seeds.ts';
import type { Target } from './target.ts';
import { targets } from './targets.ts';

afterAll(() => {
  for (const one of targets) one.dispose?.();
});

describe('every parser takes its seeds', () => {
  test.each(targets.map((one) => [one.name, one] as const))('%s', async (_, target) => {
    expect(target.seeds.length).toBeGreaterThan(0);
    for (const seed of target.seeds) expect(await target.judge(seed), target.describe(seed)).toBe('accepted');
  });
});

describe('every parser stands a short run', () => {
  test.each(targets.map((one) => [one.name, one] as const))('%s', async (_, target) => {
    const { failures, accepted, inputs } = await fuzz(target, { seed: 7, inputs: 600 });
    expect(failures).toEqual([]);
    expect(inputs).toBeGreaterThan(500);
    expect(accepted / inputs).toBeGreaterThan(0.3);
    expect(accepted).toBeLessThan(inputs);
  });
});

describe('fuzz', () => {
  /** Crashes on a long text, as a parser with a fixed buffer would. */
  const broken: Target = {
    name: 'broken',
    generate: (random) => mutateJson('text', random),
    seeds: ['text'],
    changed: String,
    judge: (input) => {
      if (String(input).length > 40) throw new RangeError('out of bounds');
      return 'accepted';
    },
    describe: String,
  };

  test('finds a planted crash, and its number repeats it', async () => {
    const { failures, inputs } = await fuzz(broken, { seed: 1, inputs: 10_000 });
    expect(failures).toHaveLength(5);
    expect(inputs).toBeLessThan(10_000);
    const [first] = failures;
    const again = await fuzz(broken, { seed: 1, from: first?.index ?? 0, inputs: 1 });
    expect(again.failures).toEqual([first]);
  });

  test('does not count what came out unchanged', async () => {
    const judged: unknown[] = [];
    const { inputs, accepted } = await fuzz(
      {
        ...broken,
        generate: (random) => random.pick(['text', 'other']),
        judge: (input) => {
          judged.push(input);
          return 'accepted';
        },
      },
      { seed: 1, inputs: 100 },
    );
    expect(inputs).toBeLessThan(100);
    expect(inputs).toBe(accepted);
    expect(new Set(judged)).toEqual(new Set(['other']));
  });

  test('ends in time', async () => {
    const { seconds, inputs } = await fuzz(
      { ...broken, judge: () => 'accepted' },
      { seed: 1, seconds: 0.05 },
    );
    expect(inputs).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(5);
  });

  test('the same seed gives the same inputs, another one others', () => {
    const sequence = (seed: number): unknown[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => mutateJson(results[5], random));
    };
    expect(sequence(3)).toEqual(sequence(3));
    expect(sequence(3)).not.toEqual(sequence(4));
  });
});

describe('the second copy of the specification', () => {
  test.each(results.map((result) => [String(result['cniVersion']), result] as const))(
    'takes %s',
    (version, result) => {
      checkResult(JSON.stringify(result), version);
    },
  );

  test.each([
    [{ ips: [{ address: '10.0.0.300/8' }] }],
    [{ ips: [{ address: '10.0.0.3/8', interface: -1 }] }],
    [{ ips: [{ version: '4', address: '10.0.0.3/8' }] }],
    [{ interfaces: [{ mac: 'x' }] }],
    [{ routes: [{ dst: '10.0.0.0/8', gw: 'x' }] }],
    [{ routes: [] }],
    [{ dns: { search: [1] } }],
    [{ more: 1 }],
  ])('refuses %j', (part) => {
    expect(() => checkResult(JSON.stringify({ cniVersion: '1.1.0', ...part }), '1.1.0')).toThrow('violated');
  });

  test.each([
    { cniVersion: '1.1.0', code: 999, msg: 'x' },
    { cniVersion: '1.1.0', code: 7, msg: '' },
    { cniVersion: '9.0.0', code: 7, msg: 'x' },
    { cniVersion: '1.1.0', code: 7, msg: 'x', stack: 'y' },
  ])('refuses the error %j', (error) => {
    expect(() => checkError(JSON.stringify(error))).toThrow('violated');
  });
});
