import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { publicKeyOf, wireguardKey } from './wireguard-key-file.ts';

test.each([
  [
    'RFC 7748 section 6.1, Bob',
    '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  ],
  [
    'as Linux computed it',
    '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e40',
    Uint8Array.fromBase64('r1R6RAzWktNfxQ5eUarzjye5eN486HMhqLucxlljvxg=').toHex(),
  ],
])('a public key: %s', (_source, privateKey, publicKey) => {
  expect(publicKeyOf(Uint8Array.fromHex(privateKey)).toHex()).toBe(publicKey);
});

describe('the key file', () => {
  const directory = new TemporaryDirectory();

  test('is made once, for root alone, and read from then on', () => {
    const path = directory.join('new/flannel/wgkey');
    const { privateKey, publicKey } = wireguardKey(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe(privateKey.reveal().toBase64());
    expect(publicKeyOf(privateKey.reveal())).toEqual(publicKey);
    expect(wireguardKey(path).publicKey).toEqual(publicKey);
    const other = wireguardKey(directory.join('other'));
    expect(other.publicKey).not.toEqual(publicKey);
  });

  test('with a newline, as wg genkey writes it, is taken; an empty one, of a power cut, is filled', () => {
    const path = directory.join('wgkey');
    const { publicKey, privateKey } = wireguardKey(path);
    writeFileSync(path, `${privateKey.reveal().toBase64()}\n`);
    expect(wireguardKey(path).publicKey).toEqual(publicKey);
    writeFileSync(path, '');
    expect(wireguardKey(path).publicKey).not.toEqual(publicKey);
    expect(readFileSync(path, 'utf8')).toHaveLength(44);
  });

  test('with anything else in it is left, and what it holds is not told', () => {
    const path = directory.join('wrong');
    writeFileSync(path, 'top secret');
    expect(() => wireguardKey(path)).toThrow(/holds no WireGuard key.*delete it/);
    expect(() => wireguardKey(path)).not.toThrow(/top secret/);
    expect(readFileSync(path, 'utf8')).toBe('top secret');
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });
});
