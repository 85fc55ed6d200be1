/** Why traffic to a Service goes where it goes, for `status`. Pure. */

import { chooseEndpoints, type Topology } from './choose-endpoints.ts';
import { endpointOf, formatEndpoint } from './endpoint.ts';
import { FOR_NODES, FOR_THIS_NODE, LOCAL, READY, SERVING, TERMINATING } from './endpoint-slice.ts';
import type { Candidate } from './merge-endpoints.ts';
import { type Frontend, type ServicePort, type Treatment, treatmentOf } from './service-port.ts';

export interface PortExplained {
  readonly name: string;
  readonly protocol: string;
  readonly frontends: readonly FrontendExplained[];
  readonly endpoints: readonly EndpointExplained[];
}

export interface FrontendExplained {
  readonly kind: Frontend['kind'];
  /** `10.96.0.1:80`; of a node port `*:30080`. */
  readonly at: string;
  readonly treatment: Treatment;
}

export interface EndpointExplained {
  /** `10.244.0.2:80` */
  readonly endpoint: string;
  readonly here: boolean;
  /** As its slice says. */
  readonly node?: string;
  readonly zone?: string;
  /** `ready`, `ending`, … */
  readonly state: string;
  /** Some frontend leads to it from everywhere; some leads to it what has to stay on this node. */
  readonly used: boolean;
  readonly usedLocally: boolean;
  /** Where neither is so: why. */
  readonly why?: string;
}

/** What else an explanation takes. */
export interface Circumstances {
  /** This node's. */
  readonly zone?: string;
  readonly masqueradeAll: boolean;
  readonly detectsLocal: boolean;
}

export function explainPort(
  port: ServicePort,
  candidates: readonly Candidate[],
  circumstances: Circumstances,
): PortExplained {
  const frontends = port.frontends.map((frontend) => ({
    kind: frontend.kind,
    at: formatFrontend(frontend),
    treatment: treatmentOf(port, frontend, circumstances),
  }));
  const leadsTo = (...ways: readonly Treatment['to'][]): boolean =>
    frontends.some(({ treatment }) => ways.includes(treatment.to));
  const { endpoints, localEndpoints, topology } = chooseEndpoints({
    endpoints: candidates.map(({ endpoint }) => endpoint),
    flags: candidates.map(({ flags }) => flags),
  });
  const anywhere = new Set(leadsTo('cluster', 'by-source') ? endpoints : []);
  const here = new Set(leadsTo('local', 'by-source') ? localEndpoints : []);
  const chosen = new Set(endpoints);
  return {
    name: port.name,
    protocol: port.protocol,
    frontends,
    endpoints: candidates.map((candidate) => {
      const { endpoint, flags, place } = candidate;
      const [used, usedLocally] = [anywhere.has(endpoint), here.has(endpoint)];
      const why = (): string =>
        frontends.length === 0
          ? 'nothing leads here: all frontends are served for others'
          : chosen.has(endpoint)
            ? 'on another node, and only what is on this one counts'
            : whyNot(candidate, topology, circumstances.zone, endpoints.length > 0);
      return {
        endpoint: formatEndpoint(endpoint),
        here: (flags & LOCAL) !== 0,
        ...place,
        state: stateOf(flags),
        used,
        usedLocally,
        ...(!used && !usedLocally && { why: why() }),
      };
    }),
  };
}

/** For people: `10.96.0.1:80`, `[fd00::1]:80`, `*:30080`. */
export function formatFrontend({ address, port }: Frontend): string {
  return address === undefined ? `*:${port}` : formatEndpoint(endpointOf(address, port));
}

function stateOf(flags: number): string {
  if (flags & TERMINATING) return flags & SERVING ? 'ending, serves until then' : 'ending';
  return flags & READY ? 'ready' : 'not ready';
}

function whyNot(
  { flags, zones }: Candidate,
  topology: Topology,
  zone: string | undefined,
  othersServe: boolean,
): string {
  if (!(flags & READY)) {
    if (!(flags & TERMINATING)) return 'not ready';
    if (!(flags & SERVING)) return 'ending, and does not serve any more';
    return othersServe ? 'ending: it serves new connections only if no other is ready' : 'ending';
  }
  if (topology === 'node' && !(flags & FOR_THIS_NODE))
    return flags & FOR_NODES ? 'its hints name other nodes' : 'it has no hint of a node';
  if (topology === 'zone') return `its hints name ${zones.join(', ')}, this node is in ${zone}`;
  return 'not chosen';
}
