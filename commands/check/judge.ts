/** All checks on one set of facts. Pure. */

import { checkAgent } from './checks/agent.ts';
import { checkKernel } from './checks/kernel.ts';
import { checkMtu } from './checks/mtu.ts';
import { checkNetwork } from './checks/network.ts';
import { type Facts, statusOf } from './facts.ts';
import type { Finding } from './finding.ts';
import { trafficOf } from './traffic.ts';

export function judge(facts: Facts): Finding[] {
  const traffic = trafficOf(statusOf(facts), facts.backend, facts.links);
  return [
    ...checkAgent(facts),
    ...checkKernel(facts, traffic),
    ...checkMtu(facts, traffic),
    ...checkNetwork(facts, traffic),
  ];
}
