/** Services: one address for all pods, from pods and, by node ports, from outside; and clients that stay with their pod. */

import type { Family } from '../addresses.ts';
import { explainPath } from '../diagnose.ts';
import type { Lab } from '../lab.ts';
import type { Pod } from '../pod.ts';
import type { Probe } from '../probe/handle.ts';
import { EVERYBODY, type LabService, STICKY } from '../services.ts';
import { type Attempt, all, type Check, counted } from './check.ts';
import { PATIENCE } from './reach.ts';

/** Of six pods one is left out by so many connections once in a billion times. */
const MOST_CONNECTIONS = 130;
/** Who is chosen anew each time stays the same so often once in a million times, of two. */
const STICKY_CONNECTIONS = 20;

export function serviceChecks(family: Family, single: string | undefined): Check[] {
  const needs = [single === undefined ? `other-tcp/${family}` : `same-node/${family}`];
  return [clusterIp(family, needs), nodePort(family, needs), affinity(family, needs)];
}

function everyPod(lab: Lab): Pod[] {
  return lab.nodes.flatMap((node) => lab.podsOf(node));
}

function firstPods(lab: Lab): Pod[] {
  return lab.nodes.map((node) => lab.podsOf(node)[0] as Pod);
}

/** Connects until every pod has answered. @returns how many connections that took @throws Error naming who has not */
async function askAll(
  probe: Probe,
  lab: Lab,
  family: Family,
  to: { readonly host: string; readonly port?: number },
  check: (seen: string, by: Pod) => void = () => {},
): Promise<number> {
  const pods = new Map(everyPod(lab).map((pod) => [pod.address(family), pod]));
  const silent = new Set(pods.keys());
  for (let count = 1; count <= MOST_CONNECTIONS; count += 1) {
    const { seen, by } = await probe.ask({ op: 'tcp', ...to, timeout: PATIENCE });
    const pod = pods.get(by);
    if (pod === undefined) throw new Error(`${by} answers, which is no pod`);
    check(seen, pod);
    silent.delete(by);
    if (silent.size === 0) return count;
  }
  const names = [...silent].map((address) => pods.get(address)?.name);
  throw new Error(`${names.join(', ')} got none of ${MOST_CONNECTIONS} connections`);
}

function attempt(
  from: string,
  service: LabService,
  run: () => Promise<unknown>,
  explain: Attempt['explain'],
): Attempt {
  return {
    from,
    to: `service ${service.name}`,
    run: async () => {
      await run();
    },
    explain,
  };
}

function explainService(lab: Lab, pod: Pod, service: LabService, family: Family): Attempt['explain'] {
  return async () => [
    `look: underpod status service/${service.name} (on ${pod.node.name}); its log: logs/${pod.node.name}-proxy.log`,
    ...(await explainPath(lab, pod.node, lab.nodes.find((node) => node !== pod.node) ?? pod.node, family)),
  ];
}

function clusterIp(family: Family, needs: string[]): Check {
  const host = EVERYBODY.address[family];
  return {
    id: `service/${family}`,
    family,
    title: 'pod → ClusterIP: every pod answers, and sees the client',
    needs,
    run: async (lab) => {
      let connections = 0;
      const ask = async (from: Pod): Promise<void> => {
        connections += await askAll(from.probe, lab, family, { host }, (seen, by) => {
          // Its own packets would not come back past the node otherwise.
          if (by !== from && seen !== from.address(family))
            throw new Error(`${by.name} sees ${seen}, not ${from.address(family)}`);
        });
      };
      await all(
        firstPods(lab).map((pod) =>
          attempt(pod.name, EVERYBODY, () => ask(pod), explainService(lab, pod, EVERYBODY, family)),
        ),
      );
      return `${host}: ${counted(connections, 'connection')}`;
    },
  };
}

function nodePort(family: Family, needs: string[]): Check {
  const port = EVERYBODY.nodePort ?? 0;
  return {
    id: `node-port/${family}`,
    family,
    title: 'outside → NodePort of every node: every pod answers',
    needs,
    run: async (lab) => {
      let connections = 0;
      const ask = async (host: string): Promise<void> => {
        connections += await askAll(lab.outside, lab, family, { host, port });
      };
      await all(
        firstPods(lab).map((pod) =>
          attempt(
            `outside by ${pod.node.name}`,
            EVERYBODY,
            () => ask(pod.node.address(family)),
            explainService(lab, pod, EVERYBODY, family),
          ),
        ),
      );
      return `port ${port}: ${counted(connections, 'connection')}`;
    },
  };
}

function affinity(family: Family, needs: string[]): Check {
  const host = STICKY.address[family];
  const stays = async (from: Pod): Promise<void> => {
    const answered = new Set<string>();
    for (let count = 0; count < STICKY_CONNECTIONS; count += 1)
      answered.add((await from.probe.ask({ op: 'tcp', host, timeout: PATIENCE })).by);
    if (answered.size > 1) throw new Error(`${[...answered].join(' and ')} answered`);
  };
  return {
    id: `affinity/${family}`,
    family,
    title: 'session affinity: a client stays with its pod',
    needs,
    run: async (lab) => {
      const pods = firstPods(lab);
      await all(
        pods.map((pod) =>
          attempt(pod.name, STICKY, () => stays(pod), explainService(lab, pod, STICKY, family)),
        ),
      );
      return `${pods.length} × ${STICKY_CONNECTIONS} connections`;
    },
  };
}
