/** Where Services and their endpoints come from, and what the proxy hears of them. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';

/** What is kept of an object; `undefined`: it is none of the proxy's. */
export interface Projections<S, E> {
  readonly service: (object: ApiObject) => S | undefined;
  readonly slice: (object: ApiObject) => E | undefined;
}

/** By `namespace/name`; `undefined` for what is gone. */
export type Changes<T> = ReadonlyMap<string, T | undefined>;

/** What a source tells. Nothing is told of what did not change. */
export interface SourceEvents<S, E> {
  /** The first call has all of them, and may be empty. */
  readonly services: (changes: Changes<S>) => void;
  readonly slices: (changes: Changes<E>) => void;
  readonly serviceCidrs: (networks: readonly Cidr[]) => void;
  readonly node: (node: NodeView | undefined) => void;
  /** Both lists have been told. Once. */
  readonly synced: () => void;
  /** An error whenever changes cannot be followed; `undefined` once they can again. */
  readonly health: (error: unknown) => void;
}

/** The proxy's own Node. */
export interface NodeView {
  /** topology.kubernetes.io/zone. */
  readonly zone?: string;
  /** spec.podCIDRs. */
  readonly podCidrs: readonly Cidr[];
  /** Its own addresses, as networks of one: InternalIP before ExternalIP. */
  readonly addresses: readonly Cidr[];
  /** Neither being deleted nor tainted by the autoscaler that is about to. */
  readonly isEligible: boolean;
}

export interface Source {
  /** For people: a URL or a file. */
  readonly location: string;
  /** Works until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Tells that both lists are in, once both are. */
export class BothSynced {
  readonly #tell: () => void;
  #services = false;
  #slices = false;
  #told = false;

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  services(): void {
    this.#services = true;
    this.#check();
  }

  slices(): void {
    this.#slices = true;
    this.#check();
  }

  #check(): void {
    if (this.#told || !this.#services || !this.#slices) return;
    this.#told = true;
    this.#tell();
  }
}
