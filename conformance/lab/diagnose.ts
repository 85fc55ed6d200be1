/** From a failed check to a hint: compares what a node's kernel holds with what it would need. */
import { readFileSync } from 'node:fs';
import { CLUSTER, type Family } from './addresses.ts';
import { labBackend } from './backends.ts';
import { type NodeTrace, peerEntries, readSubnets, traceOf } from './kernel-state.ts';
import type { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import type { Pod } from './pod.ts';

/** Why packets between pods or nodes may not arrive, both directions and both ends. */
export async function explainPath(lab: Lab, from: LabNode, to: LabNode, family: Family): Promise<string[]> {
  const ends = [...new Set([from, to])];
  const hints: string[] = [];
  for (const node of ends)
    hints.push(...(await explainAgent(lab, node)), ...(await explainForward(node, family)));
  if (from === to) return hints;
  for (const [node, peer] of [
    [from, to],
    [to, from],
  ] as const) {
    const trace = (await traceOf(peer, lab.options).catch(() => [])).find((one) => one.family === family);
    hints.push(...(trace === undefined ? [noDevice(lab, peer, family)] : await explainPeer(node, trace)));
  }
  return hints;
}

function noDevice({ options }: Lab, node: LabNode, family: Family): string {
  const device = labBackend(options.backend).device(family);
  const what = device === undefined ? '' : `no ${device} or `;
  return `${node.name} has ${what}no subnet: ip -d link; cat /run/flannel/subnet.env`;
}

async function explainAgent(lab: Lab, node: LabNode): Promise<string[]> {
  if (!node.isUp) return [`${node.name} is down`];
  const hints: string[] = [];
  if (lab.agentOf(node).pid === undefined) hints.push(`the agent of ${node.name} does not run`);
  try {
    readSubnets(node);
  } catch {
    hints.push(
      `${node.name} has no /run/flannel/subnet.env; the agent's log: ${lab.agentOf(node).logTail(3)}`,
    );
  }
  return hints;
}

async function explainPeer(node: LabNode, trace: NodeTrace): Promise<string[]> {
  const device = trace.backend.device(trace.family);
  const { route, neighbour, fdb } = await peerEntries(node, trace);
  const hints: string[] = [];
  if (route === undefined) {
    hints.push(
      `route to ${trace.network} (${trace.node}) missing on ${node.name}: ip -${trace.family} route`,
    );
  }
  // A direct route, to a peer on the same link, needs neither of the others.
  if (!trace.backend.hasEntries || (route !== undefined && route.dev !== device)) return hints;
  if (neighbour !== trace.mac) {
    const has = neighbour === undefined ? 'missing' : `is ${neighbour}`;
    hints.push(
      `neighbour entry ${trace.tunnel} → ${trace.mac} (${trace.node}) ${has} on ${node.name}: ip neigh show dev ${device}`,
    );
  }
  if (fdb !== trace.underlay) {
    const has = fdb === undefined ? 'missing' : `leads to ${fdb}`;
    hints.push(
      `FDB entry ${trace.mac} → ${trace.underlay} (${trace.node}) ${has} on ${node.name}: bridge fdb show dev ${device}`,
    );
  }
  return hints;
}

/** Why a node may not forward its pods' packets. */
export async function explainForward(node: LabNode, family: Family): Promise<string[]> {
  if (!node.isUp) return [`${node.name} is down`];
  const hints: string[] = [];
  const key = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  if ((await node.run(['cat', `/proc/sys/${key}`])).trim() !== '1') {
    hints.push(`${key.replaceAll('/', '.')} is 0 on ${node.name}`);
  }
  if (node.firewall === 'none') return hints;
  const tool = `${family === 4 ? 'iptables' : 'ip6tables'}-${node.firewall}`;
  const rules = await node.run([tool, '-S']);
  const accepts = /^-A FORWARD /m.test(rules) && rules.includes('-j ACCEPT');
  if (/^-P FORWARD DROP$/m.test(rules) && !accepts) {
    hints.push(`FORWARD drops on ${node.name} and accepts nothing of ${CLUSTER[family]}: ${tool} -S FORWARD`);
  }
  return hints;
}

/** Why a pod may not reach what lies beyond its node. */
async function explainPod(pod: Pod, family: Family): Promise<string[]> {
  if (!pod.node.isUp) return [`${pod.node.name} is down`];
  const routes = await pod.run('ip', `-${family}`, 'route', 'show', 'default');
  return routes.trim() === ''
    ? [`${pod.name} has no IPv${family} default route: see the conflist in /etc/cni/net.d`]
    : [];
}

/** Why a pod's packets may not leave its node: the pod's side and the node's. */
export async function explainLeaving(pod: Pod, family: Family): Promise<string[]> {
  return [...(await explainPod(pod, family)), ...(await explainForward(pod.node, family))];
}

/** Why a packet to the outside may keep a pod's address. */
export async function explainMasquerade(pod: Pod, family: Family): Promise<string[]> {
  const { node } = pod;
  if (!node.isUp) return [`${node.name} is down`];
  const nft = await node.tryRun(['nft', 'list', 'ruleset']);
  const hints = await explainLeaving(pod, family);
  // The service proxy masquerades what it translates, in tables of its own.
  const others = nft.out.replaceAll(/^table ip6? underpod-proxy \{[\s\S]*?^\}/gm, '');
  if (nft.code === 0 && !others.replaceAll(/comment ".*?"/g, '').includes('masquerade')) {
    hints.push(`no rule masquerades on ${node.name}: nft list ruleset`);
  } else {
    hints.push(`look: nft list ruleset (on ${node.name}); is ${CLUSTER[family]} matched as it should be?`);
  }
  const subnetEnv = node.path('/run/flannel/subnet.env');
  if (/FLANNEL_IPMASQ=false/.test(readFileSync(subnetEnv, 'utf8')))
    hints.push(`FLANNEL_IPMASQ=false in ${subnetEnv}`);
  return hints;
}
