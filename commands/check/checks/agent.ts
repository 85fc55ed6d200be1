/** The agent itself, its datastore and its lease. Pure. */

import type { AgentStatus } from '../../../cni/agent/status.ts';
import { type Facts, statusOf } from '../facts.ts';
import { type Finding, finder } from '../finding.ts';

const agent = finder('agent');
const datastore = finder('datastore');
const lease = finder('lease');

/** Less than this left of a lease that should have been renewed (ms). */
const SOON = 10 * 60_000;
/** An agent that is held up for so long (ms) renews late and nevertheless well. */
const LATE = 20_000;

export function checkAgent(facts: Facts): Finding[] {
  const status = statusOf(facts);
  if (!status) {
    const { why } = facts.agent as { why: string };
    return [
      agent(
        'error',
        `the agent does not run or has nothing to tell yet: ${why}`,
        'start "underpod agent" or see what it waits for; until then only what the kernel tells is checked, with the backend of net-conf.json',
      ),
    ];
  }
  return [...readiness(status, facts), ...store(status), ...leaseOf(status, facts.now)];
}

function readiness(status: AgentStatus, { subnetEnv }: Facts): Finding[] {
  const found: Finding[] = [];
  if (!status.ready)
    found.push(
      agent(
        'error',
        `not ready: ${status.problems.join('; ')}`,
        'its log says more: journalctl -u, or kubectl logs',
      ),
    );
  else if (status.problems.length > 0)
    found.push(agent('warning', status.problems.join('; '), 'it tries again by itself; its log says more'));
  else found.push(agent('ok', `ready, version ${status.version}, backend ${status.backend}`));
  if (!status.repair)
    found.push(agent('notice', 'it repairs nothing (--repair=false)', 'leave that flag out on real nodes'));
  if (status.ready && subnetEnv === undefined)
    found.push(
      agent(
        'error',
        'subnet.env is missing: no pod gets a network',
        'see --subnet-file, here and of the agent',
      ),
    );
  return found;
}

function store({ datastore: { type, location, connected, error } }: AgentStatus): Finding[] {
  if (connected) return [datastore('ok', `${type} ${location}: connected`)];
  return [
    datastore(
      'error',
      `${type} ${location} cannot be reached${error === undefined ? '' : `: ${error}`}`,
      'pods go on with the peers that are known; new nodes are not heard of until it is back',
    ),
  ];
}

function leaseOf({ datastore: { leaseUntil, leaseRenewal } }: AgentStatus, now: number): Finding[] {
  if (leaseUntil === undefined) return [];
  const left = Date.parse(leaseUntil) - now;
  const minutes = Math.round(Math.abs(left) / 60_000);
  const advice = 'see whether the datastore can be reached, and whether the clocks of all nodes agree';
  if (left <= 0)
    return [
      lease('error', `the node's lease ended ${minutes} minutes ago: others take its routes away`, advice),
    ];
  // A lease may last for less than SOON as a whole.
  const isOverdue = leaseRenewal === undefined || now > Date.parse(leaseRenewal) + LATE;
  if (left < SOON && isOverdue)
    return [lease('warning', `the node's lease ends in ${minutes} minutes`, advice)];
  return [
    lease(
      'ok',
      `lasts ${left < 7_200_000 ? `${minutes} minutes` : `${Math.round(left / 3_600_000)} hours`} more`,
    ),
  ];
}
