/**
 * Moves a device into a container's namespace and back. In the container it has the container's name for it, and in its
 * alias the name that it had, by which upstream's plugin finds it as well.
 *
 * Each way is one send, which the kernel works off before a signal can end the process: a kill leaves the device on one
 * side or on the other, and findTaken() finds it on both.
 */

import { IFF } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { OwnedFd } from '../../../shared/sys/fd.ts';
import { currentNetns } from '../../../shared/sys/netns.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import type { Place } from '../common/device/place.ts';
import { existsAlready } from '../common/host-veth.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink, readLinks } from '../common/links.ts';

/** Moves a device of the host into the container, and sets it up. Where it throws, `moveBack` undoes what was done. */
export function moveIn({ host, key, netns, pod }: Place, { index, name }: LinkView): LinkView {
  const { ifname } = key;
  const error = firstError(
    host.transact([
      // Before it is gone from here: whatever becomes of the rest, the device says who it is.
      setLink({ index, alias: name }),
      setLink({ index, netnsFd: netns.fd, name: ifname, flags: IFF.UP }),
    ]),
  );
  const moved = readLink(pod, { name: ifname });
  if (!error && moved) return moved;
  if (isNetlinkError(error, 'EEXIST')) throw existsAlready(key, 'in its namespace', error);
  if (isNetlinkError(error, 'EINVAL', 'EOPNOTSUPP')) {
    throw invalidConfig(
      `${name} cannot leave the node's namespace: the kernel keeps links of its kind there`,
      {
        cause: error,
      },
    );
  }
  throw error ?? internalError(`${name} vanished while it was being moved`);
}

/**
 * Undoes a move, whole, in part or none: alias and whether it was up are as before. Addresses and routes are lost.
 *
 * @param device as it was on the host
 */
export function moveBack({ host, key, pod }: Place, device: LinkView): void {
  const { alias, flags, name } = device;
  const inside = findTaken(pod, key.ifname, name);
  if (inside) moveOut(host, pod, inside, name);
  const up = (flags & IFF.UP) === 0 ? {} : { flags: IFF.UP };
  const error = firstError(host.transact([setLink({ name, alias, ...up })]));
  if (error) throw error;
}

/** The device of a container, by the name that it had: as the container calls it, or half moved as the host does. */
export function findTaken(pod: NetlinkSocket, ifname: string, original: string): LinkView | undefined {
  for (const link of readLinks(pod, { name: ifname }, { name: original })) {
    if (link?.alias === original) return link;
  }
  return undefined;
}

/**
 * Moves a device of the container to the host, under its old name and without an alias. As upstream it stays down there:
 * whoever looks after the host's interfaces sets it up.
 *
 * @param link in the container's namespace
 * @throws CniError code 7 when the host has an interface of that name by now; the device stays in the container
 */
export function moveOut(host: NetlinkSocket, pod: NetlinkSocket, link: LinkView, original: string): void {
  const [namesake] = readLinks(host, { name: original });
  if (namesake) throw isTaken(link.name, original);
  using home = currentNetns();
  const error = firstError(pod.transact(outRequests(pod, home, link, original)));
  if (!error) return;
  const { index, name } = link;
  pod.transact([setLink({ index, name, flags: link.flags & IFF.UP, changeMask: IFF.UP })]);
  throw isNetlinkError(error, 'EEXIST') ? isTaken(name, original, error) : error;
}

function outRequests(
  pod: NetlinkSocket,
  home: OwnedFd,
  { index }: LinkView,
  original: string,
): NetlinkRequest[] {
  const requests = [setLink({ index, changeMask: IFF.UP })];
  // On the host it then appears under its old name. With the container's, which it has for an instant where the
  // container uses the old one for something else, udev and others there might take it for a new device.
  if (!readLink(pod, { name: original })) requests.push(setLink({ index, name: original }));
  requests.push(setLink({ index, netnsFd: home.fd, name: original, alias: '' }));
  return requests;
}

/** Renames a device that the kernel gave back when the container's namespace ended; under what name is its choice. */
export function nameReturned(host: NetlinkSocket, { index }: LinkView, original: string): void {
  const error = firstError(
    host.transact([setLink({ index, changeMask: IFF.UP }), setLink({ index, name: original, alias: '' })]),
  );
  if (error && !isNetlinkError(error, 'ENODEV')) throw error;
}

function firstError(outcomes: readonly { readonly error?: Error | undefined }[]): Error | undefined {
  for (const { error } of outcomes) if (error) return error;
  return undefined;
}

function isTaken(name: string, original: string, cause?: unknown): Error {
  return invalidConfig(`${name} cannot be given back: the node has another interface ${original} by now`, {
    details: `rename that with "ip link set ${original} name …"`,
    cause,
  });
}
