/** WireGuard's part of the kernel: reads devices, and carries out what concerns keys and peers. */

import type { WireguardDevice as KernelDevice } from '../../../shared/netlink/codec/wireguard.ts';
import type { WireguardPeer } from '../../../shared/netlink/codec/wireguard-peer.ts';
import { isNetlinkError } from '../../../shared/netlink/error.ts';
import type { NetlinkRequest } from '../../../shared/netlink/request.ts';
import {
  delWireguardPeer,
  setWireguard,
  setWireguardPeer,
} from '../../../shared/netlink/requests/wireguard.ts';
import type { Wireguard } from '../../../shared/netlink/wireguard.ts';
import type { Change, ChangeFailure } from '../network/change.ts';
import type { DesiredWireguardPeer } from '../network/desired.ts';
import type { ObservedWireguard, ObservedWireguardPeer } from '../network/observed.ts';
import { Secret } from '../network/secret.ts';
import type { Whereabouts } from '../network/wireguard-moves.ts';

/** What the kernel takes for "none" where a key is expected (linux/wireguard.h). */
const NO_KEY = new Uint8Array(32);

/** @param nowMs by the wall clock, which the kernel keeps handshakes by */
export function observedWireguard(index: number, device: KernelDevice, nowMs: number): ObservedWireguard {
  return {
    index,
    ...(device.publicKey && { publicKey: device.publicKey }),
    listenPort: device.listenPort ?? 0,
    peers: (device.peers ?? []).map((peer) => observedPeer(peer, nowMs)),
  };
}

function observedPeer(peer: WireguardPeer, nowMs: number): ObservedWireguardPeer {
  const { publicKey, presharedKey, endpoint, allowedIps = [], keepalive = 0, lastHandshake = 0 } = peer;
  return {
    publicKey,
    ...(presharedKey?.some((byte) => byte !== 0) && { presharedKey: new Secret(presharedKey) }),
    ...(endpoint && { endpoint }),
    allowedIps,
    keepalive,
    ...(lastHandshake > 0 && { handshakeAgeMs: Math.max(0, nowMs - lastHandshake) }),
    rxBytes: Number(peer.rxBytes ?? 0n),
    txBytes: Number(peer.txBytes ?? 0n),
  };
}

/** Where a device's peers are. */
export function whereabouts(device: KernelDevice | undefined): Whereabouts {
  const peers = device?.peers ?? [];
  return new Map(
    peers.map(({ publicKey, endpoint, rxBytes = 0n }) => [
      publicKey.toHex(),
      { rxBytes: Number(rxBytes), ...(endpoint && { endpoint }) },
    ]),
  );
}

/** True for a change that goes through generic netlink, wholly (peers) or for a part (a device's key and port). */
export function concernsWireguard(change: Change): boolean {
  switch (change.kind) {
    case 'set-wireguard-peer':
    case 'delete-wireguard-peer':
      return true;
    case 'create-device':
      return change.device.kind === 'wireguard';
    case 'change-device':
      return change.device.kind === 'wireguard' && change.repair.options === true;
    default:
      return false;
  }
}

/** Carries out those changes among the given ones that concern WireGuard; see Kernel.apply. */
export function applyWireguard(wireguard: Wireguard, changes: readonly Change[]): ChangeFailure[] {
  const mine = changes.filter(concernsWireguard);
  if (mine.length === 0) return [];
  try {
    const { family } = wireguard;
    const outcomes = wireguard.socket.transact(mine.map((change) => requestFor(family, change)));
    const failures: ChangeFailure[] = [];
    for (const [index, { error }] of outcomes.entries()) {
      const change = mine[index];
      const gone = change?.kind === 'delete-wireguard-peer' && error && isNetlinkError(error, 'ENODEV');
      if (change && error && !gone) failures.push({ change, error });
    }
    return failures;
  } catch (error) {
    // No WireGuard at all.
    if (isNetlinkError(error)) return mine.map((change) => ({ change, error }));
    throw error;
  }
}

function requestFor(family: number, change: Change): NetlinkRequest {
  switch (change.kind) {
    case 'set-wireguard-peer':
      return setWireguardPeer(family, change.peer.device, peerFor(change.peer, change.endpoint));
    case 'delete-wireguard-peer':
      return delWireguardPeer(family, change.device, change.publicKey);
    case 'create-device':
    case 'change-device': {
      const { device } = change;
      if (device.kind !== 'wireguard') break;
      const { privateKey, listenPort } = device.wireguard;
      return setWireguard(family, { name: device.name, privateKey: privateKey.reveal(), listenPort });
    }
  }
  throw new Error(`${change.kind} is no business of WireGuard`);
}

function peerFor(
  { publicKey, presharedKey, endpoint, allowedIps, keepalive }: DesiredWireguardPeer,
  withEndpoint: boolean,
): WireguardPeer {
  return {
    publicKey,
    presharedKey: presharedKey?.reveal() ?? NO_KEY,
    ...(withEndpoint && { endpoint }),
    keepalive,
    allowedIps,
  };
}
