import { NLM_F } from '../codec/message.ts';
import { encodeWireguard, WG_CMD, type WireguardDevice } from '../codec/wireguard.ts';
import { WGPEER_F, type WireguardPeer } from '../codec/wireguard-peer.ts';
import type { NetlinkRequest } from '../request.ts';

/** Asks for a device with its peers. ENODEV when it does not exist, EOPNOTSUPP when it is of another kind. For `dump`. */
export function getWireguard(family: number, index: number): NetlinkRequest {
  return {
    type: family,
    flags: NLM_F.DUMP,
    payload: encodeWireguard(WG_CMD.GET_DEVICE, { index }),
    what: `read WireGuard's link number ${index}`,
  };
}

/** Sets a device's own key and port. */
export function setWireguard(
  family: number,
  device: Pick<WireguardDevice, 'name' | 'privateKey' | 'listenPort'>,
): NetlinkRequest {
  const what = `set key and port of ${device.name}`;
  return { type: family, flags: 0, payload: encodeWireguard(WG_CMD.SET_DEVICE, device), what };
}

/** Adds a peer or changes the one there is; what it may send from becomes what is given. */
export function setWireguardPeer(family: number, name: string, peer: WireguardPeer): NetlinkRequest {
  const flags = WGPEER_F.REPLACE_ALLOWEDIPS;
  return {
    type: family,
    flags: 0,
    payload: encodeWireguard(WG_CMD.SET_DEVICE, { name, peers: [{ ...peer, flags }] }),
    what: () => `set peer ${peer.publicKey.toBase64()} of ${name}`,
  };
}

/** Removes a peer; one that is not there is no error. */
export function delWireguardPeer(family: number, name: string, publicKey: Uint8Array): NetlinkRequest {
  const peers = [{ publicKey, flags: WGPEER_F.REMOVE_ME }];
  return {
    type: family,
    flags: 0,
    payload: encodeWireguard(WG_CMD.SET_DEVICE, { name, peers }),
    what: () => `delete peer ${publicKey.toBase64()} of ${name}`,
  };
}
