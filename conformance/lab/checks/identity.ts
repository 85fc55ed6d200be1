/** Who is seen as whom: Kubernetes' three rules without NAT, and the masquerade towards everything else. */
import { type Family, worldAddress } from '../addresses.ts';
import { explainLeaving, explainMasquerade, explainPath } from '../diagnose.ts';
import type { Lab } from '../lab.ts';
import type { LabNode } from '../node.ts';
import type { Pod } from '../pod.ts';
import type { Probe } from '../probe/handle.ts';
import { all, type Check, counted } from './check.ts';
import { between, crossPairs, nodePairs, nonce, PATIENCE } from './reach.ts';

function mustBe(seen: string, expected: string, by: string): void {
  if (seen !== expected) throw new Error(`${by} sees ${seen}, not ${expected}`);
}

/** The address under which `host` sees a TCP connection of this probe. */
async function seenBy(probe: Probe, host: string): Promise<string> {
  return (await probe.ask({ op: 'tcp', host, timeout: PATIENCE })).seen;
}

export function identityChecks(family: Family, single: string | undefined): Check[] {
  const impossible = single === undefined ? {} : { impossible: single };
  const cross = single === undefined ? [`other-icmp/${family}`] : [];
  const ownAddress = (
    where: string,
    id: string,
    pairs: (lab: Lab) => [Pod, Pod][],
    needs: string[],
  ): Check => ({
    id: `${id}/${family}`,
    family,
    title: `no NAT: server sees the client pod’s address, ${where}`,
    needs,
    run: async (lab) => {
      const seen = async ([from, to]: [Pod, Pod]): Promise<void> =>
        mustBe(await seenBy(from.probe, to.address(family)), from.address(family), to.name);
      const attempts = pairs(lab).map((pair) => between(pair, lab, family, () => seen(pair)));
      await all(attempts);
      return counted(attempts.length, 'way');
    },
  });
  return [
    podToNode(family, cross),
    nodeToPod(family, cross),
    ownAddress('same node', 'no-nat-same', nodePairs, [`same-node/${family}`]),
    { ...ownAddress('other node', 'no-nat-other', crossPairs, cross), ...impossible },
    seesItself(family, [`same-node/${family}`, ...cross]),
    masqueraded(family),
  ];
}

function podToNode(family: Family, needs: string[]): Check {
  const reach = async (pod: Pod, node: LabNode): Promise<void> => {
    const host = node.address(family);
    await pod.probe.ask({ op: 'ping', host, timeout: PATIENCE });
    const seen = await seenBy(pod.probe, host);
    if (pod.node === node) mustBe(seen, pod.address(family), node.name);
  };
  return {
    id: `pod-node/${family}`,
    family,
    title: 'pod → node, its own and others',
    needs,
    run: async (lab) => {
      const attempts = lab.nodes.flatMap((from) =>
        lab.nodes.map((to) => {
          const pod = lab.podsOf(from)[0] as Pod;
          const explain = (): Promise<string[]> => explainLeaving(pod, family);
          return { from: pod.name, to: to.name, run: () => reach(pod, to), explain };
        }),
      );
      await all(attempts);
      return counted(attempts.length, 'way');
    },
  };
}

function nodeToPod(family: Family, needs: string[]): Check {
  const reach = async (node: LabNode, pod: Pod): Promise<void> => {
    const host = pod.address(family);
    await node.probe.ask({ op: 'ping', host, timeout: PATIENCE });
    await node.probe.ask({ op: 'tcp', host, timeout: PATIENCE });
  };
  return {
    id: `node-pod/${family}`,
    family,
    title: 'node → pod, its own and others',
    needs,
    run: async (lab) => {
      const attempts = lab.nodes.flatMap((node) =>
        lab.nodes.map((to) => {
          const pod = lab.podsOf(to)[0] as Pod;
          const explain = (): Promise<string[]> => explainPath(lab, node, to, family);
          return { from: node.name, to: pod.name, run: () => reach(node, pod), explain };
        }),
      );
      await all(attempts);
      return counted(attempts.length, 'way');
    },
  };
}

/** ip(8) lists what its filter drops as empty objects. */
interface AddressJson {
  readonly addr_info: readonly { readonly local?: string }[];
}

/** What the pod finds on its eth0 is what it, its neighbour and a pod elsewhere see a connection come from. */
function seesItself(family: Family, needs: string[]): Check {
  const check = async (lab: Lab, pod: Pod): Promise<void> => {
    const text = await pod.run('ip', '-j', `-${family}`, 'address', 'show', 'dev', 'eth0', 'scope', 'global');
    const own = (JSON.parse(text) as AddressJson[])
      .flatMap((link) => link.addr_info ?? [])
      .flatMap(({ local }) => local ?? []);
    const expected = pod.address(family);
    if (own.length !== 1 || own[0] !== expected) {
      throw new Error(`eth0 has ${own.join(', ') || 'no address'}; CNI gave it ${expected}`);
    }
    const neighbour = lab.podsOf(pod.node)[1] as Pod;
    const next = lab.podsOf(lab.nodes[pod.node.index % lab.nodes.length] as LabNode)[0] as Pod;
    for (const server of new Set([pod, neighbour, next])) {
      mustBe(await seenBy(pod.probe, server.address(family)), expected, server.name);
    }
  };
  return {
    id: `no-nat-self/${family}`,
    family,
    title: 'no NAT: the pod sees itself as others see it',
    needs,
    run: async (lab) => {
      const attempts = lab.nodes.map((node) => {
        const pod = lab.podsOf(node)[0] as Pod;
        return between([pod, pod], lab, family, () => check(lab, pod));
      });
      await all(attempts);
      return counted(attempts.length, 'pod');
    },
  };
}

/** The outside host has no way back to a pod's address: only a masqueraded packet is answered. */
function masqueraded(family: Family): Check {
  const host = worldAddress(family).address;
  const check = async (lab: Lab, pod: Pod): Promise<void> => {
    const mark = nonce('masquerade');
    const sending = pod.probe.ask({ op: 'udp', host, nonce: mark, timeout: PATIENCE }).catch(() => {});
    const { from } = await lab.outside.ask({ op: 'saw', nonce: mark, timeout: PATIENCE });
    mustBe(from, pod.node.address(family), 'outside');
    await sending;
    mustBe(await seenBy(pod.probe, host), pod.node.address(family), 'outside');
  };
  return {
    id: `outside/${family}`,
    family,
    title: 'pod → outside, masqueraded: it sees the node’s address',
    needs: [`forward/${family}`],
    run: async (lab) => {
      const attempts = lab.nodes.map((node) => {
        const pod = lab.podsOf(node)[0] as Pod;
        const explain = (): Promise<string[]> => explainMasquerade(pod, family);
        return { from: pod.name, to: 'outside', run: () => check(lab, pod), explain };
      });
      await all(attempts);
      return counted(attempts.length, 'node');
    },
  };
}
