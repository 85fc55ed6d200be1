/** Which addresses of peers to ask, and what the answers say of each. */

import type { AgentStatus, PeerPath } from '../../cni/agent/status.ts';
import { nthIp, parseCidr } from '../../shared/ip/cidr.ts';
import { formatIp, type Ip, parseIp } from '../../shared/ip/ip.ts';
import type { PeerProbe } from './facts.ts';
import { ask } from './probe.ts';
import type { Traffic } from './traffic.ts';

/** A peer that answers at all does within this (ms). */
const TIMEOUT = 1000;

interface Asked {
  readonly path: PeerPath;
  readonly inside: Ip;
  readonly outside: Ip | undefined;
}

/** Asks at most `limit` peers. */
export function probePeers(status: AgentStatus, traffic: Traffic, limit: number): PeerProbe[] {
  if (traffic.kind === 'none') return [];
  const asked = (status.peers.paths ?? []).slice(0, limit).flatMap((path): Asked[] => {
    const subnet = parseCidr(path.subnet);
    if (!subnet) return [];
    // The device of each node has the first address of its subnet; without one, the pods' bridge has the second.
    const inside = traffic.kind === 'plain' ? nthIp(subnet, 1n) : subnet.ip;
    return [{ path, inside, outside: addressOf(path.endpoint) }];
  });
  const questions = asked.flatMap(({ path, inside, outside }) => [
    { to: inside, size: 0 },
    { to: inside, size: path.mtu ?? 0 },
    { to: outside ?? inside, size: 0 },
  ]);
  const answers = ask(questions, TIMEOUT);
  return asked.map(({ path, inside, outside }, at) => ({
    node: path.node,
    target: formatIp(inside),
    endpoint: path.endpoint,
    small: answers[3 * at] ?? false,
    full: answers[3 * at + 1] ?? false,
    outside: outside !== undefined && (answers[3 * at + 2] ?? false),
  }));
}

/** An endpoint may carry a port: `192.0.2.1:51820`, `[2001:db8::1]:51820`. */
function addressOf(endpoint: string): Ip | undefined {
  return parseIp(endpoint) ?? parseIp(endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
}
