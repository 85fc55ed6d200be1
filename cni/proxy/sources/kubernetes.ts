/** Services and endpoints from the API server, chosen as kube-proxy chooses them. */

import { type Cidr, networkOf, parseCidr } from '../../../shared/ip/cidr.ts';
import type { KubeClient, Selection } from '../../../shared/kube/client.ts';
import type { KubeClock } from '../../../shared/kube/clock.ts';
import { isNotFound, KubeError } from '../../../shared/kube/errors.ts';
import { Reflector } from '../../../shared/kube/reflector.ts';
import { ENDPOINT_SLICES, type Resource, SERVICES } from '../../../shared/kube/resource.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { isSameNode, nodeView } from './node-view.ts';
import {
  BothSynced,
  type Changes,
  type NodeView,
  type Projections,
  type Source,
  type SourceEvents,
} from './source.ts';

const SERVICE_CIDRS: Resource = { group: 'networking.k8s.io', version: 'v1', plural: 'servicecidrs' };
/** In JSON, and one of them: what a projection of all nodes leaves out is wanted here. */
const OWN_NODE: Resource = { group: '', version: 'v1', plural: 'nodes' };

/** Services of another proxy, and headless ones, which have no address (pkg/proxy/config; k8s.io/api/core/v1, discovery/v1). */
const NOT_FOREIGN: Selection = { labelSelector: '!service.kubernetes.io/service-proxy-name' };
const NOT_HEADLESS: Selection = { fieldSelector: 'spec.clusterIP!=None' };
const SLICES_OF_OURS: Selection = { labelSelector: '!service.kubernetes.io/headless' };

export interface KubernetesSourceOptions<S, E> {
  readonly client: KubeClient;
  readonly clock: KubeClock;
  readonly log: Logger;
  /** The own Node's name. */
  readonly node: string;
  readonly project: Projections<S, E>;
  readonly events: SourceEvents<S, E>;
}

export class KubernetesSource<S, E> implements Source {
  readonly #options: KubernetesSourceOptions<S, E>;
  /** What cannot be followed now, and why. */
  readonly #troubles = new Map<string, unknown>();

  constructor(options: KubernetesSourceOptions<S, E>) {
    this.#options = options;
  }

  get location(): string {
    return this.#options.client.server;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { project, events, node } = this.#options;
    const both = new BothSynced(events.synced);
    await Promise.all([
      this.#services(signal, (changes) => {
        events.services(changes);
        both.services();
      }),
      this.#follow(ENDPOINT_SLICES, SLICES_OF_OURS, project.slice, (changes) => {
        events.slices(changes);
        both.slices();
      }).run(signal),
      this.#serviceCidrs().run(signal),
      this.#node(node).run(signal),
    ]);
  }

  /** Older API servers do not choose Services by their address: then all are listed, and headless ones left out here. */
  async #services(signal: AbortSignal, onChanges: (changes: Changes<S>) => void): Promise<void> {
    const { project } = this.#options;
    const refused = new AbortController();
    const onHealth = (error: unknown): void => {
      if (error instanceof KubeError && error.code === 400) refused.abort();
      else this.#health(SERVICES.plural, error);
    };
    const selection = { ...NOT_FOREIGN, ...NOT_HEADLESS };
    const chosen = this.#follow(SERVICES, selection, project.service, onChanges, onHealth);
    await chosen.run(AbortSignal.any([signal, refused.signal]));
    if (signal.aborted) return;
    await this.#follow(SERVICES, NOT_FOREIGN, project.service, onChanges).run(signal);
  }

  #follow<P>(
    resource: Resource,
    selection: Selection,
    project: (object: ApiObject) => P | undefined,
    onChanges: (changes: Changes<P>) => void,
    onHealth: (error: unknown) => void = (error) => this.#health(resource.plural, error),
  ): Reflector<ApiObject, P> {
    const { client, clock } = this.#options;
    const reflector: Reflector<ApiObject, P> = new Reflector<ApiObject, P>({
      client,
      clock,
      resource,
      ...selection,
      project,
      // A list that is read again, and what of an object is of no concern here, change nothing.
      same: (a, b) => Bun.deepEquals(a, b),
      onChange: (changed) => {
        const changes = new Map<string, P | undefined>();
        for (const key of changed) changes.set(key, reflector.items.get(key));
        onChanges(changes);
      },
      onHealth,
    });
    return reflector;
  }

  #serviceCidrs(): Reflector<ApiObject, readonly Cidr[]> {
    const { client, clock, events, log } = this.#options;
    let told = false;
    const reflector: Reflector<ApiObject, readonly Cidr[]> = new Reflector<ApiObject, readonly Cidr[]>({
      client,
      clock,
      resource: SERVICE_CIDRS,
      project: networksOf,
      same: (a, b) => Bun.deepEquals(a, b),
      onChange: () => {
        told = true;
        events.serviceCidrs([...reflector.items.values()].flat());
      },
      // Clusters before 1.33 have none, and nothing but a courtesy depends on them.
      onHealth: (error) => {
        if (error !== undefined && !told && !isNotFound(error))
          log.warn('ServiceCIDRs cannot be read: packets to unused service addresses are not dropped', {
            error,
          });
        // Nobody waits for them.
        if (error !== undefined && !told) events.serviceCidrs([]);
        told ||= error !== undefined;
      },
    });
    return reflector;
  }

  #node(name: string): Reflector<ApiObject, NodeView> {
    const { client, clock, events } = this.#options;
    const reflector: Reflector<ApiObject, NodeView> = new Reflector<ApiObject, NodeView>({
      client,
      clock,
      resource: OWN_NODE,
      fieldSelector: `metadata.name=${name}`,
      project: nodeView,
      same: isSameNode,
      onChange: () => events.node(reflector.items.get(name)),
      onHealth: (error) => this.#health('nodes', error),
    });
    return reflector;
  }

  /** One answer for all that is followed. */
  #health(what: string, error: unknown): void {
    if (error === undefined) this.#troubles.delete(what);
    else this.#troubles.set(what, error);
    this.#options.events.health([...this.#troubles.values()][0]);
  }
}

/** networking.k8s.io/v1 ServiceCIDR. */
function networksOf(object: ApiObject): readonly Cidr[] {
  const { spec } = object as ApiObject & { readonly spec?: { readonly cidrs?: readonly string[] } };
  return (spec?.cidrs ?? []).flatMap((text) => {
    const network = parseCidr(text);
    return network ? [networkOf(network)] : [];
  });
}
