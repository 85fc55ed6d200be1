/** The Events that the proxy tells: when kube-proxy would, and of what. Pure. */

import type { ProxyEvent } from './event.ts';

/** A life of the proxy begins. */
export function starting(node: string, mode: string, version: string): ProxyEvent {
  const note = `underpod proxy ${version}, mode ${mode}`;
  return {
    regarding: { kind: 'Node', name: node },
    type: 'Normal',
    reason: 'Starting',
    action: 'StartKubeProxy',
    note,
  };
}

/** The proxy's own port cannot be had. kube-proxy ends then, where `bindAddressHardFail` is set, and tells nobody where it is not. */
export function portRefused(node: string, what: 'healthz' | 'metrics', why: string): ProxyEvent {
  return {
    regarding: { kind: 'Node', name: node },
    type: 'Warning',
    reason: what === 'healthz' ? 'FailedToStartProxierHealthcheck' : 'FailedToStartMetricServer',
    action: 'StartKubeProxy',
    note: `${what} cannot listen, and tries again every second: ${why}`,
  };
}

/** The health check of a service cannot be had. @param service `namespace/name` */
export function checkRefused(service: string, node: string, port: number, why: string): ProxyEvent {
  const [namespace = '', name = ''] = service.split('/');
  return {
    regarding: { kind: 'Service', namespace, name },
    type: 'Warning',
    reason: 'FailedToStartServiceHealthcheck',
    action: 'Listen',
    note: `node ${node} cannot listen on port ${port} for the health check, and tries again every second: ${why}`,
  };
}
