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

/** A port that claims frontends: one object for all that it claims. */
export interface Claimant {
  readonly name: ServicePortName;
  readonly service: string;
  /** RFC 3339: the older Service is served. */
  readonly created: string;
}

const NOBODY: readonly never[] = [];

/**
 * The first by age, then by name, has it. What nobody contests costs one entry; so that the order of events makes no
 * difference, a claim that comes later may take over.
 */
export class Claims<T extends Claimant = Claimant> {
  readonly #owners = new Map<FrontendKey, T>();
  /** All claims of the frontends that have several, the owner's first. */
  readonly #contested = new Map<FrontendKey, readonly T[]>();

  /** @returns for whom else that makes a difference: who had it before, and all that were told who has it */
  claim(key: FrontendKey, claimant: T): readonly T[] {
    const owner = this.#owners.get(key);
    if (!owner || owner === claimant) {
      this.#owners.set(key, claimant);
      return NOBODY;
    }
    const others = this.#contested.get(key) ?? [owner];
    const all = [...others, claimant].sort(compare);
    this.#contested.set(key, all);
    if (all[0] !== claimant) return NOBODY;
    this.#owners.set(key, claimant);
    return others;
  }

  /** @returns for whom else that makes a difference: who has it now instead, and all that were told who has it */
  release(key: FrontendKey, claimant: T): readonly T[] {
    const contested = this.#contested.get(key);
    const isOwner = this.#owners.get(key) === claimant;
    if (!contested) {
      if (isOwner) this.#owners.delete(key);
      return NOBODY;
    }
    const rest = contested.filter((other) => other !== claimant);
    if (rest.length > 1) this.#contested.set(key, rest);
    else this.#contested.delete(key);
    const next = rest[0];
    if (!isOwner || !next) return NOBODY;
    this.#owners.set(key, next);
    return rest;
  }

  ownerOf(key: FrontendKey): T | undefined {
    return this.#owners.get(key);
  }

  /** Frontends that several want, for people. */
  get contested(): number {
    return this.#contested.size;
  }
}

function compare(a: Claimant, b: Claimant): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
