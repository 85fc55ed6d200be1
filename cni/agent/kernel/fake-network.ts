/**
 * A network namespace that behaves like the kernel's where the planner relies on it: replacing takes the first route
 * of a destination and metric, a device takes what is on it along, setting it down drops its routes.
 */

import { type Cidr, cidrEquals } from '../../../shared/ip/cidr.ts';
import { type Ip, ipEquals } from '../../../shared/ip/ip.ts';
import { type Address, IFA_F, SCOPE } from '../../../shared/netlink/codec/address.ts';
import type { FdbEntry } from '../../../shared/netlink/codec/fdb.ts';
import { IFF, type Link } from '../../../shared/netlink/codec/link.ts';
import { type Neighbour, NTF, NUD } from '../../../shared/netlink/codec/neighbour.ts';
import { type Route, RT_TABLE, RTN, RTNH_F, RTPROT } from '../../../shared/netlink/codec/route.ts';
import { bytesEqual } from '../network/bytes.ts';
import type { Change } from '../network/change.ts';
import {
  type DesiredDevice,
  type DesiredRoute,
  type DesiredWireguardPeer,
  metricOf,
  ROUTE_PROTOCOL,
  type WireguardDevice,
} from '../network/desired.ts';
import type { ObservedWireguard, ObservedWireguardPeer } from '../network/observed.ts';
import { newKind } from './device-kinds.ts';

/** The kernel's refusal in the fake; real ones are NetlinkErrors. */
export class FakeRefusal extends Error {
  override readonly name = 'FakeRefusal';
}

export class FakeNetwork {
  links: Link[] = [];
  addresses: Address[] = [];
  routes: Route[] = [];
  neighbours: Neighbour[] = [];
  fdb: FdbEntry[] = [];
  wireguard: ObservedWireguard[] = [];
  #nextIndex = 2;

  /** Adds an ordinary interface that is up, with addresses. */
  addLink(name: string, addresses: readonly Cidr[] = [], link: Partial<Link> = {}): Link {
    const added: Link = { ...plainLink(link.index ?? this.#nextIndex++, name), ...link };
    this.links.push(added);
    for (const address of addresses) this.addAddress(added.index, address);
    return added;
  }

  addAddress(index: number, address: Cidr, extra: Partial<Address> = {}): void {
    this.addresses.push({ index, address, scope: SCOPE.UNIVERSE, flags: IFA_F.PERMANENT, ...extra });
  }

  deleteLink(name: string): void {
    const link = this.link(name);
    this.links = this.links.filter((other) => other !== link);
    const elsewhere = (entry: { readonly index: number }): boolean => entry.index !== link.index;
    this.addresses = this.addresses.filter(elsewhere);
    this.neighbours = this.neighbours.filter(elsewhere);
    this.fdb = this.fdb.filter(elsewhere);
    this.wireguard = this.wireguard.filter(elsewhere);
    this.routes = this.routes.filter((route) => route.oif !== link.index);
  }

  /** Changes a link as its owner would; down drops its routes and neighbours. */
  changeLink(name: string, change: Partial<Link>): void {
    const link = this.link(name);
    this.links = this.links.map((other) => (other === link ? { ...link, ...change } : other));
    if (change.mac) this.neighbours = this.neighbours.filter((entry) => entry.index !== link.index);
    if (change.flags !== undefined && (change.flags & IFF.UP) === 0) {
      this.routes = this.routes.filter((route) => route.oif !== link.index);
      this.neighbours = this.neighbours.filter((entry) => entry.index !== link.index);
    }
  }

  link(name: string): Link {
    const link = this.links.find((candidate) => candidate.name === name);
    if (!link) throw new FakeRefusal(`no device ${name}`);
    return link;
  }

  /** Carries one change out. @throws FakeRefusal as the kernel would refuse */
  apply(change: Change): void {
    switch (change.kind) {
      case 'delete-device':
        this.deleteLink(change.name);
        break;
      case 'create-device':
        this.#createDevice(change.device);
        break;
      case 'change-device': {
        const { device, repair } = change;
        const { mac, mtu } = repair;
        this.changeLink(device.name, {
          ...(mac && { mac }),
          ...(mtu !== undefined && { mtu }),
          ...(repair.up && { flags: this.link(device.name).flags | IFF.UP }),
          ...(repair.free && { master: 0 }),
          ...(repair.options && { kind: newKind(device) }),
        });
        if (repair.options && device.kind === 'wireguard') this.#configure(device);
        break;
      }
      case 'add-address':
        this.addAddress(this.link(change.device).index, change.address);
        break;
      case 'delete-address':
        this.addresses = this.addresses.filter((address) => address !== change.address);
        break;
      case 'set-neighbour':
        this.#setNeighbour(
          this.link(change.neighbour.device).index,
          change.neighbour.ip,
          change.neighbour.mac,
        );
        break;
      case 'delete-neighbour':
        this.neighbours = this.neighbours.filter(
          ({ index, ip }) => index !== change.neighbour.index || !ipEquals(ip, change.neighbour.ip),
        );
        break;
      case 'set-fdb':
        this.#setFdb(this.link(change.fdb.device).index, change.fdb.mac, change.fdb.destination);
        break;
      case 'delete-fdb':
        this.fdb = this.fdb.filter((entry) => !sameFdb(entry, change.fdb));
        break;
      case 'set-wireguard-peer':
        this.#setPeer(change.peer, change.endpoint);
        break;
      case 'delete-wireguard-peer':
        this.#changePeers(change.device, (peers) =>
          peers.filter((peer) => !bytesEqual(peer.publicKey, change.publicKey)),
        );
        break;
      case 'set-route':
        this.#setRoute(change.route);
        break;
      case 'delete-route': {
        // As `ip route del` with all that identifies a route: the first one that agrees.
        const at = this.routes.findIndex((route) => isMeant(route, change.route));
        if (at >= 0) this.routes.splice(at, 1);
        break;
      }
      default:
        change satisfies never;
    }
  }

