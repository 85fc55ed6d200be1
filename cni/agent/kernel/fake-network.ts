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
import { type DesiredDevice, type DesiredRoute, metricOf, ROUTE_PROTOCOL } from '../network/desired.ts';

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
          ...(repair.vxlan && { kind: vxlanKind(device) }),
        });
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
        this.neighbours = this.neighbours.filter((entry) => entry !== change.neighbour);
        break;
      case 'set-fdb':
        this.#setFdb(this.link(change.fdb.device).index, change.fdb.mac, change.fdb.destination);
        break;
      case 'delete-fdb':
        this.fdb = this.fdb.filter((entry) => entry !== change.fdb);
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
    const { name, mac, mtu } = device;
    this.addLink(name, [], { mac, mtu, kind: vxlanKind(device), flags: IFF.UP | IFF.RUNNING });
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

function vxlanKind(device: DesiredDevice): NonNullable<Link['kind']> {
  const { vni, port, local, underlay, learning, gbp } = device.vxlan;
  return { kind: 'vxlan', id: vni, port, local, link: underlay, learning, gbp };
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
