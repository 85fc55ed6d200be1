/**
 * Kills of the compiled CNI plugins: random moments under load, and every state-changing system call,
 * of a node's first ADD too.
 *
 * Usage: main.ts [--rounds N] [--parallel N] [--points N|all] [--seed N] [--types NAME,…|all|none] [--plan TEXT] [--jobs N]
 * `--points`: of each operation of a network; where less matters, an eighth of it. `--types` (default none): besides,
 * every operation of these types, each behind what it needs. `--plan`: nothing but the networks with TEXT in their name.
 * `--jobs` (default 3): networks whose system calls are killed at the same time, each in a process and a world of its own.
 * Ends with `N passed, N failed`; exit code 1 if anything leaked, failed or did not die.
 */

import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MS } from '../../shared/sys/constants.ts';
import { mount } from '../../shared/sys/mount.ts';
import { linkTypes } from '../bench/cni.ts';
import { writeSubnetEnv } from '../cni/configs.ts';
import { canWork } from '../cni/features.ts';
import { enterWorld, type World } from '../cni/world.ts';
import { run } from '../testing/netns.ts';
import { Random } from '../testing/random.ts';
import { runFirstAdd } from './first-add.ts';
import { mainPlans, type Plan, standardPlans, typePlans } from './plans.ts';
import { nameOf, type Point, type PointsResult, runPoints } from './points.ts';
import { runRounds } from './rounds.ts';
import { describeHits, type Hit, spreadProblems, thirds } from './spread.ts';

const executable = resolve(
  import.meta.dirname,
  `../../dist/underpod-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
);
const binaries = '/run/bin';

function tallied(tally: ReadonlyMap<string, number>): string {
  const entries = [...tally].sort(([, a], [, b]) => b - a);
  return entries.map(([call, count]) => `${call} ${count}`).join(', ');
}

/** Every point once, then a seeded sample of `count`; the write of the result and the exit are always among them. */
function sample(count: number, random: Random): (points: readonly Point[]) => readonly Point[] {
  return (points) => {
    const last = points.slice(-2);
    const rest = points.slice(0, -2);
    const chosen = new Set<Point>();
    while (chosen.size < Math.min(count, rest.length)) chosen.add(random.pick(rest));
    return [...points.filter((point) => chosen.has(point)), ...last];
  };
}

class Report {
  passed = 0;
  failed = 0;

  /** What a plan's own process printed; one that did not end well has failed. */
  take(name: string, text: string): void {
    const [all, passed, failed] = /^(\d+) passed, (\d+) failed\n$/m.exec(text) ?? [];
    process.stdout.write(text.slice(0, all === undefined ? undefined : -all.length));
    this.passed += Number(passed ?? 0);
    this.failed += Number(failed ?? 1);
    if (all === undefined) process.stdout.write(`FAIL ${name}: its process did not end\n`);
  }

  add(title: string, detail: string, problems: readonly string[]): void {
    const ok = problems.length === 0;
    if (ok) this.passed += 1;
    else this.failed += 1;
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${title}: ${detail}\n`);
    for (const problem of problems.slice(0, 20)) process.stdout.write(`       ${problem}\n`);
    if (problems.length > 20) process.stdout.write(`       … and ${problems.length - 20} more\n`);
  }
}

async function rounds(
  world: World,
  report: Report,
  total: number,
  parallel: number,
  seed: number,
): Promise<void> {
  if (total === 0) return;
  const hits: Hit[] = [];
  let asked = 0;
  for (const { name, config } of mainPlans) {
    for (const cleanUp of ['DEL', 'GC'] as const) {
      const program = `${binaries}/${config.type}`;
      const share = Math.ceil(total / (mainPlans.length * 2));
      const result = await runRounds({
        world,
        program,
        config,
        rounds: share,
        parallel,
        killShare: 0.1,
        cleanUp,
        seed,
      });
      hits.push(...result.hits);
      asked += result.asked;
      const detail = `${result.rounds} rounds, ${parallel} at a time, ${result.hits.length} of ${result.asked} killed (${result.late} had ended, drawn again)`;
      report.add(`${name}, ${cleanUp} alone cleans up`, detail, [...result.failures, ...result.leaks]);
      for (const command of ['ADD', 'DEL'] as const)
        process.stdout.write(`       ${describeHits(result.hits, command)}\n`);
      if (cleanUp === 'GC') {
        const { valid, added } = result.unharmed;
        const whole = `found whole after one: ${valid} valid attachments and ${added} being added`;
        process.stdout.write(`       ${result.collections} GCs beside ADDs and DELs; ${whole}\n`);
      }
    }
  }
  const thirdsOfAll = thirds(hits).join('/');
  report.add(
    'all kills together',
    `${hits.length} of ${asked}, thirds of the time ${thirdsOfAll}`,
    spreadProblems(hits, asked),
  );
}