  #createDevice(device: DesiredDevice): void {
    if (this.links.some((link) => link.name === device.name)) throw new FakeRefusal(`${device.name} exists`);
    const { name, mtu } = device;
    const mac = device.kind === 'vxlan' ? { mac: device.mac } : {};
    this.addLink(name, [], { ...mac, mtu, kind: newKind(device), flags: IFF.UP | IFF.RUNNING });
    if (device.kind === 'wireguard') this.#configure(device);
  }

  #configure({ name, wireguard: { publicKey, listenPort } }: WireguardDevice): void {
    const { index } = this.link(name);
    const there = this.wireguard.find((device) => device.index === index);
    const others = this.wireguard.filter((device) => device !== there);
    // A device cannot be its own peer: it goes without a word (wg_set_device, drivers/net/wireguard/netlink.c).
    const peers = (there?.peers ?? []).filter((peer) => !bytesEqual(peer.publicKey, publicKey));
    this.wireguard = [...others, { index, publicKey, listenPort, peers }];
  }

  #setPeer(want: DesiredWireguardPeer, endpoint: boolean): void {
    const { index } = this.link(want.device);
    const own = this.wireguard.find((device) => device.index === index)?.publicKey;
    if (own && bytesEqual(own, want.publicKey)) return;
    this.#changePeers(want.device, (peers) => {
      const { publicKey, presharedKey, allowedIps, keepalive } = want;
      const there = peers.find((peer) => bytesEqual(peer.publicKey, publicKey));
      const where = endpoint || !there ? want.endpoint : there.endpoint;
      // What one peer may send from no other may: the last one told gets it.
      const others = peers
        .filter((peer) => peer !== there)
        .map((peer) => ({
          ...peer,
          allowedIps: peer.allowedIps.filter((one) => !allowedIps.some((other) => cidrEquals(one, other))),
        }));
      const { rxBytes, txBytes, handshakeAgeMs } = there ?? { rxBytes: 0, txBytes: 0 };
      const peer: ObservedWireguardPeer = {
        publicKey,
        ...(presharedKey && { presharedKey }),
        ...(where && { endpoint: where }),
        allowedIps,
        keepalive,
        ...(handshakeAgeMs !== undefined && { handshakeAgeMs }),
        rxBytes,
        txBytes,
      };
      return [...others, peer];
    });
  }

  #changePeers(
    name: string,
    change: (peers: readonly ObservedWireguardPeer[]) => readonly ObservedWireguardPeer[],
  ): void {
    const { index } = this.link(name);
    if (!this.wireguard.some((device) => device.index === index))
      throw new FakeRefusal(`${name} is no WireGuard device`);
    this.wireguard = this.wireguard.map((device) =>
      device.index === index ? { ...device, peers: change(device.peers) } : device,
    );
  }

  #setNeighbour(index: number, ip: Ip, mac: Uint8Array): void {
    this.neighbours = this.neighbours.filter((entry) => entry.index !== index || !ipEquals(entry.ip, ip));
    this.neighbours.push({ index, ip, mac, state: NUD.PERMANENT, flags: 0, type: RTN.UNICAST });
  }

  #setFdb(index: number, mac: Uint8Array, destination: Ip): void {
    this.fdb = this.fdb.filter((entry) => entry.index !== index || !bytesEqual(entry.mac, mac));
    this.fdb.push({ index, mac, destination, state: NUD.PERMANENT, flags: NTF.SELF });
  }

  #setRoute(want: DesiredRoute): void {
    const link = want.device === undefined ? undefined : this.link(want.device);
    if (link && (link.flags & IFF.UP) === 0) throw new FakeRefusal(`${link.name} is down`);
    const metric = metricOf(want);
    const route: Route = {
      destination: want.destination,
      ...(want.gateway && { gateway: want.gateway }),
      ...(link && { oif: link.index }),
      ...(metric !== 0 && { priority: metric }),
      table: RT_TABLE.MAIN,
      protocol: ROUTE_PROTOCOL,
      scope: SCOPE.UNIVERSE,
      type: link ? RTN.UNICAST : RTN.BLACKHOLE,
      flags: want.onlink ? RTNH_F.ONLINK : 0,
      tos: 0,
    };
    const at = this.routes.findIndex(
      (other) =>
        other.table === RT_TABLE.MAIN &&
        other.tos === 0 &&
        (other.priority ?? 0) === metric &&
        cidrEquals(other.destination, want.destination),
    );
    // Replacing the first one by what stands behind it is refused (fib_table_insert, net/ipv4/fib_trie.c).
    const same = this.routes.findIndex(
      (other) => other.destination.ip.family === 4 && sameRoute(other, route),
    );
    if (same >= 0 && same !== at) throw new FakeRefusal('the route exists');
    if (at >= 0) this.routes[at] = route;
    else this.routes.push(route);
  }
}

