import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';

const undoFailed = 'ADD failed, and so did undoing it: DEL will try again';

/** A change of the kernel and what takes it back. */
export interface Step {
  readonly request: NetlinkRequest;
  readonly undo: NetlinkRequest;
  /** For a route by a configured gateway: what is wrong when the kernel finds no way to that. */
  readonly unreachable?: string;
}

/**
 * Makes all changes in one send. The kernel goes on after one that it refuses, so that then all others are taken back,
 * the last one first.
 *
 * @throws the first refusal: CniError code 7 where a gateway cannot be reached, else NetlinkError
 */
export function carryOut(pod: NetlinkSocket, steps: readonly Step[]): void {
  const requests: NetlinkRequest[] = [];
  for (const { request } of steps) requests.push(request);
  let refusal: Error | undefined;
  const undo: NetlinkRequest[] = [];
  const outcomes = pod.transact(requests);
  for (let at = steps.length - 1; at >= 0; at--) {
    const step = steps[at] as Step;
    const error = outcomes[at]?.error;
    if (error === undefined) undo.push(step.undo);
    else refusal = describe(step, error);
  }
  if (refusal === undefined) return;
  for (const { error } of pod.transact(undo)) {
    if (error) throw new AggregateError([refusal, error], undoFailed);
  }
  throw refusal;
}

function describe({ unreachable }: Step, cause: Error): Error {
  // fib_check_nh and ip6_route_check_nh have these for gateways of no connected network.
  if (unreachable === undefined || !isNetlinkError(cause, 'ENETUNREACH', 'EHOSTUNREACH', 'EINVAL'))
    return cause;
  return invalidConfig(unreachable, { details: cause.message, cause });
}
