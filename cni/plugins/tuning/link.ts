/** The attributes of the pod's interface, read and changed over netlink. */

import { IFF, type LinkSpec } from '../../../shared/netlink/codec/link.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import { setLink } from '../../../shared/netlink/requests/link.ts';
import type { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { LinkView } from '../common/link-view.ts';
import type { Settings } from './settings.ts';

/** In upstream's order. */
const attributes = ['mac', 'promisc', 'mtu', 'allmulti', 'txQLen'] as const;

/** What an interface has of each attribute that `wanted` names. */
export function settingsOf({ mac, flags, mtu, txQueueLength }: LinkView, wanted: Settings): Settings {
  return {
    ...(wanted.mac && mac && { mac }),
    ...(wanted.promisc !== undefined && { promisc: (flags & IFF.PROMISC) !== 0 }),
    ...(wanted.mtu !== undefined && { mtu }),
    ...(wanted.allmulti !== undefined && { allmulti: (flags & IFF.ALLMULTI) !== 0 }),
    ...(wanted.txQLen !== undefined && { txQLen: txQueueLength }),
  };
}

/**
 * Changes an interface, in one send, with a request for each attribute, so that the kernel says which it refuses.
 *
 * @returns an error for each that was refused; the others are changed all the same
 */
export function changeSettings(pod: NetlinkSocket, ifname: string, settings: Settings): Error[] {
  const names: string[] = [];
  const requests: NetlinkRequest[] = [];
  for (const name of attributes) {
    const spec = specOf(name, settings);
    if (!spec) continue;
    names.push(name);
    requests.push(setLink({ name: ifname, ...spec }));
  }
  const errors: Error[] = [];
  let at = 0;
  for (const { error } of pod.transact(requests)) {
    const name = names[at++];
    if (!error) continue;
    const message = `${name} of ${ifname} could not be changed: ${error.message}`;
    const wrong = isNetlinkError(error, 'EINVAL', 'ERANGE', 'EADDRNOTAVAIL');
    errors.push(wrong ? invalidConfig(message, { cause: error }) : new Error(message, { cause: error }));
  }
  return errors;
}

function specOf(name: (typeof attributes)[number], settings: Settings): LinkSpec | undefined {
  const { mac, promisc, mtu, allmulti, txQLen } = settings;
  switch (name) {
    case 'mac':
      return mac && { mac };
    case 'promisc':
      return promisc === undefined ? undefined : flag(IFF.PROMISC, promisc);
    case 'mtu':
      return mtu === undefined ? undefined : { mtu };
    case 'allmulti':
      return allmulti === undefined ? undefined : flag(IFF.ALLMULTI, allmulti);
    case 'txQLen':
      return txQLen === undefined ? undefined : { txQueueLength: txQLen };
  }
}

function flag(bit: number, on: boolean): LinkSpec {
  return { flags: on ? bit : 0, changeMask: bit };
}
