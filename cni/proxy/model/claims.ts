/** Which service port has a frontend that several want. Pure. */

import type { Frontend, Protocol, ServicePortName } from './service-port.ts';
import { PROTOCOL_NUMBER } from './service-port.ts';

/** What a packet says: destination, protocol and port; a node port has no address. */
export type FrontendKey = string;

export function frontendKey(
  protocol: Protocol,
  { address, port }: Pick<Frontend, 'address' | 'port'>,
): FrontendKey {
  return String.fromCharCode(PROTOCOL_NUMBER[protocol], port >>> 8, port & 255) + (address ?? '');
}

interface Claim {
  readonly port: ServicePortName;
  /** Sorts: the Service's age, then the port's name. */
  readonly order: string;
}

/**
 * The first by the order has it. What nobody contests costs one entry; so that the order of events makes no difference, a
 * claim that comes later may take over.
 */
export class Claims {
  readonly #owners = new Map<FrontendKey, Claim>();
  /** All claims of the frontends that have several, the owner's first. */
  readonly #contested = new Map<FrontendKey, Claim[]>();

  /** @returns whose frontends change by it besides this port's: of two one loses what the other gets */
  claim(key: FrontendKey, port: ServicePortName, order: string): ServicePortName | undefined {
    const claim: Claim = { port, order };
    const owner = this.#owners.get(key);
    const contested = this.#contested.get(key);
    if (!owner || (owner.port === port && !contested)) {
      this.#owners.set(key, claim);
      return undefined;
    }
    const all = [...(contested ?? [owner]).filter((other) => other.port !== port), claim];
    all.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
    this.#contested.set(key, all);
    const first = all[0] as Claim;
    this.#owners.set(key, first);
    if (first.port === owner.port) return undefined;
    return first.port === port ? owner.port : first.port;
  }

  /** @returns who has it now instead, if anybody */
  release(key: FrontendKey, port: ServicePortName): ServicePortName | undefined {
    const owner = this.#owners.get(key);
    const rest = this.#contested.get(key)?.filter((other) => other.port !== port);
    if (!rest) {
      if (owner?.port === port) this.#owners.delete(key);
      return undefined;
    }
    if (rest.length > 1) this.#contested.set(key, rest);
    else this.#contested.delete(key);
    const first = rest[0] as Claim;
    this.#owners.set(key, first);
    return owner?.port === port ? first.port : undefined;
  }

  ownerOf(key: FrontendKey): ServicePortName | undefined {
    return this.#owners.get(key)?.port;
  }

  /** Frontends that several want, for people. */
  get contested(): number {
    return this.#contested.size;
  }
}
