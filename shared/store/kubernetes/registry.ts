/**
 * Nodes of a Kubernetes cluster as a registry: the API server gives out the subnets (spec.podCIDRs), nodes publish the
 * rest in annotations, as flanneld does. Nothing expires: a node is there until its Node is deleted.
 */

import { Backoff } from '../../kube/backoff.ts';
import type { KubeClient, ListOptions } from '../../kube/client.ts';
import { type KubeClock, sleep } from '../../kube/clock.ts';
import { isConflict, isGone, isNotFound } from '../../kube/errors.ts';
import { follow } from '../../kube/follow.ts';
import { NODES } from '../../kube/resource.ts';
import type { Node, WatchEvent } from '../../kube/types.ts';
import { errorText } from '../../log/format.ts';
import type { Logger } from '../../log/logger.ts';
import { LeaseLostError, TooOldError } from '../errors.ts';
import type { LeaseBatch, LeaseEvent, LeaseList, NodeInfo, NodeLease, NodeRegistry } from '../registry.ts';
import type { PodNetworks } from '../subnet-allocator.ts';
import {
  type AnnotationNames,
  annotationChanges,
  annotationNames,
  annotationsOf,
  withoutAnnotations,
} from './annotations.ts';
import { networkIsUpPatch, saysNetworkIsUp } from './conditions.ts';
import { annotationsIn, fingerprint, isManaged, leaseOf, podCidrProblems } from './node-lease.ts';

/** How often a write that somebody else's got in the way of is tried again at once. */
const CONFLICT_RETRIES = 3;

export interface KubernetesRegistryOptions {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly networks: PodNetworks;
  /** See annotationNames. */
  readonly annotationPrefix: string;
  readonly log: Logger;
  /**
   * The node whose registry this is. It is told of its own Node even before that is registered, so that it registers as
   * soon as it has a pod CIDR.
   */
  readonly self?: string;
  readonly random?: () => number;
  /** See ListOptions. */
  readonly onPage?: ListOptions['onPage'];
  /** Closes the registry when it is aborted, whatever is under way. */
  readonly signal?: AbortSignal;
}

export class KubernetesRegistry implements NodeRegistry {
  readonly #options: KubernetesRegistryOptions;
  readonly #names: AnnotationNames;
  readonly #closed = new AbortController();
  /** Fingerprints of the last list's nodes: what a watch from there on need not tell. */
  #listed: { readonly version: string; readonly nodes: ReadonlyMap<string, string> } | undefined;
  /** The newest version that was seen: behind it nobody is believed. */
  #version: string | undefined;
  #networkIsUp = false;
  #told = '';

