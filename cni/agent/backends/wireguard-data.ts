/** What a WireGuard node tells its peers: flannel's `{"PublicKey":"…","Port":51820}`. Pure. */

import type { Json } from '../../../shared/store/registry.ts';

/** Bytes of a key (Curve25519, RFC 7748). */
export const KEY_LENGTH = 32;

export interface WireguardData {
  readonly publicKey: Uint8Array;
  /** UDP port; absent in what old versions of flannel published. */
  readonly port?: number;
}

/** The published form. */
export function wireguardData(publicKey: Uint8Array, port: number): Json {
  return { PublicKey: publicKey.toBase64(), Port: port };
}

/** Reads what a peer published; `undefined` where there is no key in it. */
export function parseWireguardData(data: unknown): WireguardData | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { PublicKey: text, Port: port } = data as { readonly PublicKey?: unknown; readonly Port?: unknown };
  const publicKey = typeof text === 'string' ? parseKey(text) : undefined;
  if (!publicKey) return undefined;
  const isPort = typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536;
  return { publicKey, ...(isPort && { port }) };
}

/** A key in base64, as `wg` writes it; `undefined` for anything else. */
export function parseKey(text: string): Uint8Array | undefined {
  // 32 bytes take 43 digits and one "=".
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)) return undefined;
  const key = Uint8Array.fromBase64(text);
  // All zeros is how the kernel says "none".
  return key.every((byte) => byte === 0) ? undefined : key;
}
