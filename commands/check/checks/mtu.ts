/** Whether a packet as large as pods may send fits all the way. Pure. */

import { type Facts, statusOf } from '../facts.ts';
import { type Finding, finder } from '../finding.ts';
import { parseSubnetEnv } from '../subnet-env.ts';
import type { Traffic } from '../traffic.ts';

const mtu = finder('mtu');

/** What a tunnel adds, in bytes: outer Ethernet is not counted (RFC 7348: 50 with IPv4, 70 with IPv6; RFC 2003: 20). */
const OVERHEAD = { vxlan: { 4: 50, 6: 70 }, wireguard: { 4: 60, 6: 80 }, ipip: { 4: 20, 6: 40 } } as const;

export function checkMtu(facts: Facts, traffic: Traffic): Finding[] {
  const found = [...tunnels(facts, traffic), ...pods(facts)];
  if (found.length > 0) return found;
  // Without the agent's word nothing was compared with the underlay.
  return statusOf(facts) ? [mtu('ok', 'underlay, tunnel and pods fit each other')] : [];
}

function tunnels(facts: Facts, traffic: Traffic): Finding[] {
  const status = statusOf(facts);
  if (!status || !(traffic.kind in OVERHEAD)) return [];
  const overhead = OVERHEAD[traffic.kind as keyof typeof OVERHEAD];
  return status.devices.flatMap(({ name }) => {
    const device = facts.links.find((link) => link.name === name);
    if (!device) return [mtu('error', `the device ${name} is missing`, 'the agent makes it: see its log')];
    const family = name.includes('-v6') ? 6 : 4;
    const underlay = status.underlays.find(({ address }) => address.includes(':') === (family === 6));
    const lower = facts.links.find((link) => link.name === underlay?.interface);
    if (!lower || device.mtu + overhead[family] <= lower.mtu) return [];
    return [
      mtu(
        'error',
        `${name} has MTU ${device.mtu}, and ${overhead[family]} bytes more do not fit into ${lower.name}'s ${lower.mtu}`,
        'the agent sets it back unless it runs with --repair=false; do not set the MTU of its devices by hand',
      ),
    ];
  });
}

/** What CNI plugins are told, and what pods and their bridge have. */
function pods(facts: Facts): Finding[] {
  const { links, subnetEnv } = facts;
  const status = statusOf(facts);
  if (subnetEnv === undefined) return [];
  const { mtu: told, gateways } = parseSubnetEnv(subnetEnv);
  if (told === undefined)
    return [mtu('error', 'subnet.env names no MTU', 'remove the file: the agent writes it anew')];
  const found: Finding[] = [];
  if (status?.podMtu !== undefined && told !== status.podMtu)
    found.push(
      mtu(
        'error',
        `subnet.env says MTU ${told}, the agent means ${status.podMtu}`,
        'see whether another program writes it',
      ),
    );
  const bridge = links.find(({ addresses }) => addresses.some((address) => gateways.includes(address)));
  if (!bridge) return found;
  const large = links.filter(({ master, mtu: own }) => master === bridge.index && own > told);
  if (large.length > 0)
    found.push(
      mtu(
        'warning',
        `${large.length} pods on ${bridge.name} have a larger MTU (${large[0]?.mtu}) than the network carries (${told})`,
        'they were made before it changed: restart them, their large packets are lost',
      ),
    );
  else if (bridge.mtu > told)
    found.push(
      mtu(
        'notice',
        `${bridge.name} has MTU ${bridge.mtu}, pods' interfaces ${told}`,
        'harmless: each pod keeps to its own; the bridge follows when its pods are made anew',
      ),
    );
  return found;
}
