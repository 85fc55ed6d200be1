/** Endpoints that get no new connections and keep those that they have: until these have ended, they are looked at now and then. */

import type { Clock, Timer } from '../../../shared/daemon/clock.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { IpvsKernel } from './kernel.ts';
import type { ServerKey } from './keys.ts';
import { endpointOperation } from './operations.ts';

/** Milliseconds between looks: the kernel tells nobody of connections that end. kube-proxy waits a minute. */
const INTERVAL = 10_000;
/** Of endpoints without connections the first look is the last. */
const FIRST = 1000;

export interface DrainingOptions {
  readonly kernel: IpvsKernel;
  readonly clock: Pick<Clock, 'after'>;
  readonly scheduler: string;
  readonly onTrouble: (error: unknown) => void;
}

export class DrainingEndpoints implements Disposable {
  readonly #options: DrainingOptions;
  readonly #endpoints = new Map<ServerKey, Set<Endpoint>>();
  #timer: Timer | undefined;
  /** A look in a second is asked for. */
  #isSoon = false;

  constructor(options: DrainingOptions) {
    this.#options = options;
  }

  has(of: ServerKey, endpoint: Endpoint): boolean {
    return this.#endpoints.get(of)?.has(endpoint) ?? false;
  }

  add(of: ServerKey, endpoint: Endpoint): void {
    const known = this.#endpoints.get(of);
    if (known) known.add(endpoint);
    else this.#endpoints.set(of, new Set([endpoint]));
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#wait(FIRST);
  }

  /** It serves again, or its virtual server is gone and it with that. */
  remove(of: ServerKey, endpoint?: Endpoint): void {
    const known = this.#endpoints.get(of);
    if (endpoint !== undefined) known?.delete(endpoint);
    if (endpoint === undefined || known?.size === 0) this.#endpoints.delete(of);
  }

  clear(): void {
    this.#endpoints.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isSoon = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #wait(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(ms, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    this.#isSoon = false;
    const { kernel, scheduler, onTrouble } = this.#options;
    try {
      for (const [of, endpoints] of this.#endpoints) {
        const held = new Map(kernel.endpoints(of).map((one) => [one.endpoint, one]));
        const ended = [...endpoints].filter((endpoint) => !held.get(endpoint)?.connections);
        const deletions = ended.map((endpoint) => endpointOperation('delete', of, endpoint, 0));
        for (const [index, error] of kernel.run(deletions, scheduler).entries()) {
          if (error) onTrouble(error);
          else this.remove(of, ended[index]);
        }
      }
    } catch (error) {
      onTrouble(error);
    }
    if (this.#endpoints.size > 0) this.#wait(INTERVAL);
  }
}