function plainLink(index: number, name: string): Link {
  return {
    index,
    name,
    flags: IFF.UP | IFF.RUNNING | IFF.BROADCAST,
    changeMask: 0,
    family: 0,
    hardwareType: 1,
    mac: new Uint8Array([2, 0, 0, 0, 0, index]),
    mtu: 1500,
  };
}

/** Of one MAC an entry can have several destinations. */
function sameFdb(a: FdbEntry, b: FdbEntry): boolean {
  return (
    a.index === b.index &&
    bytesEqual(a.mac, b.mac) &&
    (a.destination && b.destination
      ? ipEquals(a.destination, b.destination)
      : a.destination === b.destination)
  );
}

function sameRoute(a: Route, b: Route): boolean {
  return isMeant(a, b) && isMeant(b, a) && a.flags === b.flags;
}

/** True if the kernel would take a request to delete `named` for this route: what is left out matches anything. */
function isMeant(route: Route, named: Route): boolean {
  return (
    cidrEquals(route.destination, named.destination) &&
    route.table === named.table &&
    route.tos === named.tos &&
    (route.priority ?? 0) === (named.priority ?? 0) &&
    route.type === named.type &&
    (named.oif === undefined || route.oif === named.oif) &&
    (named.protocol === RTPROT.UNSPEC || route.protocol === named.protocol) &&
    (!named.gateway || (route.gateway !== undefined && ipEquals(route.gateway, named.gateway)))
  );
}
