/** Pods reach pods: on the same node, past a FORWARD chain that drops, on other nodes; and packets of full size do. */
import { slowness } from '../../testing/slowness.ts';
import { type Family, UNDERLAY_MTU, worldAddress } from '../addresses.ts';
import { labBackend, podMtu } from '../backends.ts';
import { explainLeaving, explainPath } from '../diagnose.ts';
import type { Lab } from '../lab.ts';
import type { LabNode } from '../node.ts';
import type { Pod } from '../pod.ts';
import { type Attempt, all, type Check, counted } from './check.ts';

/** Every probe's patience, in ms: a hundred times what a working path takes. */
export const PATIENCE: number = 2_000 * slowness;
const TRANSFER_BYTES = 10_000_000;
const TRANSFER_PATIENCE = 15_000 * slowness;

let nonces = 0;
/** A datagram's text that no other datagram has. */
export function nonce(what: string): string {
  return `${what}-${++nonces}-${Math.random().toString(36).slice(2)}`;
}

/** From every node's first pod to the first pod of every other node. */
export function crossPairs(lab: Lab): [Pod, Pod][] {
  const first = lab.nodes.map((node) => lab.podsOf(node)[0] as Pod);
  return first.flatMap((from) => first.filter((to) => to !== from).map((to): [Pod, Pod] => [from, to]));
}

/** From every node's first pod to the next node's: each node sends once and receives once. */
export function ring(lab: Lab): [Pod, Pod][] {
  const first = lab.nodes.map((node) => lab.podsOf(node)[0] as Pod);
  return first.map((from, i): [Pod, Pod] => [from, first[(i + 1) % first.length] as Pod]);
}

/** Both ways between the two pods of each node. */
export function nodePairs(lab: Lab): [Pod, Pod][] {
  return lab.nodes.flatMap((node): [Pod, Pod][] => {
    const [a, b] = lab.podsOf(node) as [Pod, Pod];
    return [
      [a, b],
      [b, a],
    ];
  });
}

/** An attempt between two pods, explained by the state of their nodes. */
export function between(
  [from, to]: readonly [Pod, Pod],
  lab: Lab,
  family: Family,
  run: () => Promise<unknown>,
): Attempt {
  return {
    from: from.name,
    to: to.name,
    run: async () => {
      await run();
    },
    explain: () => explainPath(lab, from.node, to.node, family),
  };
}

const probes = {
  icmp: (from: Pod, host: string) => from.probe.ask({ op: 'ping', host, timeout: PATIENCE }),
  udp: (from: Pod, host: string) =>
    from.probe.ask({ op: 'udp', host, nonce: nonce('udp'), timeout: PATIENCE }),
  tcp: (from: Pod, host: string) => from.probe.ask({ op: 'tcp', host, timeout: PATIENCE }),
} as const;
type Protocol = keyof typeof probes;

export function reachChecks(family: Family, single: string | undefined): Check[] {
  const impossible = single === undefined ? {} : { impossible: single };
  const cross = (protocol: Protocol, needs: string[]): Check => ({
    id: `other-${protocol}/${family}`,
    family,
    title: `pod → pod, other node: ${protocol.toUpperCase()}`,
    needs: needs.map((id) => `${id}/${family}`),
    ...impossible,
    run: async (lab) => {
      const pairs = crossPairs(lab);
      await all(
        pairs.map((pair) =>
          between(pair, lab, family, () => probes[protocol](pair[0], pair[1].address(family))),
        ),
      );
      return counted(pairs.length, 'way');
    },
  });
  return [
    forwarded(family),
    sameNode(family),
    cross('icmp', ['forward']),
    cross('udp', ['other-icmp']),
    cross('tcp', ['other-icmp']),
    { ...transfer(family), ...impossible },
    { ...mtu(family), ...impossible },
  ];
}

function sameNode(family: Family): Check {
  return {
    id: `same-node/${family}`,
    family,
    title: 'pod → pod, same node: ICMP, UDP, TCP',
    // Where the kernel has br_netfilter, iptables' FORWARD chain judges what crosses a bridge, too.
    needs: [`forward/${family}`],
    run: async (lab) => {
      const pairs = nodePairs(lab);
      const attempts = pairs.flatMap((pair) =>
        Object.values(probes).map((probe) =>
          between(pair, lab, family, () => probe(pair[0], pair[1].address(family))),
        ),
      );
      await all(attempts);
      return counted(pairs.length, 'way');
    },
  };
}

