/** The table that `underpod status` prints. Pure. */

import type { AgentStatus, PeerPath } from '../../cni/agent/status.ts';
import type { ProxyStatus } from '../../cni/proxy/status.ts';
import type { VolumesStatus } from '../../csi/local/status.ts';
import { formatProxy } from './format-proxy.ts';
import { formatDriver } from './format-volumes.ts';
import { age, duration, list, rowsToText } from './words.ts';

/** What every program tells; further programs add theirs to this union. */
export type ProgramStatus = AgentStatus | ProxyStatus | VolumesStatus;

/** One block a program, lines of label and value. */
export function formatStatus(statuses: readonly ProgramStatus[], now: number, allPeers: boolean): string {
  return statuses
    .map((status) => {
      if (status.program === 'proxy') return formatProxy(status, now);
      if (status.program === 'csi-local') return formatDriver(status, now);
      return formatAgent(status, now, allPeers);
    })
    .join('\n');
}

function formatAgent(status: AgentStatus, now: number, allPeers: boolean): string {
  const rows: [string, string][] = [
    [
      'agent',
      `${status.ready ? 'ready' : 'NOT READY'}, version ${status.version}, pid ${status.pid}, up ${age(status.startedAt, now)}`,
    ],
    ['node', status.node],
    ['subnets', list(status.subnets, 'none yet')],
    ['cluster', list(status.networks, '-')],
    [
      'backend',
      [
        status.backend,
        ...status.devices.map(
          ({ name, mac, mtu }) => `${name} (${mac === undefined ? '' : `${mac}, `}MTU ${mtu})`,
        ),
      ].join(', '),
    ],
    ...status.underlays.map(({ interface: name, address, publicIp, mtu }): [string, string] => [
      'underlay',
      `${name} ${address}${publicIp === address ? '' : ` (public ${publicIp})`}, MTU ${mtu}`,
    ]),
    ['peers', peers(status)],
    ...paths(status.peers.paths ?? [], now, allPeers),
    ...status.peers.skipped.map(({ node, why }): [string, string] => ['unreachable', `${node}: ${why}`]),
    [
      'last sync',
      status.lastSync
        ? `${age(status.lastSync.at, now)} ago, ${status.lastSync.changes} changes in ${status.lastSync.durationMs} ms`
        : 'none yet',
    ],
    ...(status.lag ? [['lag', lag(status.lag)] satisfies [string, string]] : []),
    ['repairs', repairs(status)],
    ['masquerade', status.ipMasq ? 'on' : 'off'],
    ...(status.rules ? [['rules', status.rules] satisfies [string, string]] : []),
    ...status.forwardAccepts.map((place): [string, string] => ['accepted in', place]),
    ['datastore', datastore(status, now)],
    ...status.problems.map((problem): [string, string] => ['problem', problem]),
  ];
  return rowsToText(rows);
}

function peers({ peers: { total, carried, skipped } }: AgentStatus): string {
  const notes = [
    ...(carried > 0 ? [`${carried} kept although the registry lost them`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} unreachable`] : []),
  ];
  return `${total}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

/** So many peers fit a screen. */
const SHOWN = 12;

/** Those that are in trouble come first: they are shown in any case. */
function paths(all: readonly PeerPath[], now: number, allPeers: boolean): [string, string][] {
  const sorted = all.toSorted((a, b) => Number(b.state === 'failed') - Number(a.state === 'failed'));
  const failed = sorted.filter(({ state }) => state === 'failed').length;
  const shown = allPeers ? sorted : sorted.slice(0, Math.max(SHOWN, failed));
  const rows = shown.map((path): [string, string] => ['peer', peerPath(path, now)]);
  const more = sorted.length - shown.length;
  return more > 0 ? [...rows, ['', `and ${more} more: --peers lists all`]] : rows;
}

function peerPath(
  { node, subnet, path, device, endpoint, mtu, state, lastReply }: PeerPath,
  now: number,
): string {
  const reply =
    state === 'failed'
      ? ', DOES NOT ANSWER'
      : lastReply === undefined
        ? ''
        : `, answered ${age(lastReply, now)} ago`;
  const size = mtu === undefined ? '' : `, MTU ${mtu}`;
  return `${node} ${subnet}: ${path} to ${endpoint} (${device}${size})${reply}`;
}

function lag({ count, lastMs, p50Ms, p99Ms }: NonNullable<AgentStatus['lag']>): string {
  return `last ${lastMs} ms, median ${p50Ms} ms, 99th percentile ${p99Ms} ms (${count} so far)`;
}

function repairs({ repairs: counts, repair }: AgentStatus): string {
  const parts = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`);
  return `${repair ? '' : 'switched off; '}${list(parts, 'none')}`;
}

function datastore({ datastore: store }: AgentStatus, now: number): string {
  const state = store.connected ? 'connected' : 'NOT CONNECTED';
  const lease =
    store.leaseUntil === undefined ? '' : `, lease ends in ${duration(Date.parse(store.leaseUntil) - now)}`;
  return `${store.type} ${store.location} (${store.why}), ${state}${lease}`;
}
