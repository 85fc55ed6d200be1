/** The agent's HTTP: health and metrics on TCP, the same and its status on a unix socket. */

import { serveSocket, serveTcp, text } from '../../../shared/daemon/http.ts';
import type { Metrics } from '../../../shared/metrics/metrics.ts';
import { METRICS_CONTENT_TYPE } from '../../../shared/metrics/metrics.ts';
import type { Endpoint } from '../options.ts';
import type { AgentStatus } from '../status.ts';

/** Whom HTTP tells of: the agent, or what stands for it until there is one. */
export interface Served {
  readonly ready: boolean;
  /** Why it is not ready, or what is failing. */
  readonly problems: readonly string[];
  readonly metrics: { readonly registry: Metrics };
  /** `undefined` while there is no agent yet. */
  status(): AgentStatus | undefined;
}

/** Asked at every request: whom it is about changes when the datastore is open. */
export type WhoIsServed = () => Served;

/** Serves /healthz, /readyz and, unless `healthOnly`, /metrics. @throws Error when the port is taken */
export function serveAgentTcp(
  served: WhoIsServed,
  { address, port }: Endpoint,
  healthOnly: boolean,
): Disposable {
  return serveTcp(address, port, (request) => answer(served(), request, healthOnly ? 'health' : 'all'));
}

/** Serves everything, /v1/status included, on a socket for root only. */
export function serveAgentSocket(served: WhoIsServed, directory: string): Disposable {
  return serveSocket(directory, 'agent.sock', (request) => answer(served(), request, 'status'));
}

async function answer(
  served: Served,
  request: Request,
  scope: 'health' | 'all' | 'status',
): Promise<Response> {
  const { pathname } = new URL(request.url);
  const problems = (): Response => text(503, `${served.problems.join('\n')}\n`);
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET\n');
  if (pathname === '/healthz') return text(200, 'ok\n');
  if (pathname === '/readyz') return served.ready ? text(200, 'ok\n') : problems();
  if (pathname === '/metrics' && scope !== 'health') {
    return new Response(await served.metrics.registry.expose(), {
      headers: { 'content-type': METRICS_CONTENT_TYPE },
    });
  }
  if (pathname === '/v1/status' && scope === 'status') {
    const status = served.status();
    return status ? Response.json(status) : problems();
  }
  return text(404, 'there are /healthz, /readyz and /metrics; on the unix socket also /v1/status\n');
}
