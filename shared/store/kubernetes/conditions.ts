/** The node condition by which the scheduler learns that pods have a network. Pure. */

import type { Node, NodeCondition } from '../../kube/types.ts';

/** As flanneld sets it (flannel 0.28, pkg/subnet/kube). */
const UP = {
  type: 'NetworkUnavailable',
  status: 'False',
  reason: 'FlannelIsUp',
  message: 'Flannel is running on this node',
} as const;

/** True if the condition is as it should be. */
export function saysNetworkIsUp(node: Node): boolean {
  const condition = node.status?.conditions?.find(({ type }) => type === UP.type);
  return condition?.status === UP.status && condition.reason === UP.reason;
}

/** A strategic merge patch of `nodes/status` that sets it. */
export function networkIsUpPatch(wallMs: number): {
  readonly status: { readonly conditions: NodeCondition[] };
} {
  // meta/v1 Time: RFC 3339 in whole seconds.
  const time = new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const { type, status, reason, message } = UP;
  return {
    status: {
      conditions: [{ type, status, lastHeartbeatTime: time, lastTransitionTime: time, reason, message }],
    },
  };
}
