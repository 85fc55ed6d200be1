/**
 * Writes the addresses of this node's pods into the embedded store's Pods, as a kubelet would into an API server's: other nodes
 * of the store read them there.
 */

import type { Clock } from '../../../shared/daemon/clock.ts';
import { DirectoryWatch } from '../../../shared/daemon/directory-watch.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { EmbeddedStore } from '../../../shared/store/embedded/store.ts';
import type { KubeObject } from '../../../shared/store/kube-object.ts';
import { CniResults } from './cni-results.ts';

/** On a Pod whose addresses a node wrote: that node, which alone takes them away again. */
export const WRITTEN_BY = 'underpod.io/addresses-from';

/**
 * The Pod with the addresses that CNI gave it here; the same object where nothing changes. Pure.
 *
 * @param addresses `undefined`: it is not attached on this node
 */
export function withAddresses(
  pod: KubeObject,
  node: string,
  addresses: readonly string[] | undefined,
): KubeObject {
  const status = asRecord(pod['status']);
  const spec = asRecord(pod['spec']);
  const { [WRITTEN_BY]: writer, ...annotations } = pod.metadata.annotations ?? {};
  if (!addresses) {
    if (writer !== node) return pod;
    const { podIP: _, podIPs: __, ...rest } = status;
    return { ...pod, metadata: { ...pod.metadata, annotations }, status: rest };
  }
  // A Pod that its owner put elsewhere, or gave addresses to by hand, is not this node's to change.
  if (typeof spec['nodeName'] === 'string' && spec['nodeName'] !== node) return pod;
  if (writer === undefined && status['podIPs'] !== undefined) return pod;
  const podIPs = addresses.map((ip) => ({ ip }));
  const isSame =
    writer === node &&
    JSON.stringify(status['podIPs']) === JSON.stringify(podIPs) &&
    spec['nodeName'] === node;
  if (isSame) return pod;
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations: { ...annotations, [WRITTEN_BY]: node } },
    spec: { ...spec, nodeName: node },
    status: { phase: 'Running', ...status, podIP: addresses[0], podIPs },
  };
}

export interface PodAddressesOptions {
  readonly store: EmbeddedStore;
  readonly node: string;
  readonly cniCacheDir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PodAddresses implements Disposable {
  readonly #options: PodAddressesOptions;
  readonly #results: CniResults;
  readonly #watch: DirectoryWatch;
  #told = '';

  constructor(options: PodAddressesOptions) {
    this.#options = options;
    this.#results = new CniResults(options.cniCacheDir, options.log);
    this.#watch = new DirectoryWatch({
      clock: options.clock,
      directory: this.#results.directory,
      onChange: () => this.look(),
      onLost: (error) => options.log.warn('CNI results are looked for by the clock', { error }),
    });
  }

  /** Compares the cache with the store's Pods and writes what differs; also to be called when a Pod appears there. */
  look(): void {
    const { store, node, log } = this.#options;
    try {
      const known = this.#results.read();
      const differs = (pod: KubeObject): KubeObject | undefined => {
        const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
        const next = withAddresses(pod, node, known.get(key));
        return next === pod ? undefined : next;
      };
      // Most looks find nothing to do, and take no lock.
      if (!store.list('Pod').items.some((pod) => differs(pod))) return;
      const written = store.transact((transaction) => {
        const pods = transaction.list('Pod').flatMap((pod) => differs(pod) ?? []);
        for (const pod of pods) transaction.put(pod);
        return pods;
      });
      for (const { metadata, status } of written)
        log.info('addresses of a pod', {
          pod: `${metadata.namespace}/${metadata.name}`,
          addresses: (asRecord(status)['podIPs'] as { ip: string }[] | undefined)?.map(({ ip }) => ip) ?? [],
        });
      this.#told = '';
    } catch (error) {
      const text = String(error);
      if (text !== this.#told) log.error("pods' addresses cannot be written, will be tried again", { error });
      this.#told = text;
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
