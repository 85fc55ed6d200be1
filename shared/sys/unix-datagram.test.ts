import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AF, MSG, SOCK } from './constants.ts';
import type { OwnedFd } from './fd.ts';
import { openSocket, receive } from './socket.ts';
import { syscall } from './syscall.ts';
import { sendUnixDatagram } from './unix-datagram.ts';

const directory = mkdtempSync(join(tmpdir(), 'underpod-unix-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A datagram socket bound to a name; the kernel ends a path at its NUL byte and an abstract name at the address's end. */
function listen(name: string): OwnedFd {
  const socket = openSocket(AF.UNIX, SOCK.DGRAM, 0);
  const bytes = new TextEncoder().encode(name.replace(/^@/, '\0'));
  const address = new Uint8Array(2 + bytes.length);
  address[0] = AF.UNIX;
  address.set(bytes, 2);
  syscall('bind', name, socket.fd, address, address.length);
  return socket;
}

describe('a datagram to a unix socket', () => {
  test.each([
    ['a path', join(directory, 'notify')],
    ['an abstract name', `@underpod-test-${process.pid}`],
  ])('reaches %s', (_what, name) => {
    using socket = listen(name);
    sendUnixDatagram(name, new TextEncoder().encode('READY=1'));
    const buffer = new Uint8Array(100);
    const length = receive(socket.fd, buffer, MSG.DONTWAIT);
    expect(new TextDecoder().decode(buffer.subarray(0, length))).toBe('READY=1');
  });

  test('to nobody, or to a name that is too long, is an error', () => {
    expect(() => sendUnixDatagram(join(directory, 'nobody'), new Uint8Array(1))).toThrow(/ENOENT/);
    expect(() => sendUnixDatagram(`/${'x'.repeat(200)}`, new Uint8Array(1))).toThrow(/ENAMETOOLONG/);
  });
});
