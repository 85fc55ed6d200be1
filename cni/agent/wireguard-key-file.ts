/** The node's WireGuard key on disk: flannel's file, so that either agent takes over the other's key. */

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdirp, readTextIfExists, writeFileAtomic } from '../../shared/sys/file.ts';
import { KEY_LENGTH, parseKey } from './backends/wireguard-data.ts';
import type { WireguardKey } from './backends/wireguard-key.ts';
import { Secret } from './network/secret.ts';

/**
 * Reads the key, or makes one that is on disk when this returns.
 *
 * @throws Error when the file holds something else, which is left as it is
 * @throws SyscallError when it cannot be read or written
 */
export function wireguardKey(path: string): WireguardKey {
  const text = readTextIfExists(path)?.trim();
  const privateKey = text ? parseKey(text) : newPrivateKey();
  if (!privateKey)
    throw new Error(
      `${path} holds no WireGuard key (32 bytes in base64, as \`wg genkey\` makes them): delete it to get a new one`,
    );
  if (!text) {
    mkdirp(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.', 0o755);
    // Without a newline, as flannel writes it.
    writeFileAtomic(path, privateKey.toBase64(), { mode: 0o600 });
  }
  return { privateKey: new Secret(privateKey), publicKey: publicKeyOf(privateKey) };
}

/** Random bytes, with the bits set that make them a Curve25519 scalar (RFC 7748 section 5). */
function newPrivateKey(): Uint8Array {
  const key = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  return key;
}

/** What RFC 8410 (section 7) puts before the bytes of an X25519 private key: PKCS #8 with algorithm 1.3.101.110. */
const PKCS8_PREFIX = '302e020100300506032b656e04220420';

/** The public key of a private one. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const prefix = Uint8Array.fromHex(PKCS8_PREFIX);
  const der = Buffer.concat([prefix, privateKey]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  der.fill(0);
  // SubjectPublicKeyInfo ends in the key's own bytes.
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-KEY_LENGTH));
}
