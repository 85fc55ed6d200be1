/** The driver's HTTP: health and metrics on TCP; on a socket for root its status as well, and what its commands ask for. */

import { type Answer, text } from '../../shared/daemon/http.ts';
import { isRpcError } from '../../shared/grpc/error.ts';
import { METRICS_CONTENT_TYPE } from '../../shared/metrics/metrics.ts';
import type { DriverMetrics } from '../driver/metrics.ts';
import { type TakeOver, takeOver } from './adopt/take-over.ts';
import type { LocalParts } from './parts.ts';
import type { VolumesStatus } from './status.ts';

export interface HttpParts {
  readonly parts: LocalParts;
  readonly metrics: DriverMetrics;
  readonly status: () => Promise<VolumesStatus>;
}

export function localHttp({ parts, metrics, status }: HttpParts): {
  readonly tcp: Answer;
  readonly socket: Answer;
} {
  const tcp = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === '/healthz' || pathname === '/readyz') return text(200, 'ok\n');
    if (pathname === '/metrics')
      return new Response(await metrics.expose(), { headers: { 'content-type': METRICS_CONTENT_TYPE } });
    return text(404, 'there are /healthz, /readyz and /metrics\n');
  };
  const socket = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === '/v1/status') return Response.json(await status());
    if (pathname === '/v1/adopt' && request.method === 'POST') return adopt(parts, await request.json());
    return tcp(request);
  };
  return { tcp, socket };
}

/** 409: something is in the way, and nothing was changed; 500: it is to be asked for again. */
function adopt(parts: LocalParts, body: unknown): Response {
  const { id, path, size, pool, claim } = (body ?? {}) as Partial<TakeOver>;
  if (typeof id !== 'string' || typeof path !== 'string' || !Number.isSafeInteger(size))
    return text(409, 'id, path and size are needed\n');
  try {
    const data = takeOver(parts, {
      id,
      path,
      size: Number(size),
      ...(typeof pool === 'string' && { pool }),
      ...(typeof claim === 'string' && { claim }),
    });
    parts.log.info('a volume was taken over', { volume: id, from: path });
    return Response.json({ data });
  } catch (error) {
    if (isRpcError(error)) return text(409, `${error.details}\n`);
    throw error;
  }
}
