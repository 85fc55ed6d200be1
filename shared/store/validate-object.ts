/** What an object must look like before it is stored. Pure. */

import { cidrEquals, formatCidr, networkOf, parseCidr } from '../ip/cidr.ts';
import { InvalidObjectError } from './errors.ts';
import { KINDS, type KindInfo, kindOf } from './kinds.ts';
import type { KubeObject } from './kube-object.ts';

/** etcd's default limit for a request, which bounds objects in Kubernetes; in bytes. */
export const MAX_OBJECT_BYTES: number = 1.5 * 1024 * 1024;

/** RFC 1123 section 2.1 as Kubernetes reads it: dots, and at most 253 characters. */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * Checks identity and envelope of an object; what is inside a spec is for its readers to judge, except for a Node's
 * podCIDRs, from which subnets are allocated.
 *
 * @throws InvalidObjectError
 */
export function validateObject(value: unknown): { object: KubeObject; info: KindInfo } {
  if (!isRecord(value))
    throw new InvalidObjectError('an object must be a mapping with apiVersion, kind and metadata');
  const { kind, apiVersion, metadata } = value;
  if (typeof kind !== 'string' || kind === '') throw new InvalidObjectError('the object has no kind');
  const info = kindOf(kind);
  if (info === undefined) {
    const known = KINDS.filter((each) => each.applicable).map((each) => each.kind);
    throw new InvalidObjectError(`kind ${kind} is not kept here; known kinds are ${known.join(', ')}`);
  }
  if (apiVersion !== info.apiVersion) {
    throw new InvalidObjectError(
      `${kind} has apiVersion ${JSON.stringify(apiVersion)}; use ${info.apiVersion}`,
    );
  }
  if (!isRecord(metadata)) throw new InvalidObjectError(`the ${kind} has no metadata; add metadata.name`);
  const { name, namespace } = metadata;
  if (typeof name !== 'string' || name.length > 253 || !SUBDOMAIN.test(name)) {
    const rule = 'lower-case letters, digits, "-" and ".", at most 253 characters';
    throw new InvalidObjectError(
      `${kind} has metadata.name ${JSON.stringify(name)}; a name is made of ${rule}`,
    );
  }
  const where = `${kind} ${name}`;
  if (
    info.namespaced &&
    !(typeof namespace === 'string' && namespace.length <= 63 && LABEL.test(namespace))
  ) {
    throw new InvalidObjectError(`${where} has metadata.namespace ${JSON.stringify(namespace)}; name one`);
  }
  if (!info.namespaced && namespace !== undefined && namespace !== '') {
    throw new InvalidObjectError(`${where} has a namespace, but ${info.plural} have none; remove it`);
  }
  for (const field of ['labels', 'annotations']) checkStringMap(where, `metadata.${field}`, metadata[field]);
  if (kind === 'Node') checkPodCidrs(where, value['spec']);
  return { object: value as KubeObject, info };
}

function checkStringMap(where: string, field: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (!isRecord(value)) throw new InvalidObjectError(`${where} has a ${field} that is no mapping`);
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'string') continue;
    throw new InvalidObjectError(`${where} has ${field}.${key} = ${JSON.stringify(entry)}; put it in quotes`);
  }
}

function checkPodCidrs(where: string, spec: unknown): void {
  if (spec === undefined || spec === null) return;
  if (!isRecord(spec)) throw new InvalidObjectError(`${where} has a spec that is no mapping`);
  const { podCIDR, podCIDRs } = spec;
  if (podCIDRs !== undefined && !Array.isArray(podCIDRs)) {
    throw new InvalidObjectError(`${where} has spec.podCIDRs that is no list`);
  }
  const list: unknown[] = podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]);
  if (podCIDR !== undefined && list[0] !== podCIDR) {
    throw new InvalidObjectError(
      `${where} has another spec.podCIDR than spec.podCIDRs[0]; make them the same`,
    );
  }
  const families = new Set<number>();
  for (const text of list) {
    const cidr = typeof text === 'string' ? parseCidr(text) : undefined;
    if (cidr === undefined) {
      throw new InvalidObjectError(
        `${where} has podCIDR ${JSON.stringify(text)}; write one like "10.244.7.0/24"`,
      );
    }
    if (!cidrEquals(cidr, networkOf(cidr))) {
      throw new InvalidObjectError(
        `${where} has podCIDR ${text} with host bits; write ${formatCidr(networkOf(cidr))}`,
      );
    }
    if (families.has(cidr.ip.family)) {
      throw new InvalidObjectError(
        `${where} has two podCIDRs of IPv${cidr.ip.family}; a node has one of each family`,
      );
    }
    families.add(cidr.ip.family);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
