/** Breaks one path on purpose, as a careless administrator would: to see the table fail, and agents repair. */
import { slowness } from '../testing/slowness.ts';
import { CLUSTER, type Family, families } from './addresses.ts';
import { labBackend } from './backends.ts';
import { type NodeTrace, peerEntries, traceOf } from './kernel-state.ts';
import type { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import type { Pod } from './pod.ts';

export const BREAKS = ['fdb', 'route', 'device', 'mtu', 'mtu-raised', 'masquerade', 'forward'] as const;
export type Break = (typeof BREAKS)[number];

export interface BreakRequest {
  readonly what: Break;
  /** Number of the node; the first that fits if undefined. */
  readonly node?: number | undefined;
}

/** A way of breaking one node's network. */
interface Breakage {
  /** Does it; returns what was done, in words. */
  perform(): Promise<string>;
  /** Whether the kernel has again what was taken away. */
  isIntact(): Promise<boolean>;
}

/** Smaller than a pod's full packet. */
const LOWERED_MTU = 1400;
const RAISED_MTU = 1500;
/** An agent that has not put it back after this time, in ms, will not. */
const HEAL_TIMEOUT = 5_000 * slowness;

/** @returns what was done, in words */
export async function breakPath(lab: Lab, request: BreakRequest): Promise<string> {
  return (await breakage(lab, request)).perform();
}

/**
 * Breaks a path and waits for the agent to put it back.
 *
 * @returns the time that took, in ms, with the look at the kernel
 * @throws Error if it takes longer than 5 s
 */
export async function breakAndHeal(lab: Lab, request: BreakRequest): Promise<number> {
  const broken = await breakage(lab, request);
  const done = await broken.perform();
  const start = performance.now();
  while (!(await broken.isIntact())) {
    if (performance.now() - start > HEAL_TIMEOUT)
      throw new Error(`${done}: not put back in ${HEAL_TIMEOUT} ms`);
  }
  return performance.now() - start;
}

async function breakage(lab: Lab, { what, node: index }: BreakRequest): Promise<Breakage> {
  const used = families(lab.options.ipv);
  const family = used[0] as Family;
  const node = lab.node(index ?? 1);
  switch (what) {
    case 'fdb':
      return fdbEntry(node, await peerTrace(lab, node, family), deviceOf(lab, family));
    case 'route':
      return route(node, await peerTrace(lab, node, family));
    case 'device':
      return device(node, await peerTrace(lab, node, family), deviceOf(lab, family));
    case 'mtu':
      return deviceMtu(node, deviceOf(lab, family));
    case 'mtu-raised':
      return podMtuRaised(lab, node);
    case 'masquerade':
      return masquerade(node);
    case 'forward':
      return forwardAccept(index === undefined ? dropping(lab) : node, used);
    default:
      return what satisfies never;
  }
}

function dropping(lab: Lab): LabNode {
  const node = lab.nodes.find((candidate) => candidate.firewall !== 'none');
  if (node === undefined)
    throw new Error('no node of this lab drops: start it with --firewall legacy or nft');
  return node;
}

/** What identifies the first other node. */
async function peerTrace(lab: Lab, node: LabNode, family: Family): Promise<NodeTrace> {
  const peer = lab.nodes.find((candidate) => candidate !== node);
  if (peer === undefined) throw new Error('the lab has one node: it has no peers to lose');
  const trace = (await traceOf(peer, lab.options)).find((one) => one.family === family);
  if (trace === undefined) throw new Error(`${peer.name} has no IPv${family} network`);
  return trace;
}

/** The backend's own device. @throws Error if it has none */
function deviceOf({ options }: Lab, family: Family): string {
  const device = labBackend(options.backend).device(family);
  if (device === undefined) throw new Error(`backend ${options.backend} has no device: break something else`);
  return device;
}

function fdbEntry(node: LabNode, trace: NodeTrace, device: string): Breakage {
  const { mac } = trace;
  if (mac === undefined) throw new Error(`backend ${trace.backend.name} has no FDB: break something else`);
  const entry = [mac, 'dev', device, 'dst', trace.underlay, 'self'];
  return {
    perform: async () => {
      await node.run(['bridge', 'fdb', 'del', ...entry]);
      return `deleted the FDB entry of ${trace.node} on ${node.name}`;
    },
    isIntact: async () => (await peerEntries(node, trace)).fdb === trace.underlay,
  };
}

function route(node: LabNode, trace: NodeTrace): Breakage {
  // WireGuard has one route for all peers.
  const network = trace.backend.name === 'wireguard' ? CLUSTER[trace.family] : trace.network;
  return {
    perform: async () => {
      await node.run(['ip', `-${trace.family}`, 'route', 'del', network]);
      return `deleted the route to ${network} (${trace.node}) on ${node.name}`;
    },
    isIntact: async () => (await peerEntries(node, trace)).route !== undefined,
  };
}

/** The device takes routes, neighbours and FDB entries with it. */
function device(node: LabNode, trace: NodeTrace, name: string): Breakage {
  return {
    perform: async () => {
      await node.run(['ip', 'link', 'del', name]);
      return `deleted ${name} on ${node.name}`;
    },
    isIntact: async () => {
      const { route, neighbour, fdb } = await peerEntries(node, trace);
      if (route === undefined || !trace.backend.hasEntries) return route !== undefined;
      return neighbour === trace.mac && fdb === trace.underlay;
    },
  };
}

function deviceMtu(node: LabNode, name: string): Breakage {
  const current = async (): Promise<number | undefined> =>
    (await node.json<{ mtu: number }[]>('ip', 'link', 'show', 'dev', name))[0]?.mtu;
  return {
    perform: async () => {
      await node.run(['ip', 'link', 'set', name, 'mtu', String(LOWERED_MTU)]);
      return `set the MTU of ${name} on ${node.name} to ${LOWERED_MTU}`;
    },
    isIntact: async () => (await current()) !== LOWERED_MTU,
  };
}

/** A pod's, because the kernel refuses a tunnel that does not fit its underlay. */
function podMtuRaised(lab: Lab, node: LabNode): Breakage {
  const pod = lab.podsOf(node)[0] as Pod;
  return {
    perform: async () => {
      await pod.run('ip', 'link', 'set', 'eth0', 'mtu', String(RAISED_MTU));
      return `set the MTU of eth0 of ${pod.name} to ${RAISED_MTU}`;
    },
    isIntact: async () => !(await pod.run('ip', 'link', 'show', 'eth0')).includes(`mtu ${RAISED_MTU}`),
  };
}

interface RuleJson {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly expr: readonly object[];
}

/** Every rule that masquerades, in whichever table. */
async function masqueradeRules(node: LabNode): Promise<RuleJson[]> {
  const text = await node.run(['nft', '-j', 'list', 'ruleset']);
  const listed = JSON.parse(text) as { nftables: { rule?: RuleJson }[] };
  return listed.nftables
    .flatMap(({ rule }) => rule ?? [])
    .filter(({ expr }) => expr.some((statement) => 'masquerade' in statement));
}

async function masquerade(node: LabNode): Promise<Breakage> {
  const rules = await masqueradeRules(node);
  if (rules.length === 0) throw new Error(`nothing masquerades on ${node.name}`);
  const commands = rules.map((rule) => {
    return `delete rule ${rule.family} ${rule.table} ${rule.chain} handle ${rule.handle}\n`;
  });
  return {
    perform: async () => {
      await node.run(['nft', '-f', '-'], { input: commands.join('') });
      return `deleted ${rules.length} masquerade rules on ${node.name}`;
    },
    isIntact: async () => (await masqueradeRules(node)).length === rules.length,
  };
}

/** Flushes iptables' FORWARD chain; its policy stays. */
function forwardAccept(node: LabNode, used: readonly Family[]): Breakage {
  const tools = used.map((family) => `${family === 4 ? 'iptables' : 'ip6tables'}-${node.firewall}`);
  return {
    perform: async () => {
      for (const tool of tools) await node.run([tool, '-F', 'FORWARD']);
      return `flushed the FORWARD chain of ${tools.join(' and ')} on ${node.name}`;
    },
    isIntact: async () => {
      const chains = await Promise.all(tools.map((tool) => node.run([tool, '-S', 'FORWARD'])));
      return chains.every((rules) => rules.includes('\n-A FORWARD'));
    },
  };
}
