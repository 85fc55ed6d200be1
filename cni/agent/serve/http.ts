/** The agent's HTTP: health and metrics on TCP, the same and its status on a unix socket. */

import { existsSync } from 'node:fs';
import { METRICS_CONTENT_TYPE } from '../../../shared/metrics/metrics.ts';
import { chmod, mkdirp, unlinkIfExists } from '../../../shared/sys/file.ts';
import type { Agent } from '../agent.ts';
import type { Endpoint } from '../options.ts';

/** Serves /healthz, /readyz and, unless `healthOnly`, /metrics. @throws Error when the port is taken */
export function serveTcp(agent: Agent, { address, port }: Endpoint, healthOnly: boolean): Disposable {
  try {
    const server = Bun.serve({
      hostname: address,
      port,
      fetch: (request) => answer(agent, request, healthOnly ? 'health' : 'all'),
    });
    return { [Symbol.dispose]: () => void server.stop(true) };
  } catch (error) {
    throw new Error(`cannot serve HTTP on ${address}:${port}`, { cause: error });
  }
}

/**
 * Serves everything, /v1/status included, on a socket for root only.
 *
 * @param directory made with mode 0700 where it is missing
 */
export function serveSocket(agent: Agent, directory: string): Disposable {
  mkdirp(directory, 0o700);
  const path = `${directory}/agent.sock`;
  // One that a killed agent left makes binding fail.
  unlinkIfExists(path);
  const server = Bun.serve({ unix: path, fetch: (request) => answer(agent, request, 'status') });
  chmod(path, 0o600);
  return {
    [Symbol.dispose]() {
      void server.stop(true);
      if (existsSync(path)) unlinkIfExists(path);
    },
  };
}

async function answer(agent: Agent, request: Request, scope: 'health' | 'all' | 'status'): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET\n');
  if (pathname === '/healthz') return text(200, 'ok\n');
  if (pathname === '/readyz')
    return agent.ready ? text(200, 'ok\n') : text(503, `${agent.status().problems.join('\n')}\n`);
  if (pathname === '/metrics' && scope !== 'health') {
    return new Response(await agent.metrics.registry.expose(), {
      headers: { 'content-type': METRICS_CONTENT_TYPE },
    });
  }
  if (pathname === '/v1/status' && scope === 'status') return Response.json(agent.status());
  return text(404, 'there are /healthz, /readyz and /metrics; on the unix socket also /v1/status\n');
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
