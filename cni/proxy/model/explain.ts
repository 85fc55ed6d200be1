/** Why traffic to a Service goes where it goes, for `status`. Pure. */

import { chooseEndpoints, type Topology } from './choose-endpoints.ts';
import { formatAddress, formatEndpoint } from './endpoint.ts';
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
  /** Served by any frontend whose policy is Cluster; by those whose policy is Local. */
  readonly used: boolean;
  readonly usedLocally: boolean;
  /** Where it is not used: why. */
  readonly why?: string;
}

export function explainPort(
  port: ServicePort,
  candidates: readonly Candidate[],
  {
    zone,
    ...settings
  }: { readonly zone?: string; readonly masqueradeAll: boolean; readonly detectsLocal: boolean },
): PortExplained {
  const { endpoints, localEndpoints, topology } = chooseEndpoints({
    endpoints: candidates.map(({ endpoint }) => endpoint),
    flags: candidates.map(({ flags }) => flags),
  });
  const [used, locally] = [new Set(endpoints), new Set(localEndpoints)];
  return {
    name: port.name,
    protocol: port.protocol,
    frontends: port.frontends.map((frontend) => ({
      kind: frontend.kind,
      at: whereIs(frontend),
      treatment: treatmentOf(port, frontend, settings),
    })),
    endpoints: candidates.map((candidate) => {
      const { endpoint, flags, place } = candidate;
      const isUsed = used.has(endpoint);
      return {
        endpoint: formatEndpoint(endpoint),
        here: (flags & LOCAL) !== 0,
        ...place,
        state: stateOf(flags),
        used: isUsed,
        usedLocally: locally.has(endpoint),
        ...(!isUsed && { why: whyNot(candidate, topology, zone, endpoints.length > 0) }),
      };
    }),
  };
}

function whereIs({ address, port }: Frontend): string {
  if (address === undefined) return `*:${port}`;
  const text = formatAddress(address);
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
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
    return othersServe ? 'ending: it would serve if no other were ready' : 'ending';
  }
  if (topology === 'node' && !(flags & FOR_THIS_NODE))
    return flags & FOR_NODES ? 'its hints name other nodes' : 'it has no hint of a node';
  if (topology === 'zone') return `its hints name ${zones.join(', ')}, this node is in ${zone}`;
  return 'not chosen';
}
