import type { Cidr } from '../../shared/ip/cidr.ts';
import type { Ip } from '../../shared/ip/ip.ts';

/**
 * The result of an ADD as this project works with it: the shape of specification 1.1.0 with parsed addresses. Every
 * other version exists on the wire only (result-decode.ts, result-encode.ts). Values are never changed in place: a
 * chained plugin returns a copy, e.g. `{...previous, routes: [...previous.routes, route]}`.
 */
export interface Result {
  /** Host-level ones included. Empty in an IPAM plugin's result. */
  readonly interfaces: readonly Interface[];
  readonly ips: readonly IpConfig[];
  readonly routes: readonly Route[];
  readonly dns: Dns;
}

/** An interface the attachment created. */
export interface Interface {
  readonly name: string;
  readonly mac?: string | undefined;
  /** Bytes; from 1.1.0. */
  readonly mtu?: number | undefined;
  /** The network namespace's path as given in CNI_NETNS; absent on the host. */
  readonly sandbox?: string | undefined;
  /** From 1.1.0. */
  readonly socketPath?: string | undefined;
  /** From 1.1.0; `pciID` on the wire. */
  readonly pciId?: string | undefined;
}

/** An address given to the attachment. */
export interface IpConfig {
  /** The address itself with its subnet's length: host bits are kept. */
  readonly address: Cidr;
  readonly gateway?: Ip | undefined;
  /** Index into `interfaces`; absent in an IPAM plugin's result. */
  readonly interface?: number | undefined;
}

/** A route of the attachment. The numbers carry the kernel's meanings (rtnetlink(7)). */
export interface Route {
  readonly dst: Cidr;
  readonly gw?: Ip | undefined;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly priority?: number | undefined;
  readonly table?: number | undefined;
  readonly scope?: number | undefined;
}

/** What a resolver in the container should be told. */
export interface Dns {
  readonly nameservers?: readonly string[] | undefined;
  readonly domain?: string | undefined;
  readonly search?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
}

/** A result with nothing in it, to build on. */
export const emptyResult: Result = { interfaces: [], ips: [], routes: [], dns: {} };

/** True when there is nothing to say about name resolution, so that the key is left out on the wire. */
export function isEmptyDns(dns: Dns): boolean {
  return !(dns.nameservers?.length || dns.domain || dns.search?.length || dns.options?.length);
}
