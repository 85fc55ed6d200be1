import type { Cidr } from '../../../shared/ip/cidr.ts';
import { formatCidr, includesCidr } from '../../../shared/ip/cidr.ts';
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
import { hasVlans } from './config.ts';
import { type AddressPlan, findConflicts, findStale } from './gateways.ts';

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
    // Set before it is up, and not only by the call that made it, which may have been killed in between.
    if ((link.flags & IFF.UP) === 0) setIpv6Parameters(link.name, config);
    host.request(setLink({ index: link.index, flags: wanted }));
  }
  return link;
}

/**
 * What the host's side of the pods' network needs before it is up.
 *
 * While its own fe80 address is tentative, a second or two after the first port, the kernel asks for no neighbour on
 * behalf of a packet that it forwards: whoever calls a pod that has not spoken yet would hear nothing. That is what the
 * plugin of containernetworking/plugins leaves as it is.
 */
export function setIpv6Parameters(name: string, { enableDad }: Pick<BridgeConfig, 'enableDad'>): void {
  // Router advertisements must not give it routes: those of this interface are ours.
  trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
  if (!enableDad) trySysctl(`net/ipv6/conf/${name}/accept_dad`, '0');
}

function createBridge(host: NetlinkSocket, config: BridgeConfig): LinkView {
  const { bridge: name, mtu } = config;
  const [outcome] = host.transact([
    newLink({
      name,
      ...(mtu === 0 ? {} : { mtu }),
      kind: hasVlans(config) ? { kind: 'bridge', vlanFiltering: true } : { kind: 'bridge' },
    }),
  ]);
  if (hasVlans(config) && isNetlinkError(outcome?.error, 'EOPNOTSUPP')) {
    throw invalidConfig('the kernel has no VLANs on bridges: remove "vlan" and "vlanTrunk"', {
      details: 'or boot one that is built with CONFIG_BRIDGE_VLAN_FILTERING',
      cause: outcome?.error,
    });
  }
  // Another pod's ADD may have been faster.
  if (outcome?.error && !isNetlinkError(outcome.error, 'EEXIST')) throw outcome.error;
  const link = readLink(host, { name });
  if (link) return link;
  throw internalError(`bridge ${name} vanished while it was being set up`);
}

/**
 * Gives the bridge, or the interface that it has in the VLAN, the gateways' addresses. With `forceAddress` those that
 * conflict are removed, and those of a subnet that the node had before.
 *
 * What is to change is one send, which the kernel works off before a signal can end the process: whoever finds the
 * gateways there also finds that nothing conflicts with them and that the bridge keeps its MAC address.
 */
export async function ensureBridgeAddresses(
  host: NetlinkSocket,
  link: LinkView,
  plan: Pick<AddressPlan, 'gateways' | 'routes'>,
  config: BridgeConfig,
): Promise<void> {
  const { index, name } = link;
  const { gateways } = plan;
  const present: Cidr[] = [];
  for (const { address } of readAddresses(host, { index })) present.push(address);
  const missing = withoutThose(gateways, present);
  if (missing.length === 0) return;
  (await import('./overlap.ts')).refuseOverlap(host, link, missing);
  const conflicts = findConflicts(present, gateways, missing);
  if (conflicts.length > 0 && !config.forceAddress) throw conflictError(name, conflicts, missing);
  const others = withoutThose(config.forceAddress ? findStale(present, plan) : [], conflicts);
  const removed = [...conflicts, ...others];
  const requests: NetlinkRequest[] = removed.map((address) => delAddress({ index, address }));
  // A MAC that was set stays. Otherwise the bridge takes the lowest of its ports', and pods lose their neighbour. It is
  // read now that the pod's port is there: a bridge that has lost its last one has zeros only.
  const mac = readLink(host, { index })?.mac;
  if (mac !== undefined) requests.push(setLink({ index, mac }));
  for (const address of missing) {
    // A new interface starts with conf/default, and the kernel asks its own switch, not only the one of all.
    trySysctl(`net/ipv${address.ip.family}/conf/${name}/forwarding`, '1');
    requests.push(
      newAddress({ index, address, flags: gatewayFlags(address, config), ...broadcastOf(address) }),
    );
  }
  // Another pod's ADD, on the same way, may have been faster.
  host.transact(requests).forEach(({ error }, at) => {
    if (error && !isNetlinkError(error, at < removed.length ? 'EADDRNOTAVAIL' : 'EEXIST')) throw error;
  });
}

function withoutThose(wanted: readonly Cidr[], present: readonly Cidr[]): readonly Cidr[] {
  const missing: Cidr[] = [];
  for (const one of wanted) if (!includesCidr(present, one)) missing.push(one);
  return missing;
}

function conflictError(link: string, present: readonly Cidr[], wanted: readonly Cidr[]): Error {
  const names = `${present.map(formatCidr).join(', ')}, which ${wanted.map(formatCidr).join(', ')}`;
  return invalidConfig(`${link} has the address ${names} conflicts with`, {
    details: 'remove it, set "forceAddress": true to have it replaced, or use another bridge',
  });
}

/**
 * Without enabledad the gateway answers at once. Duplicate address detection would keep it silent for the first
 * second or two of the node's first pod.
 */
function gatewayFlags(address: Cidr, config: BridgeConfig): number {
  return address.ip.family === 6 && !config.enableDad ? IFA_F.NODAD : 0;
}
