/** What pods may leave on a node. */
import type { ClusterNode } from './cluster-node.ts';

export interface Left {
  /** Interfaces of pods on the node. */
  readonly veths: readonly string[];
  /** Addresses that host-local holds. */
  readonly addresses: readonly string[];
  readonly namespaces: readonly string[];
  readonly results: readonly string[];
  /** Of the names and addresses that were given, those that a rule has. */
  readonly inRules: readonly string[];
}

export const NOTHING: Left = { veths: [], addresses: [], namespaces: [], results: [], inRules: [] };

/** @param words names and addresses of pods that there were */
export async function leftOn({ lab }: ClusterNode, words: readonly string[]): Promise<Left> {
  const list = async (directory: string): Promise<string[]> =>
    (await lab.tryRun(['ls', directory])).out.split('\n').filter(Boolean);
  const links = await lab.json<{ ifname: string }[]>('ip', 'link', 'show', 'type', 'veth');
  const rules = await lab.run(['nft', 'list', 'ruleset']);
  return {
    veths: links.map(({ ifname }) => ifname).filter((name) => name !== 'eth0'),
    addresses: (await list('/var/lib/cni/networks/cbr0')).filter((name) => /^[\da-f.:]+$/.test(name)),
    namespaces: await list('/run/netns'),
    results: await list('/var/lib/cni/results'),
    inRules: words.filter((word) => rules.split(/[\s"/{},]+/).includes(word)),
  };
}
