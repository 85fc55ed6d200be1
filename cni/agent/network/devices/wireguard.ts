/** WireGuard devices. Pure. */

import { bytesEqual } from '../bytes.ts';
import type { WireguardDevice } from '../desired.ts';
import type { DeviceRules } from './device-rules.ts';

export const wireguardRules: DeviceRules<WireguardDevice> = {
  obstacle() {
    return undefined;
  },

  /** The public key tells whether the private one is right. */
  sameOptions({ wireguard }, link, observed) {
    const found = observed.wireguard.find(({ index }) => index === link.index);
    return (
      found?.publicKey !== undefined &&
      bytesEqual(found.publicKey, wireguard.publicKey) &&
      found.listenPort === wireguard.listenPort
    );
  },
};
