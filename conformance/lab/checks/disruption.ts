/** An agent is killed, a node loses power, a node leaves: each on a lab of its own making, put right again after. */

import { slowness } from '../../testing/slowness.ts';
import { families, nodeAddress } from '../addresses.ts';
import { explainPath } from '../diagnose.ts';
import { programmedPeer, readSubnets, traceOf } from '../kernel-state.ts';
import type { Lab } from '../lab.ts';
import type { LabNode } from '../node.ts';
import type { Pod } from '../pod.ts';
import { all, type Check, CheckFailure } from './check.ts';
import { between, PATIENCE } from './reach.ts';

/** A datagram every 5 ms: fine enough to notice a gap, and no load. */
const INTERVAL = 5;
/** Echoes awaited before, after and between the acts. */
const ECHOES = 40;
/** Peers take notice of a join or a leave within this time, in ms. */
const NOTICE = 5_000 * slowness;

export function disruptionChecks(ipv: Lab['options']['ipv'], single: string | undefined): Check[] {
  const impossible = single === undefined ? {} : { impossible: single };
  const needs = families(ipv).map((family) =>
    single === undefined ? `other-icmp/${family}` : `same-node/${family}`,
  );
  return [
    { ...agentKilled(needs), ...impossible },
    { ...agentRestarted(needs), ...impossible },
    nodeRestarted(needs),
    { ...nodeRemoved(needs), ...impossible },
  ].map((check) => ({ ...check, disruptive: true }));
}

/** Runs `act` while datagrams go from pod to pod. @throws CheckFailure if one of them is lost */
async function whileStreaming(lab: Lab, from: Pod, to: Pod, act: () => Promise<void>): Promise<string> {
  const [family = 4] = families(lab.options.ipv);
  await from.probe.ask({ op: 'stream', host: to.address(family), interval: INTERVAL });
  let failure: unknown;
  try {
    await from.probe.ask({ op: 'streamed', count: ECHOES, timeout: PATIENCE });
    await act();
    await from.probe.ask({ op: 'streamed', count: ECHOES, timeout: PATIENCE });
  } catch (error) {
    failure = error;
  }
  const { sent, received, longestGap } = await from.probe.ask({ op: 'stopStream', drain: 300 });
  if (failure !== undefined) {
    const why = failure instanceof Error ? failure.message : String(failure);
    throw new CheckFailure(why, await explainPath(lab, from.node, to.node, family), { cause: failure });
  }
  if (received < sent) {
    throw new CheckFailure(`${sent - received} of ${sent} datagrams lost, longest gap ${longestGap} ms`, [
      `look at the log of the agent on ${from.node.name}: what did it delete and create again?`,
    ]);
  }
  return `${sent} datagrams, none lost`;
}

/** The pods between which the agent's node is judged: one on it, one elsewhere. */
function streamEnds(lab: Lab): [Pod, Pod] {
  return [lab.podsOf(lab.node(1))[0] as Pod, lab.podsOf(lab.node(2))[0] as Pod];
}

function agentKilled(needs: string[]): Check {
  return {
    id: 'agent-killed',
    title: 'agent of node1 killed (SIGKILL): traffic and CNI go on',
    needs,
    run: async (lab) => {
      const [from, to] = streamEnds(lab);
      const agent = lab.agentOf(from.node);
      return whileStreaming(lab, from, to, async () => {
        await agent.kill();
        await using late = await lab.temporaryPod(from.node);
        const [family = 4] = families(lab.options.ipv);
        await all([between([to, late.pod], lab, family, () => ask(to, late.pod.address(family)))]);
      });
    },
  };
}

function ask(from: Pod, host: string): Promise<unknown> {
  return from.probe.ask({ op: 'tcp', host, timeout: PATIENCE });
}

function agentRestarted(needs: string[]): Check {
  return {
    id: 'agent-restarted',
    title: 'agent of node1 started again: its old subnet',
    needs,
    run: async (lab) => {
      const [from, to] = streamEnds(lab);
      const before = readSubnets(from.node);
      const flow = await whileStreaming(lab, from, to, async () => {
        await lab.agentOf(from.node).start();
      });
      sameSubnets(lab, from.node, before, readSubnets(from.node));
      return `${Object.values(before).join(', ')}; ${flow}`;
    },
  };
}

function sameSubnets({ store }: Lab, node: LabNode, before: object, after: object): void {
  const [old, now] = [Object.values(before).join(', '), Object.values(after).join(', ')];
  if (old === now) return;
  throw new CheckFailure(`${node.name} had ${old} and now has ${now}`, [
    `look: ${store.look} (on ${node.name}): is its lease still there?`,
  ]);
}

function nodeRestarted(needs: string[]): Check {
  return {
    id: 'node-restarted',
    title: 'a node loses power and starts again: its old subnet',
    needs,
    run: async (lab) => {
      const node = lab.node(Math.min(2, lab.nodes.length));
      const before = readSubnets(node);
      await lab.powerCut(node);
      await lab.startNode(node);
      sameSubnets(lab, node, before, readSubnets(node));
      await reachable(lab, node);
      return Object.values(before).join(', ');
    },
  };
}

/** Both ways between this node's new pods and those of every other node. */
async function reachable(lab: Lab, node: LabNode): Promise<void> {
  await lab.converged();
  const pod = lab.podsOf(node)[0] as Pod;
  const others = lab.nodes.filter((other) => other !== node).map((other) => lab.podsOf(other)[0] as Pod);
  const pairs = others.flatMap((other): [Pod, Pod][] => [
    [pod, other],
    [other, pod],
  ]);
  await all(
    families(lab.options.ipv).flatMap((family) =>
      pairs.map((pair) => between(pair, lab, family, () => ask(pair[0], pair[1].address(family)))),
    ),
  );
}

function nodeRemoved(needs: string[]): Check {
  return {
    id: 'node-removed',
    title: 'a node removed: its peers forget it; it joins again',
    needs,
    run: async (lab) => {
      const node = lab.node(lab.nodes.length);
      const trace = await traceOf(node, lab.options);
      const peers = lab.nodes.filter((other) => other !== node);
      await lab.powerCut(node);
      const start = performance.now();
      await lab.store.remove(node);
      for (const peer of peers) {
        const left = await programmedPeer(peer, trace, (found) => found.length === 0, NOTICE);
        if (left.length > 0) {
          throw new CheckFailure(`${peer.name} still has ${left[0]}`, [
            `look at the log of the agent on ${peer.name}; address of ${node.name}: ${nodeAddress(node.index, 4).address}`,
          ]);
        }
      }
      const forgotten = performance.now() - start;
      await lab.startNode(node);
      await reachable(lab, node);
      return `forgotten after ${forgotten.toFixed(0)} ms`;
    },
  };
}