/** One way only, and whatever the packet's source: masquerading has a line of its own. */
function forwarded(family: Family): Check {
  const leaves = async (lab: Lab, pod: Pod): Promise<void> => {
    const mark = nonce('forward');
    const sending = pod.probe
      .ask({ op: 'udp', host: worldAddress(family).address, nonce: mark, timeout: PATIENCE })
      .catch(() => {});
    try {
      await lab.outside.ask({ op: 'saw', nonce: mark, timeout: PATIENCE });
    } finally {
      void sending;
    }
  };
  return {
    id: `forward/${family}`,
    family,
    title: 'pod’s packets leave the node (FORWARD accepts)',
    needs: [],
    run: async (lab) => {
      const attempts = lab.nodes.map((node) => {
        const pod = lab.podsOf(node)[0] as Pod;
        const explain = (): Promise<string[]> => explainLeaving(pod, family);
        return { from: pod.name, to: 'outside', run: () => leaves(lab, pod), explain };
      });
      await all(attempts);
      const dropping = lab.nodes.filter((node) => node.firewall !== 'none');
      return dropping.map((node) => `${node.name}: iptables-${node.firewall} drops the rest`).join(', ');
    },
  };
}

function transfer(family: Family): Check {
  return {
    id: `other-10mb/${family}`,
    family,
    title: 'pod → pod, other node: 10 MB, checksum',
    needs: [`other-tcp/${family}`],
    run: async (lab) => {
      let slowest = Number.POSITIVE_INFINITY;
      await all(
        ring(lab).map(([server, client], i) =>
          between([client, server], lab, family, async () => {
            const request = {
              op: 'transfer',
              bytes: TRANSFER_BYTES,
              seed: i + 1,
              timeout: TRANSFER_PATIENCE,
            } as const;
            const { ms } = await client.probe.ask({ ...request, host: server.address(family) });
            slowest = Math.min(slowest, TRANSFER_BYTES / 1000 / ms);
          }),
        ),
      );
      return `${slowest.toFixed(0)} MB/s, ${lab.nodes.length} at a time`;
    },
  };
}

interface LinkJson {
  readonly mtu: number;
}

function mtu(family: Family): Check {
  const checkNode = async (node: LabNode, device: string, overhead: number): Promise<void> => {
    const [link] = await node.json<LinkJson[]>('ip', 'link', 'show', 'dev', device);
    const expected = UNDERLAY_MTU - overhead;
    if (link?.mtu === expected) return;
    throw new Error(
      `${device} has MTU ${link?.mtu}, not ${expected}: with the outer headers' ${overhead} bytes a ` +
        `full packet must just fit the underlay's ${UNDERLAY_MTU}`,
    );
  };
  const checkPair = async (
    from: Pod,
    to: Pod,
    expected: number,
    isOurs: (node: LabNode) => boolean,
  ): Promise<void> => {
    const [link] = JSON.parse(await from.run('ip', '-j', 'link', 'show', 'dev', 'eth0')) as LinkJson[];
    if (isOurs(from.node) && link?.mtu !== expected)
      throw new Error(`eth0 has MTU ${link?.mtu}, not ${expected}`);
    // A path that was too small for a while is remembered for ten minutes (net.ipv4.route.mtu_expires).
    await from.run('ip', `-${family}`, 'route', 'flush', 'cache');
    await from.probe.ask({ op: 'ping', host: to.address(family), size: expected, timeout: PATIENCE });
  };
  return {
    id: `mtu/${family}`,
    family,
    title: 'packets of full size, never fragmented (DF)',
    needs: [`other-icmp/${family}`],
    run: async (lab) => {
      const backend = labBackend(lab.options.backend);
      const device = backend.device(family);
      const overhead = backend.overhead(family);
      const pods = podMtu(lab.options.ipv, backend);
      // flanneld takes off for IPv6 what it takes off for IPv4, so that its full packets do not fit.
      const isOurs = (node: LabNode): boolean => lab.agentOf(node).program === 'underpod';
      const nodes = lab.nodes.filter(isOurs).map((node) => ({
        from: node.name,
        to: 'underlay',
        run: () => checkNode(node, device ?? '', overhead),
        explain: async () => [`look: ip -d link show ${device} (on ${node.name}), FLANNEL_MTU in subnet.env`],
      }));
      const pairs = ring(lab).map((pair) =>
        between(pair, lab, family, () => checkPair(...pair, pods, isOurs)),
      );
      await all([...(device === undefined ? [] : nodes), ...pairs]);
      const own = device === undefined ? '' : `, ${device} ${UNDERLAY_MTU - overhead}`;
      return `pods ${pods}${own} bytes`;
    },
  };
}
