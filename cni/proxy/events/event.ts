/** What the proxy tells people by Events (events.k8s.io/v1): kube-proxy's reasons and actions, under our name. Pure. */

import type { Resource } from '../../../shared/kube/resource.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';

export const EVENTS: Resource<KubeEvent> = { group: 'events.k8s.io', version: 'v1', plural: 'events' };

/** Not kube-proxy's: who reads it should not think that kube-proxy is back. */
const CONTROLLER = 'underpod-proxy';
/** The API server takes no longer notes and instances (pkg/apis/core/validation/events.go); in bytes. */
const NOTE_LIMIT = 1024;
const INSTANCE_LIMIT = 128;
/** Of a name, which may have 253 characters; the rest is for the time. */
const NAME_LIMIT = 230;

/** What an Event is about. */
export type Regarding =
  | { readonly kind: 'Node'; readonly name: string }
  | { readonly kind: 'Service'; readonly namespace: string; readonly name: string };

export interface ProxyEvent {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  /** kube-proxy's (cmd/kube-proxy/app/server.go, pkg/proxy/healthcheck/service_health.go). */
  readonly reason:
    | 'Starting'
    | 'FailedToStartProxierHealthcheck'
    | 'FailedToStartMetricServer'
    | 'FailedToStartServiceHealthcheck';
  readonly action: 'StartKubeProxy' | 'Listen';
  readonly note: string;
}

/** events.k8s.io/v1 Event. */
export interface KubeEvent extends ApiObject {
  /** RFC 3339 with microseconds. */
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly action: string;
  readonly reason: string;
  readonly regarding: Regarding & { readonly apiVersion: 'v1' };
  readonly note: string;
  readonly type: string;
}

/** @param at ms since the epoch @param host which proxy tells */
export function kubeEvent(
  { regarding, type, reason, action, note }: ProxyEvent,
  at: number,
  host: string,
): KubeEvent {
  // client-go's events of what is in no namespace are in this one, too.
  const namespace = regarding.kind === 'Service' ? regarding.namespace : 'default';
  const nanoseconds = BigInt(Math.round(at * 1000)) * 1000n;
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: `${regarding.name.slice(0, NAME_LIMIT)}.${nanoseconds.toString(16)}`, namespace },
    eventTime: new Date(at).toISOString().replace('Z', '000Z'),
    reportingController: CONTROLLER,
    reportingInstance: bytes(`${CONTROLLER}-${host}`, INSTANCE_LIMIT),
    action,
    reason,
    regarding: { apiVersion: 'v1', ...regarding },
    note: bytes(note, NOTE_LIMIT),
    type,
  };
}

/** The beginning that has no more than so many bytes. */
function bytes(text: string, most: number): string {
  const all = new TextEncoder().encode(text);
  if (all.length <= most) return text;
  // A character that is cut through is left out.
  return new TextDecoder().decode(all.subarray(0, most), { stream: true });
}
