/** `underpod status service/NAME`: what the service proxy says of one Service. */

import { writeSync } from 'node:fs';
import type { ServiceStatus } from '../../cni/proxy/status.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { connectionProblem } from '../../shared/net/connection-problem.ts';
import { formatService } from './format-proxy.ts';

/** The kernel may have to be asked for hundreds of endpoints. */
const TIMEOUT = 10_000;

/** `service/web`, `svc/web`: `default/web`. @throws UsageError */
export function serviceOf(argument: string, namespace: string): string {
  const name = /^(?:service|services|svc)\/([^/]+)$/.exec(argument)?.[1];
  if (name === undefined)
    throw new UsageError(`unexpected argument "${argument}": write service/NAME or volumes`);
  return `${namespace}/${name}`;
}

/** Exit code 0 when it is served as the source says, 1 otherwise. */
export async function showService(socket: string, service: string, json: boolean): Promise<number> {
  const fail = (text: string): number => {
    writeSync(2, `underpod status: ${text}\n`);
    return 1;
  };
  let response: Response;
  try {
    const path = service.split('/').map(encodeURIComponent).join('/');
    response = await fetch(`http://localhost/v1/services/${path}`, {
      unix: socket,
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch (error) {
    return fail(
      `the proxy does not answer (${connectionProblem(error)}): is "underpod proxy" running on this node?`,
    );
  }
  if (!response.ok) return fail((await response.text()).trim() || `HTTP ${response.status}`);
  const status = (await response.json()) as ServiceStatus;
  writeSync(1, json ? `${JSON.stringify(status, undefined, 2)}\n` : formatService(status));
  return status.ports.some(({ problems }) => problems.length > 0) ? 1 : 0;
}
