/** What the proxy answers: kube-proxy's paths on its two ports, its status on a unix socket. */

import { text } from '../../../shared/daemon/http.ts';
import { METRICS_CONTENT_TYPE } from '../../../shared/metrics/metrics.ts';
import { toVersioned } from '../config/configuration.ts';
import type { HealthAnswer } from '../health/proxy-health.ts';
import { proxyStatus, serviceStatus } from '../report.ts';
import type { ServiceProxy } from '../service-proxy.ts';

/** The port of load balancers and probes. */
export function answerHealth(proxy: ServiceProxy, request: Request): Response {
  const { pathname } = new URL(request.url);
  if (pathname === '/healthz') return health(proxy.health.healthz(), (code) => proxy.metrics.healthz(code));
  if (pathname === '/livez') return health(proxy.health.livez(), (code) => proxy.metrics.livez(code));
  return text(404, 'there are /healthz and /livez\n');
}

/** The port of metrics, whose /healthz says only that somebody answers, as in kube-proxy. */
export async function answerMetrics(proxy: ServiceProxy, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case '/healthz':
      return text(200, 'ok');
    case '/proxyMode':
      return text(200, proxy.parts.options.mode);
    case '/configz':
      return Response.json({ 'kubeproxy.config.k8s.io': toVersioned(proxy.parts.options.configuration) });
    case '/metrics':
      return new Response(await proxy.metrics.expose(), {
        headers: { 'content-type': METRICS_CONTENT_TYPE },
      });
    default:
      return text(404, 'there are /metrics, /proxyMode, /configz and /healthz\n');
  }
}

/** Everything, for root. */
export async function answerSocket(proxy: ServiceProxy, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/v1/status') return Response.json(proxyStatus(proxy));
  const service = /^\/v1\/services\/([^/]+\/[^/]+)$/.exec(pathname)?.[1];
  if (service !== undefined) {
    const status = await serviceStatus(proxy, decodeURIComponent(service));
    return status ? Response.json(status) : text(404, `there is no service ${service}\n`);
  }
  if (pathname === '/livez') return answerHealth(proxy, request);
  if (pathname === '/healthz') return answerHealth(proxy, request);
  return answerMetrics(proxy, request);
}

function health({ isHealthy, body }: HealthAnswer, count: (code: number) => void): Response {
  const status = isHealthy ? 200 : 503;
  count(status);
  return new Response(body, {
    status,
    headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' },
  });
}
