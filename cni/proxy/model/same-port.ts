/** Whether a service port became another one, and what of the former one can stay. Pure. */

import { type Cidr, cidrEquals } from '../../../shared/ip/cidr.ts';
import type { Endpoint } from './endpoint.ts';
import type { Frontend, ServicePort } from './service-port.ts';

/** @returns `before` itself where nothing is different; otherwise `next` with as much of it as stays the same */
export function reuse(before: ServicePort | undefined, next: ServicePort): ServicePort {
  if (!before) return next;
  const frontends = isSame(before.frontends, next.frontends, isSameFrontend)
    ? before.frontends
    : next.frontends;
  const endpoints = reuseEndpoints(before.endpoints, next.endpoints);
  const localEndpoints = reuseEndpoints(before.localEndpoints, next.localEndpoints);
  if (
    before.protocol === next.protocol &&
    before.affinity === next.affinity &&
    before.healthCheckPort === next.healthCheckPort &&
    frontends === before.frontends &&
    endpoints === before.endpoints &&
    localEndpoints === before.localEndpoints &&
    isSameRanges(before.sourceRanges, next.sourceRanges)
  )
    return before;
  return { ...next, frontends, endpoints, localEndpoints };
}

/**
 * Who stays keeps its string: modes have it in their own lists, and it would be there twice. Endpoints stay in their order,
 * so that one look ahead finds where one was left out.
 */
function reuseEndpoints(before: readonly Endpoint[], next: readonly Endpoint[]): readonly Endpoint[] {
  const kept = next as Endpoint[];
  let at = 0;
  let isSame = before.length === next.length;
  for (let index = 0; index < kept.length; index += 1) {
    const wanted = kept[index] as Endpoint;
    if (before[at] !== wanted) {
      isSame = false;
      if (before[at + 1] !== wanted) continue;
      at += 1;
    }
    kept[index] = before[at] as Endpoint;
    at += 1;
  }
  return isSame ? before : next;
}

function isSame<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}

function isSameFrontend(a: Frontend, b: Frontend): boolean {
  return a.kind === b.kind && a.address === b.address && a.port === b.port && a.policy === b.policy;
}

function isSameRanges(a: readonly Cidr[] | undefined, b: readonly Cidr[] | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && isSame(a, b, cidrEquals));
}
