/**
 * Services and endpoints from the embedded store. EndpointSlices are those that somebody applied, and such as are derived from
 * selectors over the store's Pods.
 */

import { type Clock, sleep } from '../../../shared/daemon/clock.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import { Backoff } from '../../../shared/kube/backoff.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { isTooOld } from '../../../shared/store/errors.ts';
import type { KubeObject } from '../../../shared/store/kube-object.ts';
import type { ObjectSource } from '../../../shared/store/object-source.ts';
import {
  deriveSlices,
  isSelected,
  type NodePlace,
  type PodParts,
  type ServiceParts,
  selectorOf,
} from './derive-slices.ts';
import { isSameNode, nodeView } from './node-view.ts';
import type { NodeView, Projections, Source, SourceEvents } from './source.ts';

const KINDS = ['Service', 'EndpointSlice', 'Pod', 'Node'] as const;
type Kind = (typeof KINDS)[number];

/** core/v1: a Service with it is another proxy's; discovery/v1: a slice with it belongs to a headless Service. */
const FOREIGN = 'service.kubernetes.io/service-proxy-name';
const HEADLESS = 'service.kubernetes.io/headless';

export interface EmbeddedSourceOptions<S, E> {
  readonly store: ObjectSource;
  /** For people. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: string;
  readonly project: Projections<S, E>;
  readonly events: SourceEvents<S, E>;
  /** Pods changed: their addresses may be known already. */
  readonly onPods?: () => void;
}

type Objects = Map<string, KubeObject>;

