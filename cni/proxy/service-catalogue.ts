/** Both families' models behind what the loop asks. */

import { type Cidr, formatCidr } from '../../shared/ip/cidr.ts';
import type { EndpointSlice, Service } from '../../shared/kube/types.ts';
import type { Catalogue, Dirty, ServiceExplanation } from './catalogue.ts';
import { localDetectorOf, type ProxyOptions } from './config/options.ts';
import type { ServicePorts } from './mode.ts';
import type { Endpoint, Family } from './model/endpoint.ts';
import { projectEndpointSlice, SERVING, type SliceInfo } from './model/endpoint-slice.ts';
import { explainPort } from './model/explain.ts';
import { projectService, type ServiceInfo } from './model/service.ts';
import { type NodePlace, ServiceModel } from './model/service-model.ts';
import type { ServicePort, ServicePortName, Treatment } from './model/service-port.ts';
import { SharedValues } from './model/shared-values.ts';
import type { Changes, NodeView, Projections } from './sources/source.ts';

const FAMILIES: readonly Family[] = [4, 6];

export class ServiceCatalogue implements Catalogue<ServiceInfo, SliceInfo> {
  readonly project: Projections<ServiceInfo, SliceInfo>;
  readonly #options: ProxyOptions;
  readonly #models: ReadonlyMap<Family, ServiceModel> = new Map(
    FAMILIES.map((family) => [family, new ServiceModel(family)]),
  );
  readonly #services = new Set<string>();
  /** What is wrong, by Service, of those with which something is. */
  readonly #problems = new Map<string, readonly string[]>();
  #place: NodePlace = { addresses: [] };
  #podCidrs: readonly Cidr[] = [];

  constructor(options: ProxyOptions) {
    this.#options = options;
    const shared = new SharedValues();
    this.project = {
      service: (object) => projectService(object as Service),
      slice: (object) => projectEndpointSlice(object as EndpointSlice, options.node, shared),
    };
  }

  services(changes: Changes<ServiceInfo>): void {
    for (const [key, service] of changes) {
      if (service) this.#services.add(key);
      else this.#services.delete(key);
      for (const model of this.#models.values()) model.setService(key, service);
    }
  }

  slices(changes: Changes<SliceInfo>): void {
    for (const [key, slice] of changes) for (const model of this.#models.values()) model.setSlice(key, slice);
  }

  node(node: NodeView | undefined): void {
    this.#podCidrs = node?.podCidrs ?? [];
    this.#place = {
      ...(node?.zone !== undefined && { zone: node.zone }),
      addresses: (node?.addresses ?? []).map(({ ip }) => ip),
    };
    for (const model of this.#models.values()) model.setNode(this.#place);
  }

  take(): Dirty {
    const ports = new Map<Family, ReadonlySet<ServicePortName>>();
    const services = new Set<string>();
    const triggered = new Map<Family, readonly number[]>();
    for (const [family, model] of this.#models) {
      const changes = model.take();
      ports.set(family, changes.ports);
      for (const service of changes.services) services.add(service);
      triggered.set(family, changes.triggered);
    }
    for (const service of services) this.#judge(service);
    return { ports, services, triggered };
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  ports(family: Family): ServicePorts {
    return this.#model(family);
  }

  serving(family: Family, name: ServicePortName): readonly Endpoint[] {
    const candidates = this.#model(family).candidates(name);
    return candidates.filter(({ flags }) => (flags & SERVING) !== 0).map(({ endpoint }) => endpoint);
  }

  /** Of both families together: a Service has one port for it. */
  healthCheck(service: string): { readonly port: number; readonly localEndpoints: number } | undefined {
    const checks = FAMILIES.flatMap((family) => this.#model(family).healthCheck(service) ?? []);
    const port = checks[0]?.port;
    if (port === undefined) return undefined;
    return { port, localEndpoints: Math.max(...checks.map(({ localEndpoints }) => localEndpoints)) };
  }

  noLocalEndpoints(family: Family): Readonly<Record<'internal' | 'external', number>> {
    const counts = { internal: 0, external: 0 };
    for (const { frontends, endpoints, localEndpoints } of this.#model(family)) {
      if (endpoints.length === 0 || localEndpoints.length > 0) continue;
      const isLocal = (inside: boolean): boolean =>
        frontends.some(({ kind, policy }) => policy === 'local' && (kind === 'cluster-ip') === inside);
      if (isLocal(true)) counts.internal += 1;
      if (isLocal(false)) counts.external += 1;
    }
    return counts;
  }

  problems(): readonly string[] {
    return [...this.#problems].flatMap(([service, problems]) =>
      problems.map((text) => `${service}: ${text}`),
    );
  }

  explain(service: string): ServiceExplanation | undefined {
    if (!this.#services.has(service)) return undefined;
    const { masqueradeAll, configuration } = this.#options;
    const settings = { ...(this.#place.zone !== undefined && { zone: this.#place.zone }), masqueradeAll };
    const ports = FAMILIES.flatMap((family) => {
      const model = this.#model(family);
      const detectsLocal = localDetectorOf(configuration, family, this.#podCidrs).by !== 'nothing';
      return portsOf(model, service).map((port) => {
        const explained = explainPort(port, model.candidates(port.name), { ...settings, detectsLocal });
        return {
          name: port.name,
          family,
          protocol: port.protocol,
          ...(port.affinity !== undefined && { affinity: port.affinity }),
          ...(port.sourceRanges && { sourceRanges: port.sourceRanges.map(formatCidr) }),
          frontends: explained.frontends.map(({ at, kind, treatment }) => ({
            at,
            kind,
            does: inWords(treatment),
          })),
          endpoints: explained.endpoints.map(
            ({ endpoint, here, node, zone, state, used, usedLocally, why }) => ({
              at: endpoint,
              local: here,
              ...(node !== undefined && { node }),
              ...(zone !== undefined && { zone }),
              state: usedLocally && !used ? `${state}, serves what stays on this node` : state,
              ...(why !== undefined && { leftOut: why }),
            }),
          ),
          problems: [],
        };
      });
    });
    const notes = [...(this.#problems.get(service) ?? [])];
    if (ports.length === 0) notes.push('it has no ports that are served here');
    return { ports, notes };
  }

  #model(family: Family): ServiceModel {
    const model = this.#models.get(family);
    if (!model) throw new Error(`no family ${family}`);
    return model;
  }

  #judge(service: string): void {
    const problems = new Set([...this.#models.values()].flatMap((model) => model.problems(service)));
    if (problems.size > 0) this.#problems.set(service, [...problems]);
    else this.#problems.delete(service);
  }
}

/** Asked by people only, so that no index is kept for it. */
function portsOf(model: ServiceModel, service: string): ServicePort[] {
  return [...model].filter((port) => port.service === service);
}

function inWords(treatment: Treatment): string {
  switch (treatment.to) {
    case 'cluster':
    case 'local': {
      const who = treatment.to === 'local' ? 'an endpoint on this node' : 'an endpoint';
      const source = {
        never: 'the source address stays',
        'from-outside': 'masqueraded if it comes from outside the pods',
        always: 'masqueraded',
      }[treatment.masquerade];
      return `to ${who}, ${source}`;
    }
    case 'by-source':
      return 'from pods to any endpoint, from this node to any endpoint masqueraded, from elsewhere to endpoints on this node';
    case 'reject':
      return 'rejected: there is no endpoint';
    case 'drop':
      return 'dropped: there is no endpoint on this node, and only those count';
    default:
      return treatment satisfies never;
  }
}
