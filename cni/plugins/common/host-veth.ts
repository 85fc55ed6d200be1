/** The host end of a pod's veth pair: made and found by its derived name and alias. */

import type { BridgePort } from '../../../shared/netlink/codec/bridge-port.ts';
import { IFF } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import { getLink, newLink, setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { internalError, invalidConfig, tryAgainLater } from '../../protocol/error.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentAlias, attachmentMac, hostVethName, vethNameAttempts } from './attachment.ts';
import type { LinkView } from './link-view.ts';
import { deleteLink, linkOf, readLink, readLinks } from './links.ts';
import { trySysctl } from './try-sysctl.ts';

/** A pair that is to be made. */
export interface VethPairSpec {
  readonly key: AttachmentKey;
  /** The host end's name, of `chooseHostVethName`. */
  readonly name: string;
  readonly netns: OwnedFd;
  /** Bytes, of both ends; 0 for the kernel's default. */
  readonly mtu: number;
  /** Of the container's end. */
  readonly mac: Uint8Array;
  /** What the host end is as a port of a bridge; undefined where it is none. */
  readonly port?: { readonly bridge: number; readonly options: BridgePort };
}

/** The attachment's host end, whichever of its names it has; undefined when there is none. */
export function findHostVeth(host: NetlinkSocket, key: AttachmentKey): LinkView | undefined {
  const alias = attachmentAlias(key);
  const first = readLink(host, { name: hostVethName(key) });
  if (first?.alias === alias) return first;
  const others = Array.from({ length: vethNameAttempts - 1 }, (_, index) => hostVethName(key, index + 1));
  return readLinks(host, ...others.map((name) => ({ name }))).find((link) => link?.alias === alias);
}

/**
 * The name that the attachment's host end will have: the first that no foreign link has.
 *
 * @param first the link that has the usual name, if any
 * @throws CniError code 7 when the attachment has its host end already
 */
export function chooseHostVethName(
  host: NetlinkSocket,
  key: AttachmentKey,
  first: LinkView | undefined,
): string {
  let taken = first;
  for (let attempt = 0; attempt < vethNameAttempts; attempt++) {
    const name = hostVethName(key, attempt);
    if (attempt > 0) taken = readLink(host, { name });
    if (!taken) return name;
    if (taken.alias === attachmentAlias(key)) throw existsAlready(key, `host interface ${name}`);
  }
  throw internalError(`all ${vethNameAttempts} names for the host interface are taken by foreign links`);
}

/**
 * The kernel makes room for a queue per CPU at both ends and uses one, until somebody raises that with ethtool for XDP.
 * The room costs each pod 0.1 ms and some memory on two CPUs, and both grow with their number.
 */
const oneQueue = { txQueues: 1, rxQueues: 1 } as const;

/**
 * IFLA_AF_SPEC, in it AF_INET6, in it IFLA_INET6_ADDR_GEN_MODE = IN6_ADDR_GEN_MODE_NONE (linux/if_link.h).
 */
const noIpv6Addresses = {
  type: 26,
  nested: true,
  payload: Uint8Array.of(12, 0, 10, 0x80, 5, 0, 8, 0, 1, 0, 0, 0),
} as const;

/**
 * Makes the pair in one send: the container's end at once under its name in its namespace (moving it there later
 * takes 15 ms), the host end with its alias, and where one is named as a port of a bridge. A kill leaves all of it or
 * nothing. Then sets the host end up.
 *
 * Up comes last, when all else is done and read: for each change of a link that is up without a carrier, and for the
 * first look at it, the kernel goes through all ports of the bridge and all routes of IPv6, and waits for RCU. That took
 * 2 ms of each ADD on a node of 1,000 pods, and a quarter of a millisecond on an empty one.
 *
 * @returns the host end, as it was before it was set up
 * @throws CniError code 7 when the container has an interface of that name already
 */
export function createVethPair(host: NetlinkSocket, spec: VethPairSpec): LinkView {
  const { key, name, mtu, mac, port } = spec;
  const size = { ...oneQueue, ...(mtu === 0 ? {} : { mtu }) };
  const peer = { name: key.ifname, netnsFd: spec.netns.fd, ...size, mac };
  const [made, changed, read] = host.transact([
    newLink({
      name,
      ...size,
      mac: attachmentMac(key, 'host'),
      ...(port && { master: port.bridge }),
      kind: { kind: 'veth', peer },
    }),
    // The kernel takes an alias and a port's options only for a link that is there.
    setLink({ name, alias: attachmentAlias(key), ...(port && { port: port.options }) }),
    getLink({ name }),
  ]);
  if (made?.error) {
    if (isNetlinkError(made.error, 'EXFULL')) throw bridgeIsFull(made.error);
    // The host's name was free a moment ago, so a name that exists is the container's.
    throw isNetlinkError(made.error, 'EEXIST')
      ? existsAlready(key, 'in its namespace', made.error)
      : made.error;
  }
  const link = read && linkOf(read);
  if (!link) throw changed?.error ?? internalError(`link ${name} vanished while it was being set up`);
  try {
    if (changed?.error) throw changed.error;
    setUp(host, name, port !== undefined);
    return link;
  } catch (error) {
    deleteLink(host, link);
    throw error;
  }
}

/**
 * Sets the host end up.
 *
 * A port has no IPv6 of its own: the bridge receives what arrives at it, and with 1,000 of them their addresses and routes
 * cost each ADD and DEL 3 ms, as the kernel goes through all routes when a link comes or goes.
 */
function setUp(host: NetlinkSocket, name: string, isPort: boolean): void {
  // As upstream has it: a pod must not give the node routes. Behind a bridge none arrive anyway.
  trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
  // Where parameters cannot be written, it gets no addresses at least; kernels without IPv6 refuse that as well.
  if (isPort && !trySysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1'))
    host.transact([setLink({ name, unknown: [noIpv6Addresses] })]);
  host.request(setLink({ name, flags: IFF.UP }));
}

/** BR_MAX_PORTS of the kernel's net/bridge/br_private.h, less port number 0. */
const maxPorts = 1023;

function bridgeIsFull(cause: unknown): Error {
  return tryAgainLater(`the bridge has ${maxPorts} ports, which is all that the kernel gives one`, {
    details: 'delete pods of this node, or give some of them another network with a bridge of its own',
    cause,
  });
}

/** The error of an ADD for an interface that is there. */
export function existsAlready(key: AttachmentKey, where: string, cause?: unknown): Error {
  return invalidConfig(`${key.ifname} of container ${key.containerId} exists already (${where})`, {
    details: 'an attachment is added once: call DEL before the next ADD, or give another CNI_IFNAME',
    cause,
  });
}
