/**
 * What flanneld writes into a Node's annotations and reads from them (flannel 0.28, pkg/subnet/kube), to the byte:
 * nodes that run either see each other. Pure.
 */

import { formatIp, type Ip, parseIp } from '../../ip/ip.ts';
import type { BackendInfo, Json, NodeInfo } from '../registry.ts';

export type Annotations = Readonly<Record<string, string>>;

/** The names of the annotations. */
export interface AnnotationNames {
  readonly managed: string;
  readonly type: string;
  readonly data: string;
  readonly v6Data: string;
  readonly publicIp: string;
  readonly publicIpV6: string;
  /** An operator's: what is published in place of the address that was found. */
  readonly publicIpOverwrite: string;
  readonly publicIpV6Overwrite: string;
  /** An operator's: which of the node's addresses, and so which interface, is used. */
  readonly nodePublicIp: string;
  readonly nodePublicIpV6: string;
}

/**
 * @param prefix `--kube-annotation-prefix`: a domain, or a domain and the beginning of a name after a slash
 * @throws RangeError for one that Kubernetes would not take
 */
export function annotationNames(prefix: string): AnnotationNames {
  const slashed = prefix.includes('/') ? prefix : `${prefix}/`;
  const whole = /[/-]$/.test(slashed) ? slashed : `${slashed}-`;
  if (!/^(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\/(?:[a-z0-9_-]+-)?$/.test(whole))
    throw new RangeError(`"${prefix}" must be a domain such as flannel.alpha.coreos.com, or domain/name`);
  return {
    managed: `${whole}kube-subnet-manager`,
    type: `${whole}backend-type`,
    data: `${whole}backend-data`,
    v6Data: `${whole}backend-v6-data`,
    publicIp: `${whole}public-ip`,
    publicIpV6: `${whole}public-ipv6`,
    publicIpOverwrite: `${whole}public-ip-overwrite`,
    publicIpV6Overwrite: `${whole}public-ipv6-overwrite`,
    nodePublicIp: `${whole}node-public-ip`,
    nodePublicIpV6: `${whole}node-public-ipv6`,
  };
}

/**
 * The annotations of a node that publishes `info`.
 *
 * @param current what is there: of it only the operator's overwrites count
 */
export function annotationsOf(names: AnnotationNames, info: NodeInfo, current: Annotations): Annotations {
  const { type, data, v6Data } = info.backend;
  const result: Record<string, string> = {
    [names.managed]: 'true',
    // flanneld's alloc backend leaves its type empty.
    [names.type]: type === 'alloc' ? '' : type,
  };
  // A vxlan node without IPv4 leaves the IPv4 half out; those of other types write it in any case.
  if (type !== 'vxlan' || (data ?? null) !== null) {
    result[names.data] = goJson(data ?? null);
    result[names.publicIp] =
      current[names.publicIpOverwrite] || (info.publicIp ? formatIp(info.publicIp) : '0.0.0.0');
  }
  if (info.publicIpV6 && hasV6Half(type, v6Data)) {
    result[names.v6Data] = goJson(v6Data ?? null);
    result[names.publicIpV6] = current[names.publicIpV6Overwrite] || formatIp(info.publicIpV6);
  }
  return result;
}

function hasV6Half(type: string, v6Data: Json | undefined): boolean {
  if (type === 'host-gw') return true;
  return (type === 'vxlan' || type === 'wireguard') && (v6Data ?? null) !== null;
}

/** What has to be patched for `wanted`; `null` removes an IPv6 half that the node does not have any more. */
export function annotationChanges(
  names: AnnotationNames,
  wanted: Annotations,
  current: Annotations,
): Readonly<Record<string, string | null>> {
  const changes: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(wanted)) if (current[name] !== value) changes[name] = value;
  for (const name of [names.v6Data, names.publicIpV6]) {
    if (name in current && !(name in wanted)) changes[name] = null;
  }
  return changes;
}

/** The annotations that go when a node is given back, all of them `null`. */
export function withoutAnnotations(names: AnnotationNames): Readonly<Record<string, null>> {
  const { managed, type, data, v6Data, publicIp, publicIpV6 } = names;
  return Object.fromEntries([managed, type, data, v6Data, publicIp, publicIpV6].map((name) => [name, null]));
}

/** What a node published; what cannot be read counts as not published. */
export interface Published {
  readonly publicIp?: Ip;
  readonly publicIpV6?: Ip;
  readonly backend: BackendInfo;
}

/** Reads what `annotationsOf`, or flanneld, made. */
export function publishedBy(names: AnnotationNames, annotations: Annotations): Published {
  const publicIp = addressOf(annotations[names.publicIp], 4);
  const publicIpV6 = addressOf(annotations[names.publicIpV6], 6);
  const data = parseData(annotations[names.data]);
  const v6Data = parseData(annotations[names.v6Data]);
  return {
    ...(publicIp && { publicIp }),
    ...(publicIpV6 && { publicIpV6 }),
    backend: {
      type: annotations[names.type] || 'alloc',
      ...(data !== undefined && { data }),
      ...(v6Data !== undefined && { v6Data }),
    },
  };
}

/** An address of that family; 0.0.0.0, which flanneld writes for a node without IPv4, is none. */
export function addressOf(text: string | undefined, family: 4 | 6): Ip | undefined {
  const ip = parseIp(text ?? '');
  return ip?.family === family && ip.value !== 0n ? ip : undefined;
}

/** JSON as Go's encoding/json writes it: these characters are escaped inside strings, and occur nowhere else. */
function goJson(value: Json): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function parseData(text: string | undefined): Json | undefined {
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) as Json | null) ?? undefined;
  } catch {
    // Somebody edited the annotation by hand; the peer is then a node whose backend said nothing.
    return undefined;
  }
}
