/** The service proxy's block of `underpod status`, and what it says of one Service. Pure. */

import type { FamilyStatus, ProxyStatus, ServicePortStatus, ServiceStatus } from '../../cni/proxy/status.ts';
import { age, list, rowsToText } from './words.ts';

export function formatProxy(status: ProxyStatus, now: number): string {
  const { source, lastSync, healthz, metrics } = status;
  const connected = source.connected ? 'connected' : 'NOT CONNECTED';
  return rowsToText([
    [
      'proxy',
      `${status.ready ? 'ready' : 'NOT READY'}, version ${status.version}, pid ${status.pid}, up ${age(status.startedAt, now)}`,
    ],
    ['node', status.node],
    ['mode', status.mode],
    ['services', `${status.services}${status.restored ? " (programmed from this node's cache)" : ''}`],
    ...status.families.map((family): [string, string] => [family.family, familyText(family)]),
    [
      'last sync',
      lastSync
        ? `${age(lastSync.at, now)} ago, ${lastSync.changes} changes in ${lastSync.durationMs} ms`
        : 'none yet',
    ],
    ['repairs', status.repairs === 0 ? 'none' : String(status.repairs)],
    ['local', status.localTraffic],
    ['node ports', status.nodePorts],
    ['healthz', healthz ? `${healthz.address}${healthz.listens ? '' : ' (PORT TAKEN)'}` : 'off'],
    ['metrics', metrics ? `${metrics.address}${metrics.listens ? '' : ' (PORT TAKEN)'}` : 'off'],
    ...(status.healthChecks > 0
      ? [['checks', `${status.healthChecks} services of load balancers`] satisfies [string, string]]
      : []),
    ['source', `${source.type} ${source.location} (${source.why}), ${connected}`],
    ...(status.unknownKeys.length > 0
      ? [['unread keys', list(status.unknownKeys, '')] satisfies [string, string]]
      : []),
    ...status.problems.map((problem): [string, string] => ['problem', problem]),
  ]);
}

function familyText({ ports, pending, refused }: FamilyStatus): string {
  const notes = [
    ...(pending > 0 ? [`${pending} to be programmed`] : []),
    ...(refused.length > 0 ? [`${refused.length} REFUSED by the kernel`] : []),
  ];
  return `${ports} service ports${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

/** What is programmed for a Service, endpoint by endpoint. */
export function formatService({ service, ports, notes }: ServiceStatus): string {
  const head = rowsToText([['service', service], ...notes.map((note): [string, string] => ['note', note])]);
  return [head, ...ports.map(formatPort)].join('\n');
}

function formatPort(port: ServicePortStatus): string {
  return rowsToText([
    ['port', `${port.name}, ${port.protocol}, ${port.family}`],
    ...(port.affinity === undefined
      ? []
      : [['affinity', `a client stays with its endpoint for ${port.affinity} s`] satisfies [string, string]]),
    ...(port.sourceRanges ? [['allowed', list(port.sourceRanges, 'nobody')] satisfies [string, string]] : []),
    ...port.frontends.map(({ at, kind, does }): [string, string] => [
      'reached at',
      `${at} (${kind}): ${does}`,
    ]),
    ...port.endpoints.map(({ at, local, node, zone, state, leftOut }): [string, string] => [
      leftOut === undefined ? 'endpoint' : 'left out',
      [
        at,
        ...(local ? ['on this node'] : node === undefined ? [] : [`on ${node}`]),
        ...(zone === undefined ? [] : [`zone ${zone}`]),
        ...(state === undefined ? [] : [state]),
        ...(leftOut === undefined ? [] : [leftOut]),
      ].join(', '),
    ]),
    ...port.kernel.map((line): [string, string] => ['kernel', line]),
    ...port.problems.map((problem): [string, string] => ['problem', problem]),
  ]);
}
