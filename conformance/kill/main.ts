/**
 * Kills of the compiled CNI plugins: random moments under load, and every state-changing system call,
 * of a node's first ADD too.
 *
 * Usage: main.ts [--rounds N] [--parallel N] [--points N|all] [--seed N] [--networks NAME] [--types NAME,…|all|none]
 * `--networks`: only those with this in their names (`all parts`, `bridge`).
 * `--types` (default none): besides, every operation of these types, each behind what it needs, killed at its points.
 * Ends with `N passed, N failed`; exit code 1 if anything leaked, failed or did not die.
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { linkTypes } from '../bench/cni.ts';
import { bridgeConfig, type Config, underpodConfig, wholeConfig, writeSubnetEnv } from '../cni/configs.ts';
import { missingFeature } from '../cni/features.ts';
import { enterWorld, type World } from '../cni/world.ts';
import { ipJson, run } from '../testing/netns.ts';
import { Random } from '../testing/random.ts';
import { runFirstAdd } from './first-add.ts';
import { typePlans } from './plans.ts';
import { type Point, type PointsPlan, type PointsResult, runPoints } from './points.ts';
import { runRounds } from './rounds.ts';
import { describeHits, type Hit, spreadProblems, thirds } from './spread.ts';

const executable = resolve(
  import.meta.dirname,
  `../../dist/underpod-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
);
const binaries = '/run/bin';

/** The ways a node is set up: the single type, bare and with all its parts, and bridge with what it does besides. */
const networks: readonly { readonly name: string; readonly config: Config }[] = [
  { name: 'underpod', config: underpodConfig() },
  { name: 'underpod with all parts', config: wholeConfig() },
  { name: 'bridge with ipMasq', config: bridgeConfig({ ipMasq: true, bridge: 'cni1', cniVersion: '1.1.0' }) },
  {
    name: 'bridge with macspoofchk',
    config: bridgeConfig({ macspoofchk: true, bridge: 'cni3', name: 'checked', cniVersion: '1.1.0' }),
  },
];

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

  add(title: string, detail: string, problems: readonly string[]): void {
    const ok = problems.length === 0;
    if (ok) this.passed += 1;
    else this.failed += 1;
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${title}: ${detail}\n`);
    for (const problem of problems.slice(0, 20)) process.stdout.write(`       ${problem}\n`);
    if (problems.length > 20) process.stdout.write(`       … and ${problems.length - 20} more\n`);
  }
}

type Network = (typeof networks)[number];

async function rounds(
  world: World,
  report: Report,
  chosen: readonly Network[],
  total: number,
  parallel: number,
  seed: number,
): Promise<void> {
  if (total === 0 || chosen.length === 0) return;
  const hits: Hit[] = [];
  let asked = 0;
  for (const { name, config } of chosen) {
    for (const cleanUp of ['DEL', 'GC'] as const) {
      const program = `${binaries}/${config.type}`;
      const share = Math.ceil(total / (chosen.length * 2));
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

function points(
  world: World,
  report: Report,
  chosen: readonly Network[],
  count: number | 'all',
  random: Random,
): void {
  for (const { name, config } of chosen) {
    const program = `${binaries}/${config.type}`;
    for (const command of ['ADD', 'DEL', 'GC'] as const) {
      for (const cleanUp of ['DEL', 'GC'] as const) {
        const choose: Pick<PointsPlan, 'choose'> = count === 'all' ? {} : { choose: sample(count, random) };
        const result = runPoints({ world, program, config, command, cleanUp, ...choose });
        reportPoints(report, `${name}, ${command} killed at a system call, then ${cleanUp}`, result);
      }
    }
  }
}

/** As `points`, for each type in the place where it stands in a chain. */
function types(world: World, report: Report, asked: string, count: number | 'all', random: Random): void {
  const wanted = asked === 'all' ? undefined : asked.split(',');
  for (const { type, config, base, setup } of asked === 'none' ? [] : typePlans()) {
    if (!(wanted?.includes(type) ?? true) || missingFeature(type) !== undefined) continue;
    for (const line of setup) {
      const [program = '', ...args] = line.split(' ');
      run(program, ...args);
    }
    for (const command of ['ADD', 'DEL', 'GC'] as const) {
      for (const cleanUp of ['DEL', 'GC'] as const) {
        const result = runPoints({
          world,
          program: `${binaries}/${config.type}`,
          config,
          ...(base && { base }),
          command,
          cleanUp,
          ...(count !== 'all' && { choose: sample(count, random) }),
        });
        const behind = base ? ` behind ${base.type}` : '';
        reportPoints(report, `${type}${behind}, ${command} killed at a system call, then ${cleanUp}`, result);
      }
    }
    // The next type finds no bridge with another's addresses.
    for (const { ifname } of ipJson<{ ifname: string }[]>('link'))
      if (/^(br|up)0$/.test(ifname)) run('ip', 'link', 'delete', ifname);
  }
}

/** Both families: a first ADD turns more switches of the node than a later one. */
const dualStack = bridgeConfig({
  ipMasq: true,
  bridge: 'cni3',
  name: 'dual',
  cniVersion: '1.1.0',
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.24.0.0/16' }], [{ subnet: 'fd00:24::/64' }]] },
});

/** Kills of the first ADD of a node; the node is as new before each. */
function firstAdds(
  world: World,
  report: Report,
  isChosen: (network: Pick<Network, 'name'>) => boolean,
  count: number | 'all',
  random: Random,
): void {
  const firsts = [
    { name: 'underpod', config: underpodConfig(), bridge: 'cni0' },
    { name: 'underpod with all parts', config: wholeConfig(), bridge: 'cni4' },
    { name: 'bridge, dual stack', config: dualStack, bridge: 'cni3' },
  ];
  for (const { name, config, bridge } of firsts.filter(isChosen)) {
    for (const cleanUp of ['DEL', 'GC'] as const) {
      const choose: Pick<PointsPlan, 'choose'> = count === 'all' ? {} : { choose: sample(count, random) };
      const program = `${binaries}/${config.type}`;
      const result = runFirstAdd({ world, program, config, bridge, command: 'ADD', cleanUp, ...choose });
      reportPoints(
        report,
        `${name}, a node's first ADD killed at a system call, then a good one and ${cleanUp}`,
        result,
      );
    }
  }
}

function reportPoints(report: Report, title: string, result: PointsResult): void {
  const survived = result.survived > 0 ? [`${result.survived} calls did not die at their point`] : [];
  const detail = `${result.tried} of ${result.recorded} system calls (${tallied(result.tally)})`;
  report.add(title, detail, [...result.failures, ...result.leaks, ...survived]);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200' },
      parallel: { type: 'string', default: '8' },
      points: { type: 'string', default: '6' },
      networks: { type: 'string', default: '' },
      types: { type: 'string', default: 'none' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const world = enterWorld();
  if (!world) return 1;
  using _ = world;
  linkTypes(executable, binaries);
  writeSubnetEnv();
  const seed = Number(values.seed);
  process.stdout.write(`seed ${seed}\n`);
  const report = new Report();
  const isChosen = ({ name }: Pick<Network, 'name'>): boolean => name.includes(values.networks);
  const chosen = networks.filter(isChosen);
  await rounds(world, report, chosen, Number(values.rounds), Number(values.parallel), seed);
  const count = values.points === 'all' ? 'all' : Number(values.points);
  const random = new Random(seed);
  points(world, report, chosen, count, random);
  firstAdds(world, report, isChosen, count, random);
  types(world, report, values.types, count, random);
  process.stdout.write(`${report.passed} passed, ${report.failed} failed\n`);
  return report.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
