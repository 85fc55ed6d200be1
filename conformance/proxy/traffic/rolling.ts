/**
 * A service whose pods are replaced one after the other, as by a Deployment: a new pod is ready, an old one ends. Who ends is
 * told in the EndpointSlices first, goes on serving for a while, and then is gone, before the slices say so.
 */

import type { TestApi } from '../../../cni/proxy/testing/api.ts';
import type { TrafficServers } from './servers.ts';

/** Where pods may be, with the addresses that are used again and again. */
export interface Site {
  readonly nodeName: string;
  readonly servers: TrafficServers;
  readonly addresses: readonly string[];
}

export interface RollingOptions {
  readonly api: TestApi;
  /** Services that lead to the pods. */
  readonly services: readonly string[];
  /** New pods go to one after the other. */
  readonly sites: readonly Site[];
  readonly port: number;
  /** Pods that are ready. */
  readonly size: number;
}

interface Pod {
  /** No other one has it, before or after. */
  readonly name: string;
  readonly address: string;
  readonly site: Site;
  /** When the slices told that it ends (ms since the epoch). */
  endsSince?: number;
}

/** What came of a pod. */
export interface Ended {
  readonly name: string;
  readonly address: string;
  readonly toldAt: number;
  readonly goneAt: number;
}

/** An address is used again no earlier than so long after its pod (ms). */
const REST = 1000;

export class RollingService {
  /** Who ends serves for so long (ms) after the slices have told. */
  drainMs = 5000;
  readonly #options: RollingOptions;
  #pods: Pod[] = [];
  #made = 0;
  #step = 0;
  /** All that have ended. */
  readonly ended: Ended[] = [];
  changes = 0;

  constructor(options: RollingOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    for (let n = 0; n < this.#options.size; n += 1) await this.#add();
    this.#publish();
  }

  /** One change: a pod that is ready, one that ends, one that is gone. */
  async change(): Promise<void> {
    this.changes += 1;
    this.#step += 1;
    if (this.#step % 3 === 0 && (await this.#remove())) return this.#publish();
    const ready = this.#pods.filter(({ endsSince }) => endsSince === undefined);
    if (ready.length <= this.#options.size) await this.#add();
    else (ready[0] as Pod).endsSince = Date.now();
    this.#publish();
  }

  async #add(): Promise<void> {
    const { sites, port } = this.#options;
    const site = sites[this.#made % sites.length] as Site;
    this.#made += 1;
    const name = `${site.nodeName}-${this.#made}`;
    const now = Date.now();
    const address = site.addresses.find(
      (one) =>
        !this.#pods.some((pod) => pod.address === one) &&
        !this.ended.some((pod) => pod.address === one && now - pod.goneAt < REST),
    );
    if (address === undefined) throw new Error(`no address is free on ${site.nodeName}`);
    await site.servers.listen(name, address, port);
    this.#pods.push({ name, address, site });
  }

  /** @returns whether somebody has served long enough */
  async #remove(): Promise<boolean> {
    const now = Date.now();
    const pod = this.#pods.find(({ endsSince = now }) => now - endsSince >= this.drainMs);
    if (pod?.endsSince === undefined) return false;
    await pod.site.servers.end(pod.name);
    this.#pods = this.#pods.filter((one) => one !== pod);
    this.ended.push({ name: pod.name, address: pod.address, toldAt: pod.endsSince, goneAt: Date.now() });
    return true;
  }

  #publish(): void {
    const endpoints = this.#pods.map(({ address, site, endsSince }) => ({
      addresses: [address],
      nodeName: site.nodeName,
      conditions: {
        ready: endsSince === undefined,
        serving: true,
        terminating: endsSince !== undefined,
      },
    }));
    for (const service of this.#options.services)
      this.#options.api.put(
        'EndpointSlice',
        `${service}-1`,
        { addressType: 'IPv4', ports: [{ name: '', port: this.#options.port, protocol: 'TCP' }], endpoints },
        { labels: { 'kubernetes.io/service-name': service } },
      );
  }
}
