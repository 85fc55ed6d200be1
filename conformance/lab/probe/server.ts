/** The listening half of a probe: it tells clients the address it sees them under, echoes datagrams and sends data. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { generate, PROBE_PORT, plainAddress } from './protocol.ts';

/** Datagrams' nonces kept for `saw`; far more than a run of all checks sends. */
const REMEMBERED = 4096;

/** Where datagrams came from, by nonce. */
export class Sightings {
  readonly #from = new Map<string, string>();
  readonly #waiting = new Map<string, (from: string) => void>();

  record(nonce: string, from: string): void {
    this.#from.set(nonce, from);
    this.#waiting.get(nonce)?.(from);
    this.#waiting.delete(nonce);
    if (this.#from.size > REMEMBERED) this.#from.delete(this.#from.keys().next().value as string);
  }

  /** The sender of `nonce`, now or within `timeout` ms; undefined if none came. */
  async wait(nonce: string, timeout: number): Promise<string | undefined> {
    const known = this.#from.get(nonce);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#waiting.set(nonce, resolve);
    const timer = setTimeout(() => resolve(undefined), timeout);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(nonce);
    }
  }
}

/** Listens on PROBE_PORT of every address, both families and both protocols; a family the kernel lacks is left out. */
export async function listen(): Promise<Sightings> {
  const sightings = new Sightings();
  await Promise.all([
    tcp('0.0.0.0'),
    udp(createSocket('udp4'), '0.0.0.0', sightings),
    unlessNoIpv6(tcp('::')),
    unlessNoIpv6(udp(createSocket({ type: 'udp6', ipv6Only: true }), '::', sightings)),
  ]);
  return sightings;
}

async function unlessNoIpv6(listening: Promise<void>): Promise<void> {
  try {
    await listening;
  } catch (error) {
    if (!/EAFNOSUPPORT|EADDRNOTAVAIL/.test(String(error))) throw error;
  }
}

function tcp(host: string): Promise<void> {
  const server: Server = createServer(serve);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port: PROBE_PORT, ipv6Only: host === '::' }, () => resolve());
  return promise;
}

/**
 * One line of JSON is the request: `{}` for the client's address and ours, `{bytes, seed}` for data, `{echo}` for what follows. A
 * line that is none comes back with our address, and the connection stays (conformance/proxy/traffic).
 */
function serve(socket: Socket): void {
  let request = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    request += chunk.toString('latin1');
    const end = request.indexOf('\n');
    if (end < 0) return;
    if (!request.startsWith('{')) {
      const words = request.split('\n');
      request = words.pop() ?? '';
      socket.write(words.map((word) => `${word} ${plainAddress(socket.localAddress)}\n`).join(''));
      return;
    }
    const { bytes, seed, echo } = JSON.parse(request.slice(0, end)) as {
      bytes?: number;
      seed?: number;
      echo?: true;
    };
    if (echo) {
      socket.removeAllListeners('data');
      socket.write(request.slice(end + 1), 'latin1');
      socket.setNoDelay(true).pipe(socket);
    } else if (bytes === undefined)
      socket.end(`${plainAddress(socket.remoteAddress)} ${plainAddress(socket.localAddress)}\n`);
    else socket.end(generate(bytes, seed ?? 1));
  });
}

function udp(socket: UdpSocket, host: string, sightings: Sightings): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.on('message', (message, from) => {
    const nonce = message.toString('latin1');
    const seen = plainAddress(from.address);
    sightings.record(nonce, seen);
    socket.send(`${nonce} ${seen}`, from.port, from.address, () => {});
  });
  socket.bind(PROBE_PORT, host, () => resolve());
  return promise;
}
