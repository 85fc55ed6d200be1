import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { OwnedFd } from './fd.ts';
import { connectUnix, receiveLine, sendAll } from './unix-stream.ts';

const directory = mkdtempSync(join(tmpdir(), 'underpod-stream-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A child that says `text` to whoever connects, in two pieces, and ends. */
async function talking(name: string, first: string, second: string): Promise<OwnedFd> {
  const path = join(directory, name);
  const script = `
    const server = Bun.listen({ unix: ${JSON.stringify(path)}, socket: {
      open(s) { s.write(${JSON.stringify(first)}); setTimeout(() => { s.write(${JSON.stringify(second)}); s.end(); server.stop(); }, 20); },
      data() {},
    }});
    console.log('ready');`;
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe' });
  await child.stdout.getReader().read();
  return connectUnix(path);
}

describe('a line from a unix socket', () => {
  test('is read to its end, in however many pieces it comes', async () => {
    using socket = await talking('pieces', 'a'.repeat(5000), `${'b'.repeat(5000)}\nrest`);
    sendAll(socket.fd, new TextEncoder().encode('ask\n'));
    const line = receiveLine(socket.fd, 100_000, 5000);
    expect(new TextDecoder().decode(line)).toBe('a'.repeat(5000) + 'b'.repeat(5000));
  });

  test('is nothing when the other side ends before', async () => {
    using socket = await talking('half', 'a', 'b');
    expect(receiveLine(socket.fd, 100, 5000)).toBeUndefined();
  });

  test('that is too long, or does not come, is an error', async () => {
    using socket = await talking('long', 'a'.repeat(100), 'b');
    expect(() => receiveLine(socket.fd, 10, 5000)).toThrow(/more than 10 bytes/);
    using other = await talking('silent', '', '');
    expect(() => receiveLine(other.fd, 10, 1)).toThrow(/no answer within/);
  });
});

test('a listener that accepts nobody is given up', () => {
  const path = join(directory, 'full');
  // It accepts in turns of the event loop, of which there is none here.
  const listener = Bun.listen({ unix: path, socket: { data() {} } });
  const sockets: OwnedFd[] = [];
  const fill = (): void => {
    for (let backlog = 0; backlog < 10_000; backlog += 1) sockets.push(connectUnix(path, 50));
  };
  expect(fill).toThrow(/ETIMEDOUT/);
  expect(sockets.length).toBeGreaterThan(0);
  for (const socket of sockets) socket.close();
  listener.stop(true);
});

test('nobody listens', () => {
  expect(() => connectUnix(join(directory, 'nobody'))).toThrow(/ENOENT/);
});
