/**
 * EndpointSlices made of a Service's selector and the Pods that it selects: what a controller of the control plane does where
 * there is one. Pure.
 */

import { parseIp } from '../../../shared/ip/ip.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';

/** discovery.k8s.io/v1: the Service that a slice belongs to. */
export const SERVICE_NAME = 'kubernetes.io/service-name';

export interface ServiceParts extends ApiObject {
  readonly spec?: {
    readonly clusterIP?: string;
    readonly type?: string;
    readonly selector?: Readonly<Record<string, string>> | null;
    readonly publishNotReadyAddresses?: boolean;
    readonly ports?: readonly {
      readonly name?: string;
      readonly protocol?: string;
      readonly port?: number;
      readonly targetPort?: number | string;
    }[];
  };
}

export interface PodParts extends ApiObject {
  readonly metadata: ApiObject['metadata'] & { readonly deletionTimestamp?: string };
  readonly spec?: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly containers?: readonly {
      readonly ports?: readonly {
        readonly name?: string;
        readonly containerPort?: number;
        readonly protocol?: string;
      }[];
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip?: string }[];
    readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
  };
}

/** What is asked of a pod's node. */
export interface NodePlace {
  readonly zone?: string;
  /** For pods on the node's own network. */
  readonly addresses: readonly string[];
}

/** The selector, where slices are to be derived: a Service without one has slices that somebody wrote. */
export function selectorOf({ spec }: ServiceParts): Readonly<Record<string, string>> | undefined {
  if (spec?.type === 'ExternalName' || spec?.clusterIP === 'None') return undefined;
  const selector = spec?.selector;
  return selector && Object.keys(selector).length > 0 ? selector : undefined;
}

export function isSelected(selector: Readonly<Record<string, string>>, { metadata }: ApiObject): boolean {
  return Object.entries(selector).every(([key, value]) => metadata.labels?.[key] === value);
}

/** Slices of a Service, one for each family and set of ports; their names can be no stored slice's. */
export function deriveSlices(
  service: ServiceParts,
  pods: readonly PodParts[],
  placeOf: (node: string) => NodePlace | undefined,
): Map<string, ApiObject> {
  const { name, namespace = '' } = service.metadata;
  const slices = new Map<string, ApiObject & { readonly endpoints: object[] }>();
  for (const pod of pods) {
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') continue;
    const place = placeOf(pod.spec?.nodeName ?? '');
    const ports = portsOf(service, pod);
    for (const address of addressesOf(pod, place)) {
      const family = parseIp(address)?.family;
      if (family === undefined) continue;
      const key = `${namespace}/${name}:${family}:${ports.map(({ port }) => port).join()}`;
      let slice = slices.get(key);
      if (!slice) {
        slice = {
          metadata: { name: key.slice(namespace.length + 1), namespace, labels: { [SERVICE_NAME]: name } },
          ...{ addressType: `IPv${family}`, ports },
          endpoints: [],
        };
        slices.set(key, slice);
      }
      slice.endpoints.push({
        addresses: [address],
        conditions: conditionsOf(service, pod),
        ...(pod.spec?.nodeName !== undefined && { nodeName: pod.spec.nodeName }),
        ...(place?.zone !== undefined && { zone: place.zone }),
      });
    }
  }
  return slices;
}

/** A Pod with an address is ready unless its status says otherwise; one that is being deleted only serves on. */
function conditionsOf(
  { spec }: ServiceParts,
  { metadata, status }: PodParts,
): { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean } {
  const says = (status?.conditions ?? []).find(({ type }) => type === 'Ready')?.status;
  const serving = (says !== 'False' && says !== 'Unknown') || spec?.publishNotReadyAddresses === true;
  const terminating = metadata.deletionTimestamp !== undefined;
  return {
    ready: serving && (!terminating || spec?.publishNotReadyAddresses === true),
    serving,
    terminating,
  };
}

function addressesOf({ spec, status }: PodParts, place: NodePlace | undefined): readonly string[] {
  const own = (status?.podIPs ?? []).map(({ ip }) => ip ?? '').filter(Boolean);
  if (own.length > 0) return own;
  if (status?.podIP) return [status.podIP];
  return spec?.hostNetwork === true ? (place?.addresses ?? []) : [];
}

/** A port by name is what the pod says; a pod without it does not serve that port. */
function portsOf(
  { spec }: ServiceParts,
  pod: PodParts,
): { readonly name: string; readonly protocol: string; readonly port: number }[] {
  return (spec?.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port, targetPort }) => {
    const target = typeof targetPort === 'string' ? named(pod, targetPort, protocol) : targetPort || port;
    return target === undefined ? [] : [{ name, protocol, port: target }];
  });
}

function named({ spec }: PodParts, name: string, protocol: string): number | undefined {
  for (const { ports = [] } of spec?.containers ?? [])
    for (const port of ports)
      if (port.name === name && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
  // A number in quotes.
  return /^\d{1,5}$/.test(name) ? Number(name) : undefined;
}
