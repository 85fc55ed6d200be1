/** Makes a TAP device in the container's namespace. */

import { formatMac } from '../../../shared/ip/mac.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { Tap, tunDevice } from '../../../shared/sys/tap.ts';
import { internalError, invalidConfig } from '../../protocol/error.ts';
import type { Place } from '../common/device/place.ts';
import { existsAlready } from '../common/host-veth.ts';
import type { LinkView } from '../common/link-view.ts';
import { deleteLink, readLink } from '../common/links.ts';
import type { TapDevice } from './config.ts';

/** See MakeDevice. Until all is set the device goes with this process: a kill leaves all of it or nothing. */
export async function makeTap(place: Place, device: TapDevice): Promise<LinkView> {
  const { key, netns } = place;
  const { group, multiQueue, owner, selinuxContext } = device;
  const spec = { name: key.ifname, multiQueue, owner, group };
  if (selinuxContext !== '') {
    await (await import('./labelled-tap.ts')).makeLabelledTap(place, spec, selinuxContext);
    return setUpLabelled(place, device);
  }
  try {
    using tap = Tap.create(netns, spec);
    const link = setOptions(place, device);
    tap.keep();
    return link;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) throw existsAlready(key, 'in its namespace', error);
    if (isErrno(error, 'ENOENT', 'ENODEV', 'ENXIO')) {
      throw invalidConfig(`the node has no TAP devices (${tunDevice}): load the module tun`, {
        cause: error,
      });
    }
    throw error;
  }
}

function setUpLabelled(place: Place, device: TapDevice): LinkView {
  try {
    return setOptions(place, device);
  } catch (error) {
    const made = readLink(place.pod, { name: place.key.ifname });
    if (made) deleteLink(place.pod, made);
    throw error;
  }
}

function setOptions({ key, pod }: Place, { bridge, mac, mtu }: TapDevice): LinkView {
  const name = key.ifname;
  const master = bridge === '' ? undefined : readLink(pod, { name: bridge });
  if (bridge !== '' && !master) {
    throw invalidConfig(`bridge ${JSON.stringify(bridge)} is no interface of the container`, {
      details: 'put a plugin that makes it there before this one, or remove "bridge"',
    });
  }
  const changes = {
    ...(mtu === 0 ? {} : { mtu }),
    ...(mac === undefined ? {} : { mac }),
    ...(master === undefined ? {} : { master: master.index }),
  };
  if (Object.keys(changes).length > 0) {
    const [outcome] = pod.transact([setLink({ name, ...changes })]);
    if (outcome?.error) throw explain(outcome.error, changes);
  }
  const link = readLink(pod, { name });
  if (link) return link;
  throw internalError(`TAP device ${name} vanished while it was being set up`);
}

function explain(cause: Error, { mac, mtu }: { readonly mac?: Uint8Array; readonly mtu?: number }): Error {
  const wanted = [
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
    ...(mac === undefined ? [] : [`MAC address ${formatMac(mac)}`]),
  ].join(', ');
  return invalidConfig(`the kernel refuses a TAP device with ${wanted || 'this bridge'}`, { cause });
}
