/**
 * `make soak`: the full figures of everything that must hold, written to docs/soak.md with date and machine.
 *
 * Each step is a command that anyone can run by hand; its last lines go into the document as they were printed.
 *
 * Usage: main.ts [STEP …]   (all unless named; the document is written only by a whole run)
 */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { uname } from '../../shared/sys/process.ts';

interface Step {
  readonly name: string;
  /** What must hold, in the document's words. */
  readonly claim: string;
  readonly command: readonly string[];
  /** How many of the last lines the document keeps. */
  readonly keep: number;
}

const root = resolve(import.meta.dirname, '../..');
const bun = (script: string, ...args: string[]): string[] => ['node_modules/.bin/bun', script, ...args];

const steps: readonly Step[] = [
  {
    name: 'bench',
    claim:
      'CNI calls, start-up, peers, store and tables within their budgets, beside the Go plugins where they exist',
    command: bun('conformance/bench/main.ts', '--rounds', '300'),
    keep: 40,
  },
  {
    name: 'kills',
    claim:
      '1,000 rounds, 8 at a time, a tenth killed at a random moment, and a kill at every state-changing system call: nothing is left',
    command: bun('conformance/kill/main.ts', '--rounds', '1000', '--points', 'all', '--seed', '20261121'),
    keep: 60,
  },
  {
    name: 'fuzz',
    claim:
      'parsers under mutated inputs: no crash, no answer outside the specification, at least 30 % past parsing',
    command: bun('conformance/fuzz/main.ts', '--seconds', '120', '--seed', '1'),
    keep: 20,
  },
  {
    name: 'test',
    claim: '`make test`',
    command: ['make', 'test'],
    keep: 12,
  },
  {
    name: 'vm',
    claim: "the same executable under Debian 12's kernel",
    command: ['make', 'test-vm'],
    keep: 30,
  },
];

/** What a run of one step gave. */
interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts a terminal's colour codes
const colours = /\u001b\[[0-9;]*m/g;

function run(step: Step): Outcome {
  process.stdout.write(`── ${step.name}: ${step.command.join(' ')}\n`);
  const start = Date.now();
  const child = spawnSync(step.command[0] ?? '', step.command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = (child.stdout ?? '').replace(colours, '').trimEnd();
  process.stdout.write(`${output}\n`);
  return { step, ok: child.status === 0, seconds: (Date.now() - start) / 1000, output };
}

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = Math.round(totalmem() / 2 ** 30);
  const release = readFileSync('/etc/os-release', 'utf8').match(/^PRETTY_NAME="(.*)"$/m)?.[1] ?? 'Linux';
  return `${cpus().length} × ${model}, ${memory} GiB, ${release}, kernel ${uname().release}`;
}

function page(outcomes: readonly Outcome[]): string {
  const parts = outcomes.map(({ step, ok, seconds, output }) => {
    const lines = output.split('\n').slice(-step.keep).join('\n');
    const verdict = ok ? 'holds' : 'DOES NOT HOLD';
    return `## ${step.name}: ${verdict}\n\n${step.claim}.\n\n\`${step.command.join(' ')}\` took ${seconds.toFixed(0)} s:\n\n\`\`\`\n${lines}\n\`\`\`\n`;
  });
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).stdout.trim();
  const date = new Date().toISOString().slice(0, 10);
  return `# The last full run

Written by \`make soak\` on ${date}, at commit ${commit}, on ${machine()}.

${parts.join('\n')}`;
}

function main(names: readonly string[]): number {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `soak: no step ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}\n`,
    );
    return 2;
  }
  const chosen = names.length > 0 ? steps.filter((step) => names.includes(step.name)) : steps;
  const outcomes = chosen.map(run);
  if (names.length === 0) writeFileSync(join(root, 'docs/soak.md'), page(outcomes));
  const failed = outcomes.filter((outcome) => !outcome.ok).length;
  process.stdout.write(`${outcomes.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
