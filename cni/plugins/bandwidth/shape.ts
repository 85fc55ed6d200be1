/** Holds a pod to its limits. Loaded only where there are some. */

import { formatMac } from '../../../shared/ip/mac.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { MIRRED, TC_ACT } from '../../../shared/netlink/codec/tc/action.ts';
import type { Filter } from '../../../shared/netlink/codec/tc/filter.ts';
import { ETH_P_ALL } from '../../../shared/netlink/codec/tc/filter.ts';
import type { Qdisc } from '../../../shared/netlink/codec/tc/qdisc.ts';
import { TC_H, tcHandle } from '../../../shared/netlink/codec/tc/tcmsg.ts';
import { EVERY_PACKET } from '../../../shared/netlink/codec/tc/u32.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { delLink, getLink, newLink, setLink } from '../../../shared/netlink/requests/link.ts';
import { delQdisc, newFilter, newQdisc } from '../../../shared/netlink/requests/tc.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import type { Interface } from '../../protocol/result.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { attachmentAlias } from '../common/attachment.ts';
import type { LinkView } from '../common/link-view.ts';
import { linkOf } from '../common/links.ts';
import type { Limit, Limits } from './config.ts';
import { ifbName } from './ifb-name.ts';
import { tokenBucket } from './token-bucket.ts';

/** Upstream's handles: of the token bucket, of the queueing discipline for what comes in, and the class named there. */
export const bucketHandle: number = tcHandle(1);
export const ingressHandle: number = tcHandle(0xffff);
const classId = tcHandle(1, 1);

/**
 * Limits what goes to the pod on the host's end of its veth pair, and what it sends on an ifb device, to which all that
 * comes in on the host's end is redirected: only what leaves an interface can be held back. Undoes what it did when it
 * fails.
 *
 * @returns the ifb device, undefined without a limit of what the pod sends
 * @throws CniError code 7 when there is a queueing discipline or an ifb device already
 */
export function shape(
  host: NetlinkSocket,
  key: AttachmentKey,
  veth: LinkView,
  { ingress, egress }: Limits,
): Interface | undefined {
  const undo: NetlinkRequest[] = [];
  try {
    const steps: Step[] = [];
    if (ingress) steps.push(addQdisc(bucketOf(veth.index, ingress)));
    const ifb = egress && addIfb(host, key, veth, undo);
    if (ifb && egress) {
      // The device's own bucket is there before packets are; the filter goes with what it hangs at.
      steps.push(
        addQdisc(bucketOf(ifb.index, egress)),
        addQdisc({
          index: veth.index,
          handle: ingressHandle,
          parent: TC_H.INGRESS,
          options: { kind: 'ingress' },
        }),
        { request: newFilter(redirect(veth, ifb)) },
      );
    }
    runAll(host, key, veth, steps, undo);
    return ifb && { name: ifb.name, ...(ifb.mac === undefined ? {} : { mac: formatMac(ifb.mac) }) };
  } catch (error) {
    host.transact(undo.reverse());
    throw error;
  }
}

/** A change and what undoes it. */
interface Step {
  readonly request: NetlinkRequest;
  readonly undo?: NetlinkRequest;
}

function addQdisc(qdisc: Qdisc): Step {
  return { request: newQdisc(qdisc), undo: delQdisc(qdisc) };
}

/** @param undo gets what undoes each step that was done */
function runAll(
  host: NetlinkSocket,
  key: AttachmentKey,
  veth: LinkView,
  steps: readonly Step[],
  undo: NetlinkRequest[],
): void {
  const requests: NetlinkRequest[] = [];
  for (const { request } of steps) requests.push(request);
  const outcomes = host.transact(requests);
  let failure: Error | undefined;
  for (let index = 0; index < outcomes.length; index++) {
    const error = outcomes[index]?.error;
    const step = steps[index]?.undo;
    if (error) failure ??= error;
    else if (step) undo.push(step);
  }
  if (failure === undefined) return;
  if (!isNetlinkError(failure, 'EEXIST')) throw failure;
  throw invalidConfig(
    `${veth.name} has a queueing discipline already: is ${key.ifname} being limited twice?`,
    {
      details: `see "tc qdisc show dev ${veth.name}"; remove it, or the second bandwidth plugin of the chain`,
      cause: failure,
    },
  );
}

/** Makes the device with its alias in one send, so that a kill leaves a device that GC knows, or none. */
function addIfb(host: NetlinkSocket, key: AttachmentKey, veth: LinkView, undo: NetlinkRequest[]): LinkView {
  const name = ifbName(key.network, key.containerId);
  const [made, changed, read] = host.transact([
    // No queue of its own: upstream's has none either.
    newLink({ name, mtu: veth.mtu, txQueueLength: 0, flags: IFF.UP, kind: { kind: 'other', name: 'ifb' } }),
    setLink({ name, alias: attachmentAlias(key) }),
    getLink({ name }),
  ]);
  if (made?.error) throw isNetlinkError(made.error, 'EEXIST') ? ifbExists(key, name, made.error) : made.error;
  undo.push(delLink({ name }));
  if (changed?.error) throw changed.error;
  const link = read && linkOf(read);
  if (link) return link;
  throw internalError(`link ${name} vanished while it was being set up`);
}

function ifbExists(key: AttachmentKey, name: string, cause: unknown): Error {
  return invalidConfig(`${name} exists already: an interface of container ${key.containerId} is limited`, {
    details: 'call DEL before the next ADD; of several interfaces in one network only one can be limited',
    cause,
  });
}

function bucketOf(index: number, limit: Limit): Qdisc {
  return { index, handle: bucketHandle, parent: TC_H.ROOT, options: tokenBucket(limit, process.arch) };
}

function redirect(from: LinkView, to: LinkView): Filter {
  return {
    index: from.index,
    handle: 0,
    parent: ingressHandle,
    priority: 1,
    protocol: ETH_P_ALL,
    options: {
      kind: 'u32',
      classId,
      actions: [{ kind: 'mirred', target: to.index, way: MIRRED.EGRESS_REDIRECT, verdict: TC_ACT.STOLEN }],
      selector: EVERY_PACKET,
    },
  };
}
