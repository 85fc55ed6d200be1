/**
 * `make bench`: our executable against its peers, both sides in one run, medians and ratios.
 *
 * Each section runs in a process of its own, because it moves to namespaces of its own.
 *
 * Usage: main.ts [--rounds N] [--json] [SECTION …]
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { enterWorld } from '../cni/world.ts';
import { isVm } from '../testing/slowness.ts';
import { type Figure, ratios, table, withinBudget } from './figure.ts';

const executable = resolve(
  import.meta.dirname,
  `../../dist/underpod-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`,
);

/** What the rooms' own benchmarks report. */
interface RoomFigure {
  readonly name: string;
  readonly p50Ms: number;
  readonly budgetMs: number;
}

const fromRoom = (figures: readonly RoomFigure[], rounds: number): Figure[] =>
  figures.map((figure) => ({ name: figure.name, ours: figure.p50Ms, budget: figure.budgetMs, rounds }));

/** A room's own benchmark, in a world of its own. */
async function inWorld(measure: () => Promise<RoomFigure[]>, rounds: number): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  return world ? fromRoom(await measure(), rounds) : [];
}

const peersNote =
  'a failure is always reported; of more than 32 requests only the last of each send is acknowledged explicitly.';

const sections: Readonly<Record<string, (rounds: number) => Promise<Figure[]>>> = {
  'start-up': async (rounds) => (await import('./cni.ts')).benchStartUp(executable, rounds),
  cni: async (rounds) => (await import('./cni.ts')).benchCni(executable, rounds),
  addresses: async (rounds) => (await import('./cni.ts')).benchAddresses(executable, rounds),
  chains: async (rounds) => (await import('./chains.ts')).benchChains(executable, rounds),
  peers: async () => {
    const { benchPeers } = await import('../../cni/agent/agent.bench.ts');
    const figures = await inWorld(() => benchPeers(1000), 15);
    return figures.map((figure) => ({ ...figure, note: peersNote }));
  },
  agent: async () => (await import('./agent.ts')).benchAgent(executable, 1000, 5),
  etcd: async () => (await import('./etcd.ts')).benchEtcd(executable, 5000, 5),
  kubernetes: async () => (await import('./kubernetes.ts')).benchKubernetes(executable, 5000, 5),
  'api-server': async () => (await import('./api-server.ts')).benchApiServer(executable, 5000, 5),
  services: async () =>
    (await import('./services.ts')).benchServices(executable, {
      services: 10_000,
      endpoints: 2,
      mode: 'nftables',
    }),
  'services-iptables': () => iptablesServices(10_000),
  'services-iptables-1000': () => iptablesServices(1_000),
  'services-ipvs': async () => {
    const { benchServices } = await import('./services.ts');
    const shape = { services: 1000, endpoints: 2, mode: 'ipvs', quiet: isVm } as const;
    return await benchServices(executable, shape);
  },
  throughput: async () => (await import('./throughput.ts')).benchThroughput(12),
  store: async () => {
    const { benchStore } = await import('../../shared/store/embedded/store.bench.ts');
    return inWorld(benchStore, 10_000);
  },
  nftables: async () => (await import('./nftables.ts')).benchNftables(5),
  'proxy-model': async () => (await import('./proxy-model.ts')).benchProxyModel(5),
  proxy: async () => (await import('./proxy.ts')).benchProxy(5),
  'csi-io': async () => (await import('./csi-io.ts')).benchCsiIo(executable, 5),
  'csi-local': async (rounds) => (await import('./csi-local.ts')).benchCsiLocal(executable, rounds),
  'proxy-iptables': async () => (await import('./proxy-iptables.ts')).benchProxyIptables(),
};

async function iptablesServices(services: number): Promise<Figure[]> {
  const { benchServices } = await import('./services.ts');
  return await benchServices(executable, { services, endpoints: 2, mode: 'iptables' });
}

async function runSection(name: string, rounds: number): Promise<Figure[]> {
  const child = Bun.spawn({
    cmd: [process.execPath, import.meta.filename, '--section', name, '--rounds', String(rounds)],
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`section ${name} failed`);
  return JSON.parse(text) as Figure[];
}

/** Runs the named sections (all unless named) and returns what they measured. */
export async function bench(names: readonly string[], rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of names.length > 0 ? names : Object.keys(sections)) {
    process.stderr.write(`measuring ${name} …\n`);
    figures.push(...(await runSection(name, rounds)));
  }
  return figures;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200' },
      section: { type: 'string' },
      json: { type: 'boolean' },
    },
    allowPositionals: true,
  });
  const rounds = Number(values.rounds);
  const unknown = positionals.filter((name) => !(name in sections));
  if (unknown.length > 0 || !(rounds > 0)) {
    process.stderr.write(`usage: main.ts [--rounds N] [--json] [${Object.keys(sections).join('|')} …]\n`);
    return 2;
  }
  if (values.section !== undefined) {
    process.stdout.write(JSON.stringify(await sections[values.section]?.(rounds)));
    return 0;
  }
  const figures = await bench(positionals, rounds);
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else process.stdout.write(`${isVm ? ratios(figures) : table(figures)}\n`);
  return isVm || figures.every(withinBudget) ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
