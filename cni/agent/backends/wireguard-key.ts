/** A node's WireGuard key pair. Pure. */

import type { Secret } from '../network/secret.ts';

export interface WireguardKey {
  readonly privateKey: Secret;
  readonly publicKey: Uint8Array;
}
