/**
 * Feeds parsers with mutated valid inputs, in this process.
 *
 * Usage: main.ts [--seconds N (for each target; 5)] [--seed N (1)] [--target NAME …] [--from INDEX] [--inputs N (for each target, instead of seconds)]
 * A line a target; exit code 1 if a parser crashed or answered what it must not, or if too few inputs got past parsing.
 */

import { parseArgs } from 'node:util';
import type { Outcome } from './run.ts';
import { fuzz } from './run.ts';
import { targets } from './targets.ts';

/** The share of inputs that must get past parsing: below it a run looks at little else than the first check. */
const leastShare = 0.3;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string', multiple: true },
      from: { type: 'string', default: '0' },
      inputs: { type: 'string' },
    },
  });
  const unknown = values.target?.filter((name) => !targets.some((one) => one.name === name)) ?? [];
  if (unknown.length > 0) {
    const known = targets.map(({ name }) => name).join(', ');
    process.stderr.write(`fuzz: no target ${unknown.join(', ')}; there are ${known}\n`);
    return 2;
  }
  let failed = 0;
  let inputs = 0;
  for (const one of targets.filter(({ name }) => values.target?.includes(name) ?? true)) {
    const outcome = await fuzz(one, {
      seed: Number(values.seed),
      from: Number(values.from),
      ...(values.inputs === undefined
        ? { seconds: Number(values.seconds) }
        : { inputs: Number(values.inputs) }),
    });
    one.dispose?.();
    process.stdout.write(report(outcome, values.seed));
    inputs += outcome.inputs;
    if (!holds(outcome)) failed++;
  }
  process.stdout.write(`${inputs} inputs in all\n`);
  process.stdout.write(failed === 0 ? 'all targets hold\n' : `${failed} targets DO NOT HOLD\n`);
  return failed === 0 ? 0 : 1;
}

function holds({ failures, accepted, inputs }: Outcome): boolean {
  return failures.length === 0 && inputs > 0 && accepted >= leastShare * inputs;
}

function report({ name, inputs, accepted, seconds, failures }: Outcome, seed: string): string {
  const share = inputs === 0 ? 0 : Math.round((100 * accepted) / inputs);
  const short = share < 100 * leastShare ? `, too few (at least ${100 * leastShare} %)` : '';
  const line = `${name.padEnd(14)}${inputs} inputs in ${seconds.toFixed(1)} s, ${share} % past parsing${short}, ${failures.length} failures\n`;
  const details = failures.map(({ index, input, error }) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const again = `--target ${name} --seed ${seed} --from ${index} --inputs 1`;
    return `  ${again}\n  ${text.replaceAll('\n', '\n  ')}\n  input: ${input.slice(0, 2000)}\n`;
  });
  return line + details.join('');
}

process.exitCode = await main();