/** Numbers of a plan's own, so that it draws the same points when it runs alone. */
function randomOf(plan: Plan, seed: number): Random {
  return new Random(seed ^ Number(Bun.hash.crc32(plan.name)));
}

/** Kills at the system calls of one network. The world is the plan's own. */
function points(world: World, report: Report, plan: Plan, count: number | 'all', random: Random): void {
  const { name, config, base, setup = [], firstOf, legacy, share } = plan;
  if (legacy) useLegacyIptables();
  for (const line of setup) {
    const [program = '', ...args] = line.split(' ');
    run(program, ...args);
  }
  for (const command of firstOf === undefined ? (['ADD', 'DEL', 'GC'] as const) : (['ADD'] as const)) {
    for (const cleanUp of ['DEL', 'GC'] as const) {
      const attempt = {
        world,
        program: `${binaries}/${config.type}`,
        config,
        ...(base && { base }),
        command,
        cleanUp,
        ...(count !== 'all' && { choose: sample(Math.ceil(count * share), random) }),
      };
      const result =
        firstOf === undefined ? runPoints(attempt) : runFirstAdd({ ...attempt, bridge: firstOf });
      const after = firstOf === undefined ? `then ${cleanUp}` : `then a good one and ${cleanUp}`;
      reportPoints(report, `${name}, ${command} killed at a system call, ${after}`, result);
    }
  }
}

/** In this process's mount namespace. */
function useLegacyIptables(): void {
  const [host, legacy] = ['restore', 'legacy-restore'].map((verb) =>
    realpathSync(`/usr/sbin/iptables-${verb}`),
  );
  if (host !== legacy) mount(legacy ?? '', host ?? '', 'none', MS.BIND);
}

function reportPoints(report: Report, title: string, result: PointsResult): void {
  const names = (points: readonly Point[]): string => points.map(nameOf).join(', ');
  const survived = result.survived.length > 0 ? [`did not die at ${names(result.survived)}`] : [];
  const once = result.once?.length ? `; not made again: ${names(result.once)}` : '';
  const detail = `${result.tried} of ${result.recorded} system calls (${tallied(result.tally)}${once})`;
  report.add(title, detail, [...result.failures, ...result.leaks, ...survived]);
}

/** Each plan in a process of its own, `jobs` at a time. */
async function inProcesses(
  report: Report,
  plans: readonly Plan[],
  jobs: number,
  args: readonly string[],
): Promise<void> {
  const rest = plans.values();
  const worker = async (): Promise<void> => {
    for (const { name } of rest) {
      const child = Bun.spawn({
        cmd: [process.execPath, import.meta.filename, '--only', name, ...args],
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'inherit',
      });
      const text = await new Response(child.stdout).text();
      await child.exited;
      report.take(name, text);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

function chosenPlans(asked: string, text: string | undefined): Plan[] {
  const types = asked.split(',');
  const wanted = (type: string): boolean => asked === 'all' || types.includes(type);
  const all = [...standardPlans, ...typePlans.filter(({ type = '' }) => wanted(type))];
  return all.filter(
    ({ name, needs }) => name.includes(text ?? '') && (needs === undefined || canWork(needs)),
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      parallel: { type: 'string', default: '8' },
      points: { type: 'string', default: '6' },
      types: { type: 'string', default: 'none' },
      plan: { type: 'string' },
      jobs: { type: 'string', default: '3' },
      // How a plan's own process is told which it is.
      only: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const world = enterWorld();
  if (!world) return 1;
  using _ = world;
  linkTypes(executable, binaries);
  writeSubnetEnv();
  const seed = Number(values.seed);
  const report = new Report();
  const only = [...standardPlans, ...typePlans].find(({ name }) => name === values.only);
  if (only) {
    points(
      world,
      report,
      only,
      values.points === 'all' ? 'all' : Number(values.points),
      randomOf(only, seed),
    );
  } else {
    const plans = chosenPlans(values.types, values.plan);
    if (plans.length === 0) {
      process.stderr.write(`kill: no plan with "${values.plan}" in its name\n`);
      return 2;
    }
    process.stdout.write(`seed ${seed}\n`);
    const total = Number(values.rounds ?? (values.plan === undefined ? '200' : '0'));
    await rounds(world, report, total, Number(values.parallel), seed);
    const args = ['--points', values.points, '--seed', values.seed];
    if (values.points !== '0') await inProcesses(report, plans, Number(values.jobs), args);
  }
  process.stdout.write(`${report.passed} passed, ${report.failed} failed\n`);
  return report.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
