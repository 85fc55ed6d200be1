/**
 * A node's whole chain: ours as the single type `underpod` and as links of the classic names, against the Go plugins;
 * without ports, with one host port, eight pods at a time, and on a node that is full of pods.
 */

import { mkdirSync, symlinkSync } from 'node:fs';
import { buildGoPlugins } from '../cni/go-plugins.ts';
import { enterWorld, type World } from '../cni/world.ts';
import { addChain, type Chain, roundOf, type Times, type Wishes } from './chain.ts';
import { type Figure, median } from './figure.ts';
import { benchKernel } from './kernel-alone.ts';

const ourBin = '/run/bin';
/** Both sides' plugins, as bridge, portmap and bandwidth are chained by k3s. */
const types = ['underpod', 'bridge', 'host-local', 'portmap', 'bandwidth'];

/** As k3s has the bridge; a /20 has room for a node that is full. */
const bridgeKeys = (index: number, range: Record<string, string> = {}): Record<string, unknown> => ({
  bridge: `cni${index}`,
  isDefaultGateway: true,
  hairpinMode: true,
  forceAddress: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: `10.${100 + index}.0.0/20`, ...range }]] },
});

const portmap = { type: 'portmap', capabilities: { portMappings: true } };
const bandwidth = { type: 'bandwidth', capabilities: { bandwidth: true } };

const single: Chain = {
  directory: ourBin,
  name: 'single',
  cniVersion: '1.0.0',
  plugins: [{ type: 'underpod', ...bridgeKeys(1), capabilities: { portMappings: true, bandwidth: true } }],
};

function classic(directory: string, name: string, keys: Record<string, unknown>): Chain {
  const bridge = { type: 'bridge', ...keys };
  return { directory, name, cniVersion: '1.0.0', plugins: [bridge, portmap, bandwidth] };
}

/** A host port of its own for every pod of a run; 0: none. */
let nextPort = 20_000;
function onePort(): Wishes {
  nextPort = nextPort >= 60_000 ? 20_000 : nextPort + 1;
  return { portMappings: [{ hostPort: nextPort, containerPort: 80, protocol: 'tcp' }] };
}
const noPort = (): Wishes => ({});

interface Scenario {
  readonly name: string;
  readonly width: number;
  readonly wishes: () => Wishes;
  readonly add: number;
  readonly del: number;
}

const scenarios: readonly Scenario[] = [
  { name: 'no ports', width: 1, wishes: noPort, add: 8, del: 26 },
  { name: 'one host port', width: 1, wishes: onePort, add: 9, del: 28 },
  { name: 'one host port, 8 at a time', width: 8, wishes: onePort, add: 40, del: 80 },
];

/** What the classic chain of our links may take of the Go plugins' time. */
const classicShare = 0.6;

/**
 * Pods a side adds and deletes before it is the next one's turn; one before them is not counted. So sides share the
 * machine's moods, and nobody runs with the processor's caches full of another side's program: a node has one of them.
 */
const blockLength = 24;

const p50 = (times: readonly Times[], what: 'add' | 'del'): number => median(times.map((one) => one[what]));

/**
 * The sides, each with a network and a bridge of its own; on a full node all have the one that the pods are on, with
 * addresses of their own: in one network of both, host-local would read all files anew at each turn.
 */
function sidesOn(node: 'empty' | 'full'): readonly (readonly [string, Chain])[] {
  const peers = buildGoPlugins();
  const of = (directory: string, name: string, index: number): Chain => {
    const range = { rangeStart: `10.101.${3 * index + 4}.1`, rangeEnd: `10.101.${3 * index + 6}.250` };
    return classic(directory, name, node === 'full' ? bridgeKeys(1, range) : bridgeKeys(index));
  };
  return [
    ['underpod', single],
    ['classic', of(ourBin, 'classic', 2)],
    ...(peers ? [['peer', of(peers, 'peer', 3)] as const] : []),
  ];
}

async function measure(
  world: World,
  sides: readonly (readonly [string, Chain])[],
  scenario: Scenario,
  rounds: number,
  note: string,
): Promise<Figure[]> {
  const times = new Map<string, Times[]>(sides.map(([name]) => [name, []]));
  for (let block = 0; block < rounds; block += blockLength) {
    for (const [name, chain] of sides) {
      for (let pod = -scenario.width; pod < Math.min(blockLength, rounds - block); pod += scenario.width) {
        const measured = await roundOf(world, chain, scenario.width, scenario.wishes);
        if (pod >= 0) times.get(name)?.push(...measured);
      }
    }
  }
  return (['add', 'del'] as const).flatMap((what) => {
    const peer = times.get('peer');
    const theirs = peer ? { peer: p50(peer, what) } : {};
    const figure = (name: string, budget: number | undefined): Figure => ({
      name: `chain ${name}, ${scenario.name}${note}: ${what.toUpperCase()}`,
      ours: p50(times.get(name) ?? [], what),
      ...theirs,
      ...(budget === undefined ? {} : { budget: Number(budget.toFixed(1)) }),
      rounds,
    });
    const share = theirs.peer === undefined ? undefined : classicShare * theirs.peer;
    return [figure('underpod', scenario[what]), figure('classic', share)];
  });
}

const fullNote = ', 1,000 pods and 500 ports there';

/**
 * What new pods do by themselves: IPv6 asks for a router three times within 12 s, which the bridge hands to all its ports,
 * and a port's start-up queries end after 8 s (RTR_SOLICITATIONS of net/ipv6.h, br_multicast.c). Both sides then meet a
 * node of 1,000 pods, not one that has just got them.
 */
const settleMs = 15_000;

/** Fills the node: pods of the single type's network, every second one with a host port. Returns nothing to undo. */
async function fill(world: World, pods: number): Promise<void> {
  for (let pod = 0; pod < pods; pod++)
    await addChain(single, world.container('resident'), pod % 2 ? onePort() : {});
  await Bun.sleep(settleMs);
}

/** Runs every scenario, `rounds` pods a side; then the first two again beside 1,000 pods with 500 host ports. */
export async function benchChains(executable: string, rounds: number): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  mkdirSync(ourBin, { recursive: true });
  for (const type of types) symlinkSync(executable, `${ourBin}/${type}`);
  const figures: Figure[] = [];
  for (const scenario of scenarios)
    figures.push(...(await measure(world, sidesOn('empty'), scenario, rounds, '')));
  figures.push(...(await benchKernel(world, 'cni1', rounds, '')));
  await fill(world, 1000);
  figures.push(...(await benchKernel(world, 'cni1', Math.min(rounds, 100), fullNote)));
  for (const scenario of scenarios.slice(0, 2)) {
    const alone = figures.filter(({ name }) => name.startsWith(`chain underpod, ${scenario.name}:`));
    const full = await measure(world, sidesOn('full'), scenario, Math.min(rounds, 100), fullNote);
    // The same within 20 %, for the single type; the others for comparison.
    figures.push(
      ...full.map((figure) => {
        const before = alone.find(({ name }) => name.slice(-3) === figure.name.slice(-3));
        const { budget: _none, ...rest } = figure;
        return figure.name.startsWith('chain underpod') && before
          ? { ...rest, budget: Number((1.2 * before.ours).toFixed(1)) }
          : rest;
      }),
    );
  }
  return figures;
}
