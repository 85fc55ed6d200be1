/** One address family of IPVS, sets, and the device, in the network namespace that it was opened in. */

import { type Ip, isLinkLocal, isLoopback } from '../../../shared/ip/ip.ts';
import { IFA_F } from '../../../shared/netlink/codec/address.ts';
import { IP_VS_SVC_F } from '../../../shared/netlink/codec/ipvs.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { IpSets, ipSetProblem } from '../../../shared/netlink/ipset.ts';
import { Ipvs } from '../../../shared/netlink/ipvs.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { addIpSetEntry, delIpSetEntry } from '../../../shared/netlink/requests/ipset.ts';
import {
  delRealServer,
  delVirtualServer,
  newRealServer,
  newVirtualServer,
  setRealServer,
  setVirtualServer,
} from '../../../shared/netlink/requests/ipvs.ts';
import { delAddress, delLink, newAddress, newLink } from '../../../shared/netlink/requests.ts';
import type { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { deleteUdpFlowsTo } from '../conntrack/clean-up.ts';
import { type Address, type Family, packAddress, unpackAddress } from '../model/endpoint.ts';
import { PROTOCOL_NUMBER } from '../model/service-port.ts';
import type { HeldEndpoint, HeldServer } from './compare.ts';
import type { IpvsKernel } from './kernel.ts';
import {
  addressOfServer,
  type EntryKey,
  endpointFrom,
  entryFrom,
  entryOf,
  frontendOf,
  realServerOf,
  type ServerKey,
  serverKeyFrom,
  virtualServerOf,
} from './keys.ts';
import { DEVICE, SET_KEYS, type SetKey, setNameOf, setTypeOf } from './names.ts';
import type { Operation } from './operations.ts';
import { isNamedBySets } from './ours.ts';
import { OwnSources } from './own-sources.ts';

/** As kube-proxy makes them; a set of other sizes would not be taken for the same. */
const SIZES = { hashSize: 1024, maxElements: 65_536 };

export class LinuxIpvs implements IpvsKernel, Disposable {
  readonly #family: Family;
  readonly #ipvs: Ipvs;
  readonly #sets: IpSets;
  readonly #links: Rtnetlink;
  readonly #sources: OwnSources;
  #index: number | undefined;

  /** @param links stays the caller's */
  constructor(family: Family, links: Rtnetlink) {
    this.#family = family;
    this.#links = links;
    this.#sources = new OwnSources(family, links);
    using stack = new DisposableStack();
    this.#ipvs = stack.use(Ipvs.open());
    this.#sets = stack.use(IpSets.open());
    stack.move();
  }

  prepare(): void {
    this.#index = this.#links.linkByName(DEVICE)?.index ?? this.#makeDevice();
    for (const set of SET_KEYS) this.#makeSet(set);
  }

  nodeAddresses(): Address[] {
    return nodeAddressesOf(this.#links, this.#family);
  }

  servers(): ReadonlyMap<ServerKey, HeldServer> {
    const found = new Map<ServerKey, HeldServer>();
    for (const server of this.#ipvs.virtualServers()) {
      if (server.address.family !== this.#family) continue;
      const { scheduler, flags, timeout } = server;
      found.set(serverKeyFrom(server), { scheduler, flags: flags & ~IP_VS_SVC_F.HASHED, timeout });
    }
    return found;
  }

  endpoints(of: ServerKey): readonly HeldEndpoint[] {
    return this.#ipvs.realServers(virtualServerOf(of)).map((server) => ({
      endpoint: endpointFrom(server),
      weight: server.weight,
      connections: (server.activeConnections ?? 0) + (server.inactiveConnections ?? 0),
    }));
  }

  entries(set: SetKey): ReadonlySet<EntryKey> {
    const type = setTypeOf(set);
    const found = this.#sets.entries(setNameOf(set, this.#family)) ?? [];
    return new Set(found.map((entry) => entryFrom(type, entry)).filter((key) => key !== undefined));
  }

  addresses(): ReadonlySet<Address> {
    const index = this.#links.linkByName(DEVICE)?.index;
    if (index === undefined) return new Set();
    const found = this.#links.addresses({ family: this.#family, index });
    return new Set(
      found
        .filter((one) => one.index === index && !isLinkLocal6(one.address.ip))
        .map(({ address }) => packAddress(address.ip)),
    );
  }

  run(operations: readonly Operation[], scheduler: string): (Error | undefined)[] {
    const results: (Error | undefined)[] = [];
    // Each socket is given what follows each other on it, so that the order of all is kept.
    for (let from = 0; from < operations.length; ) {
      const socket = this.#socketOf(operations[from] as Operation);
      let to = from + 1;
      while (to < operations.length && this.#socketOf(operations[to] as Operation) === socket) to += 1;
      const part = operations.slice(from, to);
      const outcomes = socket.transact(part.map((operation) => this.#requestOf(operation, scheduler)));
      for (const [index, { error }] of outcomes.entries())
        results.push(problem(part[index] as Operation, error));
      from = to;
    }
    return results;
  }

  remove(): string[] {
    this.#delete(this.#ownServers(), this.addresses());
    const link = this.#links.linkByName(DEVICE);
    const others =
      link && this.#links.addresses({ index: link.index }).filter((one) => one.index === link.index);
    if (link && others?.every(({ address }) => isLinkLocal6(address.ip)))
      this.#links.socket.request(delLink({ index: link.index }));
    this.#index = undefined;
    return SET_KEYS.map((set) => setNameOf(set, this.#family)).filter((name) => !this.#sets.destroy(name));
  }

  removeUnused(): number {
    const all = this.#ownServers();
    const inUse = new Set(
      all.filter((key) => isTcp(key) && this.endpoints(key).some(({ connections }) => connections > 0)),
    );
    const unused = all.filter((key) => !inUse.has(key));
    const addresses = this.addresses();
    const isNeeded = this.#sources.release(addresses, addresses.size > 0 ? this.nodeAddresses() : []);
    const needed = addresses.intersection(isNeeded.union(new Set([...inUse].map(addressOfServer))));
    this.#delete(unused, addresses.difference(needed));
    // What is not translated by connection tracking would go to the address, where nobody is.
    deleteUdpFlowsTo(this.#family, new Set(unused.filter((key) => !isTcp(key)).map(frontendOf)));
    return inUse.size + needed.size;
  }

  [Symbol.dispose](): void {
    this.#ipvs[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
  }

  /** Those that the sets name, and those at our addresses. */
  #ownServers(): ServerKey[] {
    if (!this.#ipvs.isThere) return [];
    const named = new Map(SET_KEYS.map((set) => [set, this.entries(set)] as const));
    const addresses = this.addresses();
    return [...this.servers().keys()].filter(
      (key) => addresses.has(addressOfServer(key)) || isNamedBySets(key, named),
    );
  }

  #delete(servers: readonly ServerKey[], addresses: ReadonlySet<Address>): void {
    // Who takes away what is there need not have made it.
    this.#index = this.#links.linkByName(DEVICE)?.index;
    const operations: Operation[] = [
      ...servers.map((key): Operation => ({ on: 'server', verb: 'delete', key })),
      ...[...addresses].map((address): Operation => ({ on: 'address', verb: 'delete', address })),
    ];
    const [error] = this.run(operations, '').filter((one) => one !== undefined);
    if (error) throw error;
    this.#sources.forget(addresses);
  }

  #makeDevice(): number | undefined {
    try {
      this.#links.socket.request(newLink({ name: DEVICE, kind: { kind: 'other', name: 'dummy' } }));
    } catch (error) {
      if (isNetlinkError(error, 'EOPNOTSUPP'))
        throw new Error('mode ipvs needs dummy devices, which this kernel does not have (modprobe dummy)', {
          cause: error,
        });
      // Somebody else was quicker.
      if (!isNetlinkError(error, 'EEXIST')) throw error;
    }
    return this.#links.linkByName(DEVICE)?.index;
  }

  #makeSet(set: SetKey): void {
    const [type, name, family] = [setTypeOf(set), setNameOf(set, this.#family), this.#family];
    try {
      this.#sets.create({ name, type, family, ...(type === 'bitmap:port' ? {} : SIZES) });
    } catch (error) {
      const why = isNetlinkError(error, 'EEXIST')
        ? 'there is one of another type or size: delete it (ipset destroy)'
        : ipSetProblem(error);
      if (why === undefined) throw error;
      throw new Error(`mode ipvs cannot make the set ${name}: ${why}`, { cause: error });
    }
  }

  #socketOf({ on }: Operation): NetlinkSocket {
    if (on === 'entry') return this.#sets.socket;
    return on === 'address' ? this.#links.socket : this.#ipvs.socket;
  }

  #requestOf(operation: Operation, scheduler: string): NetlinkRequest {
    switch (operation.on) {
      case 'entry': {
        const { verb, set, key } = operation;
        const entry = entryOf(setTypeOf(set), key, this.#family === 4 ? 4 : 16);
        return (verb === 'add' ? addIpSetEntry : delIpSetEntry)(setNameOf(set, this.#family), entry);
      }
      case 'address': {
        const ip = unpackAddress(operation.address);
        const index = this.#index ?? 0;
        const address = { ip, prefix: this.#family === 4 ? 32 : 128 };
        if (operation.verb === 'delete') return delAddress({ index, address });
        return newAddress({ index, address, flags: this.#family === 6 ? IFA_F.NODAD : 0 });
      }
      case 'server': {
        const key = virtualServerOf(operation.key);
        const { family } = this.#ipvs;
        if (operation.verb === 'delete') return delVirtualServer(family, key);
        const { flags, timeout } = operation.server;
        const prefix = this.#family === 4 ? 32 : 128;
        const server = { ...key, scheduler, flags, timeout, prefix };
        return (operation.verb === 'add' ? newVirtualServer : setVirtualServer)(family, server);
      }
      case 'endpoint': {
        const { verb, of, endpoint, weight } = operation;
        const make = { add: newRealServer, change: setRealServer, delete: delRealServer }[verb];
        return make(this.#ipvs.family, virtualServerOf(of), realServerOf(endpoint, weight));
      }
      default:
        return operation satisfies never;
    }
  }
}

/** The kernel gives every link that is up one of these; nobody else reaches it. */
function isLinkLocal6(ip: Ip): boolean {
  return ip.family === 6 && isLinkLocal(ip);
}

/** All of a family but our device's, loopback and IPv6's link-local ones; sorted. */
export function nodeAddressesOf(links: Rtnetlink, family: Family): Address[] {
  const own = links.linkByName(DEVICE)?.index;
  const found = links
    .addresses({ family })
    .filter(({ index, address: { ip } }) => index !== own && !isLoopback(ip) && !isLinkLocal6(ip));
  return [...new Set(found.map(({ address }) => packAddress(address.ip)))].sort();
}

function isTcp(key: ServerKey): boolean {
  return virtualServerOf(key).protocol === PROTOCOL_NUMBER.TCP;
}

/** What is gone need not be deleted, and an address that is there need not be added. */
function problem({ on, verb }: Operation, error: Error | undefined): Error | undefined {
  if (error === undefined) return undefined;
  const harmless: Readonly<Record<Operation['on'], readonly string[]>> = {
    address: verb === 'add' ? ['EEXIST'] : ['EADDRNOTAVAIL', 'ENODEV'],
    entry: verb === 'add' ? [] : ['ENOENT'],
    server: verb === 'delete' ? ['ESRCH'] : [],
    endpoint: verb === 'delete' ? ['ESRCH', 'ENOENT'] : [],
  };
  if (isNetlinkError(error) && harmless[on].includes(error.code)) return undefined;
  const meaning = ipSetProblem(error);
  return meaning === undefined ? error : new Error(`${error.message}: ${meaning}`, { cause: error });
}
