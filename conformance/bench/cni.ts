/**
 * CNI calls, ours against the Go plugins: rounds of ADD and DEL in fresh namespaces, the two sides in turn, from spawn
 * to exit, with the bridge already there and the state on a real disk.
 */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { bridgeConfig, type Config, underpodConfig, writeSubnetEnv } from '../cni/configs.ts';
import { buildGoPlugins } from '../cni/go-plugins.ts';
import { type Answer, callSync, enterWorld, type World } from '../cni/world.ts';
import { type Figure, median } from './figure.ts';

interface Side {
  readonly directory: string;
  readonly add: number[];
  readonly del: number[];
}

function side(directory: string): Side {
  return { directory, add: [], del: [] };
}

function successful(answer: Answer, what: string): number {
  if (answer.code !== 0)
    throw new Error(`${what}: exit ${answer.code ?? answer.signal}: ${answer.stdout}${answer.stderr}`);
  return answer.ms;
}

function round(world: World, { directory, add, del }: Side, config: Config): void {
  const program = `${directory}/${config.type}`;
  const container = world.container();
  const base = {
    program,
    config,
    containerId: container.id,
    ifname: container.ifname,
    netns: container.netns,
  };
  add.push(successful(callSync({ ...base, command: 'ADD' }), `ADD ${program}`));
  del.push(successful(callSync({ ...base, command: 'DEL' }), `DEL ${program}`));
  world.remove(container);
}

/** A scenario: our configuration, the peer's if another, and the budgets. */
interface Scenario {
  readonly name: string;
  readonly config: Config;
  readonly peer?: Config;
  readonly add: number;
  readonly del: number;
}

const scenarios: readonly Scenario[] = [
  {
    name: 'bridge + host-local',
    config: bridgeConfig(),
    peer: bridgeConfig({ bridge: 'cni1', name: 'peer' }),
    add: 8,
    del: 26,
  },
  {
    name: 'bridge + host-local + ipMasq',
    config: bridgeConfig({ ipMasq: true }),
    peer: bridgeConfig({ ipMasq: true, bridge: 'cni1', name: 'peer' }),
    add: 9,
    del: 28,
  },
  { name: 'underpod (whole chain)', config: underpodConfig({ bridge: 'cni2' }), add: 8, del: 26 },
];

/** Makes the links under which the executable is the plugins. */
export function linkTypes(executable: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const type of pluginTypes) symlinkSync(executable, `${directory}/${type}`);
}

/** Runs every scenario, `rounds` a side after ten that do not count. */
export function benchCni(executable: string, rounds: number): Figure[] {
  const peers = buildGoPlugins();
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  linkTypes(executable, '/run/bin');
  writeSubnetEnv();
  return scenarios.flatMap((scenario) => {
    const ours = side('/run/bin');
    const theirs = peers && scenario.peer ? { side: side(peers), config: scenario.peer } : undefined;
    for (let index = -10; index < rounds; index += 1) {
      round(world, ours, scenario.config);
      if (theirs) round(world, theirs.side, theirs.config);
    }
    const figure = (what: 'add' | 'del', budget: number): Figure => ({
      name: `${scenario.name}: ${what.toUpperCase()}`,
      ours: median(ours[what].slice(10)),
      ...(theirs && { peer: median(theirs.side[what].slice(10)) }),
      budget,
      rounds,
    });
    return [figure('add', scenario.add), figure('del', scenario.del)];
  });
}

/** Of a /16, counted from its second address: 95 in 100. */
const full = 62_258;

/** Fills a network's directory as that many pods leave it; the last address given out is the last one taken. */
function fillRange(network: string, prefix: string): void {
  const directory = `/var/lib/cni/networks/${network}`;
  mkdirSync(directory, { recursive: true });
  for (let n = 2; n < full + 2; n += 1) {
    const id = n.toString(16).padStart(64, '0');
    writeFileSync(`${directory}/${prefix}.${n >> 8}.${n & 255}`, `${id}\r\neth0`, { mode: 0o600 });
  }
}

/** Where the round robin goes on: in the middle of what is taken, the worst that can be. */
function rewind(network: string, prefix: string): void {
  writeFileSync(`/var/lib/cni/networks/${network}/last_reserved_ip.0`, `${prefix}.1.0`);
}

/**
 * host-local by itself in a /16 that is empty and in one that is 95 % full. The budget of the latter is the former's
 * median and 2 ms. Rounds of the Go plugin, which reads every file at each call, are fewer.
 */
export function benchAddresses(executable: string, rounds: number): Figure[] {
  const peers = buildGoPlugins();
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  linkTypes(executable, '/run/bin');
  const figures: Figure[] = [];
  const medians = { add: 0, del: 0 };
  for (const [state, number] of [
    ['empty', 30],
    ['95 % full', 31],
  ] as const) {
    const sides = [side('/run/bin'), ...(peers ? [side(peers)] : [])].map((one, index) => {
      const prefix = `10.${number + 10 * index}`;
      const name = `range${number + 10 * index}`;
      const ipam = { type: 'host-local', ranges: [[{ subnet: `${prefix}.0.0/16` }]] };
      if (state !== 'empty') fillRange(name, prefix);
      return { ...one, name, prefix, config: { cniVersion: '1.0.0', name, type: 'host-local', ipam } };
    });
    for (let index = -5; index < rounds; index += 1) {
      for (const one of sides) {
        // 1 s a call.
        if (one.directory === peers && state !== 'empty' && index >= 10) continue;
        if (state !== 'empty') rewind(one.name, one.prefix);
        round(world, one, one.config);
      }
    }
    const [ours, theirs] = sides;
    for (const what of ['add', 'del'] as const) {
      const value = median(ours?.[what].slice(5) ?? []);
      figures.push({
        name: `host-local, /16 ${state}: ${what.toUpperCase()}`,
        ours: value,
        ...(theirs && { peer: median(theirs[what].slice(5)) }),
        ...(state === 'empty' ? {} : { budget: medians[what] + 2 }),
        rounds,
      });
      medians[what] = value;
    }
  }
  return figures;
}

/** Start-up alone: CNI VERSION, which reads nothing but its environment, through a link named like a type. */
export function benchStartUp(executable: string, rounds: number): Figure[] {
  const peers = buildGoPlugins();
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  linkTypes(executable, '/run/bin');
  const times = { ours: [] as number[], peer: [] as number[] };
  const call = (directory: string): number =>
    successful(
      callSync({ command: 'VERSION', program: `${directory}/bridge`, config: { cniVersion: '1.0.0' } }),
      `VERSION ${directory}`,
    );
  for (let index = -10; index < rounds; index += 1) {
    times.ours.push(call('/run/bin'));
    if (peers) times.peer.push(call(peers));
  }
  const peer = peers ? { peer: median(times.peer.slice(10)) } : {};
  return [
    { name: 'start-up: CNI VERSION', ours: median(times.ours.slice(10)), ...peer, budget: 5.5, rounds },
  ];
}
