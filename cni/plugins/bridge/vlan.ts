/** VLANs of a bridge: of pods' ports, and the interface that a gateway has in one. Loaded only where they are used. */

import type { BridgeVlan } from '../../../shared/netlink/codec/bridge-vlan.ts';
import { decodeLink, IFF } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import {
  addBridgeVlans,
  delBridgeVlans,
  getLink,
  newLink,
  setLink,
} from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import { sha256 } from '../common/attachment.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { trySysctl } from '../common/try-sysctl.ts';
import type { BridgeConfig } from './config.ts';
import { gatewayLinkName } from './config.ts';
import { setIpv6Parameters } from './ensure-bridge.ts';
import { gatewayPortVlans, podPortVlans } from './port-vlans.ts';

/** VLANs of a bridge, for one ADD. */
export class BridgeVlans {
  readonly #host: NetlinkSocket;
  readonly #config: BridgeConfig;
  readonly #bridge: LinkView;
  /** The VLAN that a new port is in by itself; 0 for none. */
  readonly #defaultVlan: number;

  /**
   * @throws CniError code 7 where the bridge does not tell VLANs apart. Turning that on is left to whoever made the
   * bridge: it changes what its other ports may do. Going on would leave the pod in everybody's network.
   */
  constructor(host: NetlinkSocket, config: BridgeConfig, bridge: LinkView) {
    const [reply] = host.request(getLink({ index: bridge.index }));
    const kind = reply && decodeLink(reply.payload).kind;
    if (kind?.kind !== 'bridge')
      throw internalError(`bridge ${bridge.name} vanished while it was being set up`);
    if (kind.vlanFiltering !== true) {
      throw invalidConfig(`${bridge.name} does not tell VLANs apart, which "vlan" and "vlanTrunk" need`, {
        details:
          `run "ip link set ${bridge.name} type bridge vlan_filtering 1", or set "bridge" to a name that is free; ` +
          'the kernel needs CONFIG_BRIDGE_VLAN_FILTERING',
      });
    }
    this.#host = host;
    this.#config = config;
    this.#bridge = bridge;
    this.#defaultVlan = kind.vlanDefaultPvid ?? 0;
  }

  /** Gives a pod's port its VLANs. The pod's end is still down: no frame goes by the port's default VLAN before. */
  setPodPort(port: LinkView): void {
    this.#runAll(this.#portRequests(port.index, podPortVlans(this.#config)));
  }

  /**
   * The interface for the gateways' addresses, made if it is missing: one end of a veth pair, whose other end is a port
   * in the VLAN. Like the bridge it belongs to all pods and stays. It is set up last and in one send with the port's
   * VLANs, so that one which is up is complete; an ADD that was killed leaves one that the next completes.
   */
  ensureGateway(): LinkView {
    const name = gatewayLinkName(this.#config);
    let link = readLink(this.#host, { name });
    if (link && (link.flags & IFF.UP) !== 0) return link;
    if (!link) this.#createPair(name);
    link ??= readLink(this.#host, { name });
    if (!link) throw internalError(`${name} vanished while it was being set up`);
    this.#runAll([...this.#gatewayPortRequests(link), setLink({ index: link.index, flags: IFF.UP })]);
    return link;
  }

  #createPair(name: string): void {
    const { mtu } = this.#config;
    const size = mtu === 0 ? {} : { mtu };
    const port = `veth${sha256(`${name}\0gateway`).slice(0, 8)}`;
    const [made] = this.#host.transact([
      newLink({ name: port, ...size, kind: { kind: 'veth', peer: { name, ...size } } }),
    ]);
    // Another pod's ADD may have been faster.
    if (made?.error && !isNetlinkError(made.error, 'EEXIST')) throw made.error;
  }

  /** None for an interface of another kind: whoever made that has connected it. */
  #gatewayPortRequests({ kind, name, peer }: LinkView): NetlinkRequest[] {
    if (kind !== 'veth' || peer === undefined) return [];
    const port = readLink(this.#host, { index: peer });
    if (!port) throw internalError(`the other end of ${name} is not in this namespace`);
    trySysctl(`net/ipv6/conf/${port.name}/accept_ra`, '0');
    setIpv6Parameters(name, this.#config);
    return [
      setLink({ index: peer, flags: IFF.UP, master: this.#bridge.index }),
      ...this.#portRequests(peer, gatewayPortVlans(this.#config.vlan)),
    ];
  }

  #portRequests(index: number, vlans: BridgeVlan[]): NetlinkRequest[] {
    const requests = [addBridgeVlans(index, vlans)];
    if (this.#defaultVlan !== 0 && !this.#config.preserveDefaultVlan) {
      requests.unshift(delBridgeVlans(index, [{ id: this.#defaultVlan, flags: 0 }]));
    }
    return requests;
  }

  #runAll(requests: readonly NetlinkRequest[]): void {
    for (const { error } of this.#host.transact(requests)) {
      // The default VLAN: another ADD, at work on the same port, has removed it.
      if (error && !isNetlinkError(error, 'ENOENT')) throw error;
    }
  }
}
