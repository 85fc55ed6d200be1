/**
 * UDP flows that lead to an endpoint which serves no more. A client that keeps its port would be sent there for as long as
 * it sends, since only a flow's first packet is looked up. Pure.
 */

import type { Flow } from '../../../shared/netlink/codec/conntrack.ts';
import { type Address, type Endpoint, endpointOf, type Family, packAddress } from '../model/endpoint.ts';
import { type Frontend, PROTOCOL_NUMBER } from '../model/service-port.ts';

/** A UDP port whose endpoints or frontends changed, as it is now. */
export interface UdpService {
  readonly frontends: readonly Frontend[];
  /**
   * All that serve, here or elsewhere, chosen or not, ending ones included: what a flow may go on to. Who is not chosen for
   * new flows keeps those that it has.
   */
  readonly serving: readonly Endpoint[];
}

/** By what a flow was sent to. */
export class FlowTargets {
  /** Address and port → endpoints. */
  readonly #addresses = new Map<string, ReadonlySet<Endpoint>>();
  readonly #nodePorts = new Map<number, ReadonlySet<Endpoint>>();
  readonly family: Family;

  constructor(family: Family, services: Iterable<UdpService>) {
    this.family = family;
    for (const { frontends, serving } of services) {
      // Nobody serves: flows may stay, as no packet of theirs can go anywhere better (kube-proxy's rule).
      if (serving.length === 0) continue;
      const endpoints = new Set(serving);
      for (const { address, port } of frontends) {
        if (address === undefined) this.#nodePorts.set(port, endpoints);
        else this.#addresses.set(endpointOf(address, port), endpoints);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#addresses.size === 0 && this.#nodePorts.size === 0;
  }

  get hasNodePorts(): boolean {
    return this.#nodePorts.size > 0;
  }

  /** @param isLocal whether an address is the node's own, asked for flows to a node port's number only */
  isStale({ original, reply }: Flow, isLocal: (address: Address) => boolean): boolean {
    if (original.protocol !== PROTOCOL_NUMBER.UDP) return false;
    if (original.targetPort === undefined || reply.sourcePort === undefined) return false;
    const target = packAddress(original.target);
    let endpoints = this.#addresses.get(endpointOf(target, original.targetPort));
    if (!endpoints) {
      endpoints = this.#nodePorts.get(original.targetPort);
      // The same number elsewhere is somebody's own port.
      if (!endpoints || !isLocal(target)) return false;
    }
    return !endpoints.has(endpointOf(packAddress(reply.source), reply.sourcePort));
  }
}
