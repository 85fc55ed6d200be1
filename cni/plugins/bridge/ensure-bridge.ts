import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { IFA_F } from '../../../shared/netlink/codec/address.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { delAddress, newAddress } from '../../../shared/netlink/requests/address.ts';
import { newLink, setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import { broadcastOf } from '../common/broadcast.ts';
import type { LinkView } from '../common/link-view.ts';
import { readAddresses, readLink } from '../common/links.ts';
import { trySysctl } from '../common/try-sysctl.ts';
import type { BridgeConfig } from './config.ts';
import { findConflicts } from './gateways.ts';

/**
 * The bridge, made if it is missing, up, and promiscuous if so configured. An existing one keeps its MTU.
 *
 * @param present the link that has its name, if any
 */
export function ensureBridge(
  host: NetlinkSocket,
  config: BridgeConfig,
  present: LinkView | undefined,
): LinkView {
  const link = present ?? createBridge(host, config);
  if (link.kind !== 'bridge') {
    throw invalidConfig(`${config.bridge} exists but is no bridge: set "bridge" to another name`);
  }
  const wanted = IFF.UP | (config.promiscMode ? IFF.PROMISC : 0);
  if ((link.flags & wanted) !== wanted) {
    host.request(setLink({ index: link.index, flags: wanted }));
  }
  return link;
}

function createBridge(host: NetlinkSocket, config: BridgeConfig): LinkView {
  const { bridge: name, mtu } = config;
  const [outcome] = host.transact([
    newLink({ name, ...(mtu === 0 ? {} : { mtu }), kind: { kind: 'bridge' } }),
  ]);
  // Another pod's ADD may have been faster.
  if (outcome?.error && !isNetlinkError(outcome.error, 'EEXIST')) throw outcome.error;
  // Router advertisements must not give the bridge routes: those of this interface are ours.
  trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
  const link = readLink(host, { name });
  if (link) return link;
  throw internalError(`bridge ${name} vanished while it was being set up`);
}

/**
 * Gives the bridge the gateways' addresses. With `forceAddress` those that conflict are removed.
 *
 * The addresses are added first and looked at only if one was new, which is so for the node's first pod: the kernel's
 * EEXIST is a cheaper answer than the list of addresses.
 */
export function ensureBridgeAddresses(
  host: NetlinkSocket,
  bridge: LinkView,
  gateways: readonly Cidr[],
  config: BridgeConfig,
): void {
  const { index } = bridge;
  const requests: NetlinkRequest[] = [];
  for (const address of gateways) {
    requests.push(
      newAddress({ index, address, flags: gatewayFlags(address, config), ...broadcastOf(address) }),
    );
  }
  const added: Cidr[] = [];
  let at = 0;
  for (const { error } of host.transact(requests)) {
    const gateway = gateways[at++];
    if (error === undefined && gateway) added.push(gateway);
    else if (error && error.code !== 'EEXIST') throw error;
  }
  if (added.length > 0) settleAddresses(host, bridge, gateways, added, config);
}

/** Sees to what the bridge had before it got new addresses. */
function settleAddresses(
  host: NetlinkSocket,
  { index, mac }: LinkView,
  gateways: readonly Cidr[],
  added: readonly Cidr[],
  config: BridgeConfig,
): void {
  const present = readAddresses(host, { index }).map(({ address }) => address);
  const [conflict, ...more] = findConflicts(present, gateways, added);
  if (conflict && !config.forceAddress) {
    host.transact(added.map((address) => delAddress({ index, address })));
    const names = `${formatCidr(conflict)}, which ${added.map(formatCidr).join(', ')}`;
    throw invalidConfig(`${config.bridge} has the address ${names} conflicts with`, {
      details: 'remove it, set "forceAddress": true to have it replaced, or use another bridge',
    });
  }
  const outcomes = host.transact([
    ...(conflict ? [conflict, ...more] : []).map((address) => delAddress({ index, address })),
    // A MAC that was set stays. Otherwise the bridge takes the lowest of its ports', and pods lose their neighbour.
    ...(mac === undefined ? [] : [setLink({ index, mac })]),
  ]);
  // Another pod's ADD, on the same way, may have been faster.
  for (const { error } of outcomes) if (error && error.code !== 'EADDRNOTAVAIL') throw error;
}

/**
 * Without enabledad the gateway answers at once. Duplicate address detection would keep it silent for the first
 * second or two of the node's first pod.
 */
function gatewayFlags(address: Cidr, config: BridgeConfig): number {
  return address.ip.family === 6 && !config.enableDad ? IFA_F.NODAD : 0;
}
