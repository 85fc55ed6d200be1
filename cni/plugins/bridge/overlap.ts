import type { Cidr } from '../../../shared/ip/cidr.ts';
import { cidrEquals, contains, formatCidr, networkOf } from '../../../shared/ip/cidr.ts';
import { familyBits } from '../../../shared/ip/ip.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { dumpAddresses } from '../../../shared/netlink/requests/address.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import { viewAddress } from '../common/address-view.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';

/**
 * Refuses gateways in whose subnet the node itself is, by another interface: the bridge's route would draw the node's
 * own traffic to it, and the node might be lost to its network.
 *
 * Looked at once, before the bridge gets its address. Not minded are single addresses (/32, /128: tunnels such as
 * flannel.1 and service addresses have them), interfaces that are down or in a VRF, which routes for itself, networks
 * that are larger and have the node's address elsewhere (the longer prefix wins), and another bridge with the very
 * gateway, which is another name's of the same network.
 *
 * @throws CniError code 7
 */
export function refuseOverlap(host: NetlinkSocket, own: LinkView, gateways: readonly Cidr[]): void {
  for (const { payload } of host.dump(dumpAddresses())) {
    const found = viewAddress(payload);
    if (!found || found.index === own.index) continue;
    const { address } = found;
    for (const gateway of gateways) {
      if (!isWithin(address, gateway)) continue;
      const link = readLink(host, { index: found.index });
      if (!link || !routesLikeTheNode(host, link)) continue;
      if (link.kind === 'bridge' && cidrEquals(address, gateway)) continue;
      throw invalidConfig(
        `the pods' subnet ${formatCidr(networkOf(gateway))} contains the node's own address ` +
          `${formatCidr(address)} of ${link.name}`,
        { details: 'give the network a subnet that the node is not in, or set "isGateway": false' },
      );
    }
  }
}

function isWithin(address: Cidr, gateway: Cidr): boolean {
  const { family } = address.ip;
  return family === gateway.ip.family && address.prefix < familyBits(family) && contains(gateway, address.ip);
}

function routesLikeTheNode(host: NetlinkSocket, link: LinkView): boolean {
  if ((link.flags & IFF.UP) === 0) return false;
  return link.master === undefined || readLink(host, { index: link.master })?.kind !== 'vrf';
}
