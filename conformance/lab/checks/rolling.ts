/** A rolling update over the lab's nodes, as a Deployment does it, while new connections pour in. */

import { TrafficClient } from '../../proxy/traffic/client.ts';
import { slowness } from '../../testing/slowness.ts';
import { families, type IpVersions } from '../addresses.ts';
import type { Lab } from '../lab.ts';
import { Pod } from '../pod.ts';
import { PROBE_PORT } from '../probe/protocol.ts';
import { ROLLING } from '../services.ts';
import { type Check, CheckFailure } from './check.ts';
import { PATIENCE } from './reach.ts';

/** New connections a second, of all families; three nodes' worth of programs share the machine. */
const RATE = slowness === 1 ? 400 : 20;

export function rollingCheck(ipv: IpVersions): Check {
  return {
    id: 'rolling-update',
    title: 'rolling update under new connections: none fails',
    needs: families(ipv).map((family) => `service/${family}`),
    disruptive: true,
    run: async (lab) => {
      const pods = await Promise.all(lab.nodes.map((node) => create(lab, node, 1)));
      try {
        await lab.services?.converged(ROLLING, pods);
        return await underTraffic(lab, () => replaceAll(lab, pods));
      } finally {
        await Promise.all(pods.map((pod) => remove(lab, pod)));
      }
    },
  };
}

async function create(lab: Lab, node: Lab['nodes'][number], generation: number): Promise<Pod> {
  const name = `pod${node.index}-roll${generation}`;
  await lab.services?.add(name, node, ROLLING);
  const pod = await Pod.create(name, node);
  await lab.services?.ready(name, node, ROLLING);
  return pod;
}

async function remove(lab: Lab, pod: Pod): Promise<void> {
  await pod.remove();
  await lab.services?.remove(pod.name);
}

/** One after the other: a new one is ready, an old one ends once all nodes know. */
async function replaceAll(lab: Lab, pods: Pod[]): Promise<void> {
  for (const [index, node] of lab.nodes.entries()) {
    const old = pods[index] as Pod;
    const fresh = await create(lab, node, 2);
    pods.push(fresh);
    await lab.services?.converged(ROLLING, pods);
    await lab.services?.end(old.name, node, ROLLING);
    pods[index] = fresh;
    pods.pop();
    try {
      await lab.services?.converged(ROLLING, pods);
    } finally {
      await remove(lab, old);
    }
  }
}

async function underTraffic(lab: Lab, act: () => Promise<void>): Promise<string> {
  const used = families(lab.options.ipv);
  const [from] = lab.podsOf(lab.node(1)) as [Pod];
  await using client = new TrafficClient(from.enter, {
    patienceMs: PATIENCE,
    targets: used.map((family) => ({
      address: ROLLING.address[family],
      port: PROBE_PORT,
      perSecond: RATE / used.length,
    })),
  });
  await act();
  const { opened, seconds, failed, failures, by } = await client.stop();
  if (failed > 0) {
    const [first] = failures;
    throw new CheckFailure(`${failed} of ${opened} connections failed: ${first?.target} ${first?.what}`, [
      `look: underpod status service/${ROLLING.name} (on ${from.node.name}); its log: logs/${from.node.name}-proxy.log`,
    ]);
  }
  const rate = Math.round(opened / seconds);
  return `${opened} connections, ${rate} a second, ${Object.keys(by).length / used.length} pods answered`;
}
