/**
 * What a node publishes, as flannel keeps it in etcd: byte for byte what Go's encoding/json makes of LeaseAttrs (flannel,
 * pkg/lease/lease.go). Pure.
 */

import { formatIp, type Ip, parseIp } from '../../ip/ip.ts';
import type { BackendInfo, Json, NodeInfo } from '../registry.ts';

export type Attributes = Pick<NodeInfo, 'publicIp' | 'publicIpV6' | 'backend'>;

/** Go's zero value of an IPv4 address: there is no way to leave it out. */
const NO_IPV4 = '0.0.0.0';
/** flannel's backend of this name writes no BackendType. */
const NAMELESS = 'alloc';

export function encodeAttributes({ publicIp, publicIpV6, backend }: Attributes): string {
  const { type, data, v6Data } = backend;
  const text = JSON.stringify({
    PublicIP: publicIp ? formatIp(publicIp) : NO_IPV4,
    PublicIPv6: publicIpV6 ? formatIp(publicIpV6) : null,
    ...(type !== NAMELESS && { BackendType: type }),
    ...(data !== undefined && { BackendData: data }),
    ...(v6Data !== undefined && { BackendV6Data: v6Data }),
  });
  // What Go escapes lest a browser take it for markup, and JSON.stringify does not.
  return text.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export interface DecodedAttributes extends Attributes {
  /** It has no BackendType: somebody reserved the subnet, or the node's backend is `alloc`. */
  readonly nameless: boolean;
}

/** `undefined` for what is no JSON object. */
export function decodeAttributes(text: string): DecodedAttributes | undefined {
  // A list of keys alone has thousands of these.
  if (text === '') return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  const { PublicIP, PublicIPv6, BackendType, BackendData, BackendV6Data } = json as Record<string, Json>;
  const nameless = typeof BackendType !== 'string' || BackendType === '';
  // Filled in step by step: lists have thousands, and each spread would make an object more.
  const backend: Mutable<BackendInfo> = { type: nameless ? NAMELESS : BackendType };
  if (BackendData !== undefined) backend.data = BackendData;
  if (BackendV6Data !== undefined) backend.v6Data = BackendV6Data;
  const decoded: Mutable<DecodedAttributes> = { backend, nameless };
  const publicIp = address(PublicIP, 4);
  if (publicIp) decoded.publicIp = publicIp;
  const publicIpV6 = address(PublicIPv6, 6);
  if (publicIpV6) decoded.publicIpV6 = publicIpV6;
  return decoded;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function address(value: Json | undefined, family: 4 | 6): Ip | undefined {
  const ip = typeof value === 'string' ? parseIp(value) : undefined;
  return ip?.family === family && ip.value !== 0n ? ip : undefined;
}
