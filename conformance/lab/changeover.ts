/**
 * Changes a node's agent while pods talk: flanneld to ours, and back. Beside it stands what the same connections saw of a
 * restart of flanneld, and while nothing happened at all.
 */
import { slowness } from '../testing/slowness.ts';
import { type Family, families, worldAddress } from './addresses.ts';
import type { Agent } from './agent.ts';
import { CheckFailure } from './checks/check.ts';
import type { Lab } from './lab.ts';
import type { Pod } from './pod.ts';
import type { FlowCounts } from './probe/protocol.ts';
import type { Report } from './report.ts';

/** As the requirement has it: each connection echoes every 10 ms. */
const INTERVAL = 10;
/** Connections from each end to each of the others. */
const CONNECTIONS = 4;
/** Time before and after each act, in ms; what is not back after the second half of it has been lost. */
const SETTLE = 2_000 * slowness;
const DRAIN = 1_000 * slowness;

export interface ChangeoverRequest {
  readonly node: number;
}

export interface Act extends FlowCounts {
  readonly name: string;
}

const ACTS: readonly { readonly name: string; run(agent: Agent): Promise<void> }[] = [
  { name: 'nothing happens', run: async () => {} },
  {
    name: 'flanneld restarts',
    run: async (agent) => {
      await agent.stop();
      await agent.start('flanneld');
    },
  },
  {
    name: 'flanneld → underpod',
    run: async (agent) => {
      await agent.stop();
      await agent.start('underpod');
    },
  },
  {
    name: 'underpod restarts',
    run: async (agent) => {
      await agent.stop();
      await agent.start('underpod');
    },
  },
  {
    name: 'underpod → flanneld',
    run: async (agent) => {
      await agent.stop();
      await agent.start('flanneld');
    },
  },
];

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
      await run(agent);
      await settle();
      const act = { name, ...(await flows.section()) };
      acts.push(act);
      report({ kind: 'text', text: formatAct(act) });
    }
    return acts;
  } finally {
    await flows.stop();
  }
}

/**
 * Whether no connection was lost, old or new, and ours lost no more datagrams than a restart of flanneld does. What flanneld
 * loses when it starts after ours is its own.
 */
export function losesNothing(acts: readonly Act[]): boolean {
  const flannel = acts.find(({ name }) => name === 'flanneld restarts');
  return acts
    .filter(({ name }) => name.includes('underpod'))
    .every(({ name, lost, failed, missing }) => {
      const isOurs = !name.endsWith('flanneld');
      return lost === 0 && failed === 0 && (!isOurs || missing <= (flannel?.missing ?? 0));
    });
}

export function formatAct({ name, connections, lost, missing, opened, failed, longestGap }: Act): string {
  return (
    `${name.padEnd(20)} ${lost} of ${connections} connections lost, ${failed} of ${opened + failed} new ones failed, ` +
    `${missing} datagrams lost, longest gap ${longestGap} ms`
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
