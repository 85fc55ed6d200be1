/**
 * Changes a node's agent while pods talk: flanneld to ours, and back; restarts each, and kills each again and again. What
 * the same connections saw of ours stands beside what they saw of flanneld, and while nothing happened at all.
 */
import { Random } from '../testing/random.ts';
import { slowness } from '../testing/slowness.ts';
import { type Family, families, worldAddress } from './addresses.ts';
import type { Agent } from './agent.ts';
import { CheckFailure } from './checks/check.ts';
import type { Lab } from './lab.ts';
import type { Pod } from './pod.ts';
import type { FlowCounts } from './probe/protocol.ts';
import type { ProgramName } from './programs.ts';
import type { Report } from './report.ts';

/** As the requirement has it: each connection echoes every 10 ms. */
const INTERVAL = 10;
/** Connections from each end to each of the others. */
const CONNECTIONS = 4;
/** Time before and after each act, in ms; what is not back after the second half of it has been lost. */
const SETTLE = 2_000 * slowness;
const DRAIN = 1_000 * slowness;

/** Kills in a row, and within which time of a start they come, in ms: from the first instruction to well after all is set. */
const KILLS = 12;
const KILLED_WITHIN = 600;
/** Time from a start until the node's kernel has everything again, in ms. */
const WHOLE_AGAIN = 2_000 * slowness;

export interface ChangeoverRequest {
  readonly node: number;
}

export interface Act extends FlowCounts {
  readonly name: string;
  /** After kills: from the last start until every node's kernel had all of the others, in ms. */
  readonly whole?: number;
}

interface Script {
  readonly name: string;
  /** @returns how long it took until all was whole again, where that matters */
  run(agent: Agent, lab: Lab): Promise<number | undefined>;
}

/** The same moments for both programs. */
async function killAgain(agent: Agent, lab: Lab): Promise<number> {
  const random = new Random(KILLS);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const started = agent.start().catch(() => {});
    await Bun.sleep(random.below(KILLED_WITHIN));
    await agent.kill();
    await started;
  }
  const before = performance.now();
  await agent.start();
  await lab.converged();
  return performance.now() - before;
}

const ACTS: readonly Script[] = [
  { name: 'nothing happens', run: async () => undefined },
  { name: 'flanneld restarts', run: startAfterStop('flanneld') },
  { name: 'flanneld is killed', run: killAgain },
  { name: 'flanneld → underpod', run: startAfterStop('underpod') },
  { name: 'underpod restarts', run: startAfterStop('underpod') },
  { name: 'underpod is killed', run: killAgain },
  { name: 'underpod → flanneld', run: startAfterStop('flanneld') },
];

function startAfterStop(program: ProgramName): Script['run'] {
  return async (agent) => {
    await agent.stop();
    await agent.start(program);
    return undefined;
  };
}

/** @returns what happened during each act. @throws CheckFailure if the lab cannot show it */
export async function changeover(
  lab: Lab,
  { node: index }: ChangeoverRequest,
  report: Report,
): Promise<Act[]> {
  const node = lab.node(index);
  const agent = lab.agentOf(node);
  if (agent.program !== 'flanneld')
    throw new CheckFailure(
      `the agent of ${node.name} is not flanneld: start the lab with --flannel ${index}`,
    );
  const flows = await startFlows(lab, lab.podsOf(node)[0] as Pod, lab.options.ipv);
  try {
    // The first answers, and neighbours' addresses, are nobody's gap.
    await settle();
    await flows.section();
    const acts: Act[] = [];
    for (const { name, run } of ACTS) {
      const whole = await run(agent, lab);
      await settle();
      const act = { name, ...(await flows.section()), ...(whole !== undefined && { whole }) };
      acts.push(act);
      report({ kind: 'text', text: formatAct(act) });
    }
    return acts;
  } finally {
    await flows.stop();
  }
}

/**
 * Whether no connection was lost, old or new, ours lost no more datagrams than flanneld does when the same happens to it, and
 * after kills all was whole again in time. What flanneld loses when it starts after ours is its own.
 */
export function losesNothing(acts: readonly Act[]): boolean {
  const missingOf = (name: string): number => acts.find((act) => act.name === name)?.missing ?? 0;
  return acts
    .filter(({ name }) => name.includes('underpod'))
    .every(({ name, lost, failed, missing, whole = 0 }) => {
      const isOurs = !name.endsWith('flanneld');
      const peer = missingOf(name.endsWith('killed') ? 'flanneld is killed' : 'flanneld restarts');
      return lost === 0 && failed === 0 && (!isOurs || missing <= peer) && whole <= WHOLE_AGAIN;
    });
}

export function formatAct(act: Act): string {
  const { name, connections, lost, missing, opened, failed, longestGap, whole } = act;
  return (
    `${name.padEnd(20)} ${lost} of ${connections} connections lost, ${failed} of ${opened + failed} new ones failed, ` +
    `${missing} datagrams lost, longest gap ${longestGap} ms` +
    (whole === undefined ? '' : `, whole ${whole.toFixed(0)} ms after the last of ${KILLS + 1} starts`)
  );
}

function settle(): Promise<void> {
  return Bun.sleep(SETTLE);
}

interface AllFlows {
  section(): Promise<FlowCounts>;
  stop(): Promise<void>;
}

/** From the node's pod to one on every other node and beyond the cluster, and from those pods back. */
async function startFlows(lab: Lab, own: Pod, ipv: Lab['options']['ipv']): Promise<AllFlows> {
  const others = lab.nodes.filter((node) => node !== own.node).map((node) => lab.podsOf(node)[0] as Pod);
  const used = families(ipv);
  const all = (pick: (family: Family) => string[]): string[] => used.flatMap(pick);
  const outward = all((family) => [
    ...others.map((pod) => pod.address(family)),
    worldAddress(family).address,
  ]);
  const ends = [
    { pod: own, hosts: outward },
    ...others.map((pod) => ({ pod, hosts: all((family) => [own.address(family)]) })),
  ];
  for (const { pod, hosts } of ends)
    await pod.probe.ask({ op: 'flows', hosts, connections: CONNECTIONS, interval: INTERVAL });
  return {
    section: async () => {
      const parts = await Promise.all(ends.map(({ pod }) => pod.probe.ask({ op: 'flowed', drain: DRAIN })));
      return parts.reduce((a, b) => ({
        connections: a.connections + b.connections,
        lost: a.lost + b.lost,
        echoes: a.echoes + b.echoes,
        missing: a.missing + b.missing,
        opened: a.opened + b.opened,
        failed: a.failed + b.failed,
        longestGap: Math.max(a.longestGap, b.longestGap),
      }));
    },
    stop: async () => {
      await Promise.all(ends.map(({ pod }) => pod.probe.ask({ op: 'stopFlows' })));
    },
  };
}
