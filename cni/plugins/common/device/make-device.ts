/** Makes the interface in the container's namespace. */

import { isNetlinkError } from '../../../../shared/netlink/error.ts';
import { newLink, setLink } from '../../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../../shared/netlink/socket.ts';
import { internalError, invalidConfig } from '../../../protocol/error.ts';
import type { Result } from '../../../protocol/result.ts';
import type { AttachmentKey } from '../attachment.ts';
import { existsAlready } from '../host-veth.ts';
import type { LinkView } from '../link-view.ts';
import { deleteLink, readLink } from '../links.ts';
import type { LinkDevice } from './device.ts';
import { findMaster, masterOfChain } from './master.ts';
import type { Place } from './place.ts';
import { temporaryName } from './place.ts';

/** By netlink (see MakeDevice). */
export function makeDevice(
  { key, netns, host, pod }: Place,
  device: LinkDevice,
  previous: Result | undefined,
): LinkView {
  const inside = device.master === undefined || device.linkInContainer;
  const named =
    device.master === '' && device.takesPrevious && previous ? masterOfChain(previous) : device.master;
  const master = named === undefined ? undefined : findMaster(inside ? pod : host, named, inside);
  // ipvlan's may be larger: upstream's plugin and the kernel take it, and a node changes over with what works there.
  if (master && device.mtu > (master.mtu ?? 0) && device.kind.name !== 'ipvlan') {
    throw invalidConfig(`mtu ${device.mtu} is more than the ${master.mtu} of ${master.name}`);
  }
  const spec = {
    kind: device.kind,
    ...(master === undefined ? {} : { parent: master.index }),
    ...(device.mtu === 0 ? {} : { mtu: device.mtu }),
    ...(device.mac === undefined ? {} : { mac: device.mac }),
  };
  const name = inside ? key.ifname : temporaryName(key);
  const where = inside ? pod : host;
  const [made] = where.transact([newLink({ name, ...spec, ...(inside ? {} : { netnsFd: netns.fd }) })]);
  if (made?.error) throw describe(made.error, key, device, master?.name);
  const link = readLink(pod, { name });
  if (!link) throw internalError(`${device.kind.name} ${name} vanished while it was being set up`);
  return inside ? link : rename(pod, link, key);
}

function rename(pod: NetlinkSocket, link: LinkView, key: AttachmentKey): LinkView {
  const [renamed] = pod.transact([setLink({ index: link.index, name: key.ifname })]);
  if (!renamed?.error) return { ...link, name: key.ifname };
  deleteLink(pod, link);
  throw isNetlinkError(renamed.error, 'EEXIST')
    ? existsAlready(key, 'in its namespace', renamed.error)
    : renamed.error;
}

function describe(error: Error, key: AttachmentKey, { kind }: LinkDevice, master: string | undefined): Error {
  if (isNetlinkError(error, 'EEXIST')) {
    if (master === undefined) return existsAlready(key, 'in its namespace', error);
    return invalidConfig(
      `a ${kind.name} like this is on ${master} already, or the name ${key.ifname} is taken`,
      {
        details:
          'an attachment is added once: call DEL before the next ADD, or look with "ip -d link" in every namespace',
        cause: error,
      },
    );
  }
  if (isNetlinkError(error, 'EOPNOTSUPP')) {
    return invalidConfig(`the kernel has no links of kind ${kind.name}: load the module of that name`, {
      cause: error,
    });
  }
  if (isNetlinkError(error, 'EBUSY')) {
    return invalidConfig(`${master} is in use in a way that excludes a ${kind.name}`, {
      details: 'it may be a port of a bridge, or carry macvlan and ipvlan at once: see "ip -d link show"',
      cause: error,
    });
  }
  return error;
}
