import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { MIRRED } from '../../../shared/netlink/codec/tc/action.ts';
import { decodeFilter } from '../../../shared/netlink/codec/tc/filter.ts';
import { decodeQdisc } from '../../../shared/netlink/codec/tc/qdisc.ts';
import { TC_H } from '../../../shared/netlink/codec/tc/tcmsg.ts';
import { dumpFilters, dumpQdiscs } from '../../../shared/netlink/requests/tc.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import type { Limit } from './config.ts';
import { readLimits } from './config.ts';
import { findHostInterface } from './host-interface.ts';
import { ifbName } from './ifb-name.ts';
import { ingressHandle } from './shape.ts';
import { isTokenBucket } from './token-bucket.ts';

/** CHECK: each limit is in the kernel as configured, and what the pod sends takes its way by the ifb device. */
export function checkBandwidth({ conf, env }: CheckRequest): void {
  const limits = readLimits(conf);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  if (!limits) return;
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const veth = findHostInterface(host, env, prevResult);
  if (limits.ingress) checkBucket(host, veth, limits.ingress, 'receives');
  if (!limits.egress) return;
  const name = ifbName(conf.name, env.containerId);
  const ifb = readLink(host, { name });
  if (ifb?.kind !== 'ifb') throw checkFailed(`the ifb device ${name} is missing`);
  checkBucket(host, ifb, limits.egress, 'sends');
  checkRedirect(host, veth, ifb);
}

function checkBucket(host: NetlinkSocket, link: LinkView, limit: Limit, verb: string): void {
  for (const { payload } of host.dump(dumpQdiscs(link.index))) {
    const { index, parent, options } = decodeQdisc(payload);
    if (index !== link.index || parent !== TC_H.ROOT) continue;
    if (options.kind === 'tbf' && isTokenBucket(options, limit)) return;
    const seen = options.kind === 'other' ? options.name : options.kind;
    throw checkFailed(
      `${link.name} has a qdisc "${seen}" that does not limit what the pod ${verb} to ${limit.rate} bit/s`,
    );
  }
  throw checkFailed(`${link.name} has no qdisc that limits what the pod ${verb}`);
}

function checkRedirect(host: NetlinkSocket, veth: LinkView, ifb: LinkView): void {
  const filters = host.dump(dumpFilters({ index: veth.index, parent: ingressHandle }));
  for (const { payload } of filters) {
    const { options } = decodeFilter(payload);
    if (options.kind !== 'u32') continue;
    for (const action of options.actions ?? []) {
      if (action.kind === 'mirred' && action.target === ifb.index && action.way === MIRRED.EGRESS_REDIRECT)
        return;
    }
  }
  throw checkFailed(`what the pod sends does not go by ${ifb.name}: ${veth.name} has no filter to it`);
}