  /** @throws RangeError for a wrong annotation prefix */
  constructor(options: KubernetesRegistryOptions) {
    this.#options = options;
    this.#names = annotationNames(options.annotationPrefix);
    options.signal?.addEventListener('abort', () => this.#close(), { once: true });
    if (options.signal?.aborted) this.#close();
  }

  /**
   * Publishes the node. It has whatever subnets its Node has.
   *
   * @throws Error where the Node is not there, or has no pod CIDR that can be used, with what to do
   */
  async acquire(info: NodeInfo): Promise<NodeLease> {
    const node = await this.#get(info.name).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw new Error(
        `the cluster has no node ${info.name}: is the kubelet running, and is NODE_NAME the name it uses?`,
        { cause: error },
      );
    });
    const lease = this.#leaseOf(node);
    const problem = podCidrProblems(this.#options.networks, node).join('; ');
    if (!lease) throw new Error(problem);
    // Half of it works: better than nothing.
    if (problem !== '' && problem !== this.#told)
      this.#options.log.warn('a part of the pod network is missing', { problem });
    this.#told = problem;
    return await this.#publish(info, node);
  }

  async renew(info: NodeInfo): Promise<NodeLease> {
    const lost = (why: string): LeaseLostError => new LeaseLostError(`node ${info.name} ${why}`);
    const node = await this.#get(info.name).catch((error: unknown) => {
      throw isNotFound(error) ? lost('is gone from the cluster') : error;
    });
    if (!isManaged(this.#names, node)) throw lost('lost its annotations');
    if (!this.#leaseOf(node)) throw lost('lost its pod CIDR');
    return await this.#publish(info, node);
  }

  /** One request, where a list would fetch thousands of nodes. */
  async find({ name }: NodeInfo): Promise<NodeLease | undefined> {
    try {
      const node = await this.#get(name);
      return isManaged(this.#names, node) ? this.#leaseOf(node) : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Takes the node's annotations away. Its subnet stays with the Node. */
  async release(name: string): Promise<boolean> {
    try {
      if (!isManaged(this.#names, await this.#get(name))) return false;
      await this.#patch(name, { metadata: { annotations: withoutAnnotations(this.#names) } });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async list(): Promise<LeaseList> {
    const nodes = new Map<string, string>();
    const project = (node: Node): NodeLease | undefined => {
      nodes.set(node.metadata.name, fingerprint(this.#names, node));
      return this.#isShown(node) ? this.#leaseOf(node) : undefined;
    };
    const { client, onPage } = this.#options;
    const list = await client.list(NODES, project, {
      signal: this.#closed.signal,
      notOlderThan: this.#version,
      ...(onPage && { onPage }),
    });
    const version = list.resourceVersion;
    this.#version = version;
    this.#listed = { version, nodes };
    // The API server's order is that of its keys already, but it does not say so.
    const leases = list.items.sort((a, b) => (a.node < b.node ? -1 : 1));
    return { leases, version, epoch: 'kubernetes' };
  }

  async *watch(
    version: string,
    signal: AbortSignal,
    onHealth?: (error: unknown) => void,
  ): AsyncGenerator<LeaseBatch, void, undefined> {
    if (!/^[1-9]\d*$/.test(version)) throw new TooOldError(`no list had the version "${version}"`);
    const { client, clock, random } = this.#options;
    const seen = new Map(this.#listed?.version === version ? this.#listed.nodes : []);
    const ends = AbortSignal.any([signal, this.#closed.signal]);
    try {
      for await (const batch of follow(NODES, {
        client,
        clock,
        resourceVersion: version,
        signal: ends,
        ...(random && { random }),
        ...(onHealth && { onHealth }),
      })) {
        this.#version = batch.resourceVersion;
        const events = batch.events.flatMap((event) => this.#toEvent(event, seen) ?? []);
        if (events.length > 0) yield { events, version: batch.resourceVersion };
      }
    } catch (error) {
      if (!isGone(error)) throw error;
      throw new TooOldError(error.message, { cause: error });
    }
    if (!signal.aborted) throw new Error('the registry is closed');
  }

  /**
   * The node's pods have a network: says so in the node's condition, now and whenever the node is registered anew.
   * Tried until it works or the registry is closed.
   */
  async networkIsUp(name: string): Promise<void> {
    this.#networkIsUp = true;
    const { clock, log, random } = this.#options;
    const retries = new Backoff({ firstMs: 500, mostMs: 30_000, ...(random && { random }) });
    let told: string | undefined;
    while (!this.#closed.signal.aborted) {
      try {
        await this.#setCondition(await this.#get(name));
        if (told !== undefined) log.info('the node condition NetworkUnavailable is set');
        return;
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        const text = errorText(error);
        if (text !== told)
          log.warn('the node condition NetworkUnavailable cannot be set, will be tried again', { error });
        told = text;
        await sleep(clock, retries.next(), this.#closed.signal);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    return Promise.resolve();
  }

  #close(): void {
    this.#closed.abort(new Error('the registry is closed'));
  }

  #leaseOf(node: Node): NodeLease | undefined {
    return leaseOf(this.#names, this.#options.networks, node);
  }

  #get(name: string): Promise<Node> {
    return this.#options.client.get(NODES, { name, signal: this.#closed.signal });
  }

  async #publish(info: NodeInfo, node: Node): Promise<NodeLease> {
    const current = annotationsIn(node);
    const changes = annotationChanges(this.#names, annotationsOf(this.#names, info, current), current);
    const isSame = Object.keys(changes).length === 0;
    const published = isSame ? node : await this.#patch(info.name, { metadata: { annotations: changes } });
    if (this.#networkIsUp) await this.#setCondition(published);
    const lease = this.#leaseOf(published);
    if (!lease) throw new LeaseLostError(`node ${info.name} lost its pod CIDR`);
    return lease;
  }

  async #setCondition(node: Node): Promise<void> {
    if (saysNetworkIsUp(node)) return;
    await this.#patch(node.metadata.name, networkIsUpPatch(this.#options.clock.now().wallMs));
  }

  /** Status and annotations both go through `nodes/status`: all that the agent may write. */
  async #patch(name: string, patch: object): Promise<Node> {
    const target = { name, subresource: 'status', signal: this.#closed.signal };
    for (let tries = 1; ; tries++) {
      try {
        return await this.#options.client.patch(NODES, 'strategic', patch, target);
      } catch (error) {
        if (!isConflict(error) || tries > CONFLICT_RETRIES) throw error;
      }
    }
  }

  #isShown(node: Node): boolean {
    return isManaged(this.#names, node) || node.metadata.name === this.#options.self;
  }

  /** What a watch's event means; `undefined` where nothing that matters has changed. */
  #toEvent({ type, object }: WatchEvent<Node>, seen: Map<string, string>): LeaseEvent | undefined {
    const { name } = object.metadata;
    if (type === 'DELETED') {
      seen.delete(name);
      return { type: 'removed', node: name, reason: 'deleted' };
    }
    // Kubelets write their status every few minutes: of thousands of events hardly one is about the network.
    const print = fingerprint(this.#names, object);
    if (seen.get(name) === print) return undefined;
    seen.set(name, print);
    const lease = this.#isShown(object) ? this.#leaseOf(object) : undefined;
    if (lease) return { type: 'set', lease };
    return type === 'ADDED' ? undefined : { type: 'removed', node: name, reason: 'deleted' };
  }
}
