/**
 * What should become of a packet, from the service ports and the settings: written from what services promise, without
 * the planners' help, so that any mode can be held against it.
 */

import { contains } from '../../../shared/ip/cidr.ts';
import { ipFromBytes } from '../../../shared/ip/ip.ts';
import type { ModeSettings } from '../mode.ts';
import { type Address, addressOf, bytesOf, type Endpoint } from '../model/endpoint.ts';
import type { Frontend, Protocol, ServicePort } from '../model/service-port.ts';

export interface Probe {
  /** Where it comes from; a pod's address may be an endpoint's. */
  readonly from: 'pod' | 'outside' | 'node';
  readonly source: Address;
  readonly target: Address;
  readonly protocol: Protocol;
  readonly port: number;
}

export type Expectation =
  | {
      readonly fate: 'served';
      /** Any of these. */
      readonly by: readonly Endpoint[];
      /** Whether the endpoint sees the node's address; of an endpoint that reaches itself it always does. */
      readonly masqueraded: boolean;
    }
  | { readonly fate: 'rejected' | 'dropped' | 'untouched' };

export function expectation(
  ports: Iterable<ServicePort>,
  settings: ModeSettings,
  nodeAddresses: readonly Address[],
  probe: Probe,
): Expectation {
  const all = [...ports];
  const isNode = nodeAddresses.includes(probe.target);
  for (const port of all) {
    if (port.protocol !== probe.protocol) continue;
    const own = port.frontends.find(
      (frontend) => frontend.port === probe.port && frontend.address === probe.target,
    );
    if (own !== undefined) return ofFrontend(port, own, settings, probe);
  }
  for (const port of all) {
    if (port.protocol !== probe.protocol || !isNode || !servesNodePorts(settings, probe.target)) continue;
    const own = port.frontends.find(
      (frontend) => frontend.port === probe.port && frontend.address === undefined,
    );
    if (own !== undefined) return ofFrontend(port, own, settings, probe);
  }
  const isClusterIp = all.some(({ frontends }) =>
    frontends.some(({ kind, address }) => kind === 'cluster-ip' && address === probe.target),
  );
  if (isClusterIp && !isNode) return { fate: 'rejected' };
  const target = ipFromBytes(bytesOf(probe.target));
  if (!isNode && settings.serviceCidrs.some((cidr) => contains(cidr, target))) return { fate: 'dropped' };
  return { fate: 'untouched' };
}

function ofFrontend(
  port: ServicePort,
  frontend: Frontend,
  settings: ModeSettings,
  probe: Probe,
): Expectation {
  const source = ipFromBytes(bytesOf(probe.source));
  if (frontend.kind === 'load-balancer' && port.sourceRanges !== undefined) {
    if (!port.sourceRanges.some((range) => contains(range, source))) return { fate: 'dropped' };
  }
  if (port.endpoints.length === 0 && port.localEndpoints.length === 0) return { fate: 'rejected' };
  const detects = settings.localDetector.by !== 'nothing';
  const isPod = detects && probe.from === 'pod';
  const served = (by: readonly Endpoint[], masqueraded: boolean): Expectation =>
    by.length === 0 ? { fate: 'dropped' } : { fate: 'served', by, masqueraded };
  if (frontend.kind === 'cluster-ip') {
    const by = frontend.policy === 'local' ? port.localEndpoints : port.endpoints;
    return served(by, settings.masqueradeAll || (detects && !isPod));
  }
  if (frontend.policy === 'cluster') return served(port.endpoints, true);
  if (isPod) return served(port.endpoints, false);
  if (probe.from === 'node') return served(port.endpoints, true);
  return served(port.localEndpoints, false);
}

function servesNodePorts({ nodePortAddresses, family }: ModeSettings, address: Address): boolean {
  const ip = ipFromBytes(bytesOf(address));
  const isLoopback = family === 4 ? address.charCodeAt(0) === 127 : ip.value === 1n;
  if (isLoopback) return false;
  return nodePortAddresses === 'all' || nodePortAddresses.some((cidr) => contains(cidr, ip));
}

/** Whether an endpoint is asked by itself. */
export function isHairpin(probe: Probe, by: Endpoint): boolean {
  return addressOf(by) === probe.source;
}