export class EmbeddedSource<S, E> implements Source {
  readonly #options: EmbeddedSourceOptions<S, E>;
  #objects: Record<Kind, Objects> = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Pod: new Map(),
    Node: new Map(),
  };
  /** Derived slices, by Service. */
  readonly #derived = new Map<string, Map<string, ApiObject>>();
  /** Services whose selector finds no Pod, which were told about. */
  readonly #lonely = new Set<string>();
  #node: NodeView | undefined;
  #synced = false;

  constructor(options: EmbeddedSourceOptions<S, E>) {
    this.#options = options;
  }

  get location(): string {
    return this.#options.path;
  }

  /** Services whose selector finds no Pod. */
  get lonely(): ReadonlySet<string> {
    return this.#lonely;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, events } = this.#options;
    const backoff = new Backoff({ firstMs: 500, mostMs: 30_000 });
    while (!signal.aborted) {
      try {
        const version = await this.#list();
        events.health(undefined);
        for await (const batch of store.watchObjects(KINDS, version, signal)) {
          backoff.reset();
          this.#apply(batch.events.map(({ type, object }) => [object, type === 'deleted']));
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isTooOld(error)) continue;
        events.health(error);
        await sleep(clock, backoff.next(), signal);
      }
    }
  }

  /** Each kind at a version of its own: the oldest is what is watched from, and what is told twice changes nothing. */
  async #list(): Promise<string> {
    const { store } = this.#options;
    const lists = [];
    for (const kind of KINDS) lists.push(await store.listObjects(kind));
    const listed = new Set<string>();
    const changes: [KubeObject, boolean][] = [];
    for (const { items } of lists)
      for (const object of items) {
        listed.add(`${object.kind} ${keyOf(object)}`);
        changes.push([object, false]);
      }
    for (const kind of KINDS)
      for (const [key, object] of this.#objects[kind])
        if (!listed.has(`${kind} ${key}`)) changes.push([object, true]);
    this.#apply(changes, true);
    return lists[0]?.version ?? '';
  }

  /** @param isAll all services are looked at, and none is searched for */
  #apply(changes: readonly (readonly [KubeObject, boolean])[], isAll = false): void {
    const { events, project, onPods } = this.#options;
    const services = new Map<string, S | undefined>();
    const slices = new Map<string, E | undefined>();
    /** Services whose derived slices may be others. */
    const affected = new Set<string>();
    let arePods = false;
    for (const [object, isGone] of changes) {
      const kind = object.kind as Kind;
      const key = keyOf(object);
      const before = this.#objects[kind].get(key);
      if (isGone) this.#objects[kind].delete(key);
      else this.#objects[kind].set(key, object);
      switch (kind) {
        case 'Service':
          services.set(key, isGone || isForeign(object) ? undefined : project.service(object as ApiObject));
          affected.add(key);
          break;
        case 'EndpointSlice':
          slices.set(key, isGone || isHeadless(object) ? undefined : project.slice(object as ApiObject));
          break;
        case 'Pod':
          arePods = true;
          if (isAll) break;
          for (const pod of [before, isGone ? undefined : object])
            if (pod) for (const service of this.#selecting(pod)) affected.add(service);
          break;
        case 'Node':
          if (placeText(before) !== placeText(isGone ? undefined : object))
            for (const [service, found] of this.#objects.Service)
              if (selectorOf(found as ServiceParts)) affected.add(service);
          break;
        default:
          kind satisfies never;
      }
    }
    if (isAll) for (const service of this.#objects.Service.keys()) affected.add(service);
    for (const service of affected) this.#derive(service, slices);
    this.#tellNode();
    if (services.size > 0 || !this.#synced) events.services(services);
    if (slices.size > 0 || !this.#synced) events.slices(slices);
    if (!this.#synced) {
      this.#synced = true;
      // There are no such objects here.
      events.serviceCidrs([]);
      events.synced();
    }
    if (arePods) onPods?.();
  }

  *#selecting(pod: KubeObject): Iterable<string> {
    for (const [key, service] of this.#objects.Service) {
      if (service.metadata.namespace !== pod.metadata.namespace) continue;
      const selector = selectorOf(service as ServiceParts);
      if (selector && isSelected(selector, pod)) yield key;
    }
  }

  #derive(key: string, slices: Map<string, E | undefined>): void {
    const { project } = this.#options;
    const service = this.#objects.Service.get(key) as ServiceParts | undefined;
    const selector = service && !isForeign(service) ? selectorOf(service) : undefined;
    const before = this.#derived.get(key) ?? new Map<string, ApiObject>();
    const after = service && selector ? this.#slicesOf(service, selector) : new Map<string, ApiObject>();
    for (const name of before.keys()) if (!after.has(name)) slices.set(name, undefined);
    for (const [name, slice] of after)
      if (!Bun.deepEquals(before.get(name), slice)) slices.set(name, project.slice(slice));
    if (after.size > 0) this.#derived.set(key, after);
    else this.#derived.delete(key);
    this.#report(key, selector !== undefined && after.size === 0, selector);
  }

  #slicesOf(service: ServiceParts, selector: Readonly<Record<string, string>>): Map<string, ApiObject> {
    const pods: PodParts[] = [];
    for (const pod of this.#objects.Pod.values())
      if (pod.metadata.namespace === service.metadata.namespace && isSelected(selector, pod))
        pods.push(pod as PodParts);
    return deriveSlices(service, pods, (node) => placeOf(this.#objects.Node.get(node)));
  }

  #report(key: string, isLonely: boolean, selector: Readonly<Record<string, string>> | undefined): void {
    if (!isLonely) {
      this.#lonely.delete(key);
      return;
    }
    if (this.#lonely.has(key)) return;
    this.#lonely.add(key);
    this.#options.log.warn('a service selects no pod with an address', {
      service: key,
      selector: Object.entries(selector ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(','),
      advice: "apply Pods with these labels; their addresses come from CNI's results on their nodes",
    });
  }

  #tellNode(): void {
    const object = this.#objects.Node.get(this.#options.node);
    const node = object && nodeView(object as ApiObject);
    if (this.#synced && isSameNode(node, this.#node)) return;
    this.#node = node;
    this.#options.events.node(node);
  }
}

function keyOf({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

function isForeign({ metadata }: ApiObject | KubeObject): boolean {
  return metadata.labels?.[FOREIGN] !== undefined;
}

function isHeadless({ metadata }: KubeObject): boolean {
  return metadata.labels?.[HEADLESS] !== undefined;
}

function placeOf(node: KubeObject | undefined): NodePlace | undefined {
  if (!node) return undefined;
  const { zone, addresses } = nodeView(node as ApiObject);
  return { ...(zone !== undefined && { zone }), addresses: addresses.map(({ ip }) => formatIp(ip)) };
}

function placeText(node: KubeObject | undefined): string {
  return JSON.stringify(placeOf(node)) ?? '';
}
