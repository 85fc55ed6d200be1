/** The asking half of a probe: one function for each thing the lab can have tried from a pod, a node or outside. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import {
  generate,
  PROBE_PORT,
  plainAddress,
  type TcpAnswer,
  type TransferAnswer,
  type UdpAnswer,
} from './protocol.ts';

/** A lost datagram or one that waited for a neighbour's address is sent again after this time, in ms. */
const RESEND = 200;

interface Fetched {
  readonly local: string;
  readonly chunks: Uint8Array[];
}

function fetchTcp(host: string, request: object, timeout: number, port = PROBE_PORT): Promise<Fetched> {
  const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
  const socket = connect({ host, port });
  const chunks: Uint8Array[] = [];
  let local = '';
  const timer = setTimeout(() => {
    const got = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    reject(
      new Error(
        local === '' ? `no connection within ${timeout} ms` : `stalled after ${got} bytes (${timeout} ms)`,
      ),
    );
    socket.destroy();
  }, timeout);
  socket.on('connect', () => {
    local = plainAddress(socket.localAddress);
    socket.write(`${JSON.stringify(request)}\n`);
  });
  socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  socket.on('end', () => resolve({ local, chunks }));
  socket.on('error', reject);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

export async function tcp(host: string, timeout: number, port?: number): Promise<TcpAnswer> {
  const { local, chunks } = await fetchTcp(host, {}, timeout, port);
  const [seen = '', by = ''] = Buffer.concat(chunks).toString('latin1').trim().split(' ');
  return { local, seen, by };
}

export async function transfer(
  host: string,
  bytes: number,
  seed: number,
  timeout: number,
): Promise<TransferAnswer> {
  const start = performance.now();
  const { chunks } = await fetchTcp(host, { bytes, seed }, timeout);
  const ms = performance.now() - start;
  const got = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes arrived`);
  const digest = new Bun.CryptoHasher('sha256');
  for (const chunk of chunks) digest.update(chunk);
  if (digest.digest('hex') !== new Bun.CryptoHasher('sha256').update(generate(bytes, seed)).digest('hex')) {
    throw new Error(`the checksum of ${bytes} bytes differs`);
  }
  return { bytes, ms };
}

export async function udp(host: string, nonce: string, timeout: number): Promise<UdpAnswer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<UdpAnswer>();
  let sent = 0;
  let refused = '';
  const send = (): void => {
    sent++;
    socket.send(nonce, PROBE_PORT, host, (error) => {
      if (error) refused = `; the kernel said ${error.message}`;
    });
  };
  socket.on('error', (error) => {
    refused = `; the kernel said ${error.message}`;
  });
  socket.on('message', (message) => {
    const [echoed, seen = ''] = message.toString('latin1').split(' ');
    if (echoed === nonce) resolve({ seen, sent });
  });
  const resend = setInterval(send, RESEND);
  const timer = setTimeout(
    () => reject(new Error(`no echo of ${sent} datagrams in ${timeout} ms${refused}`)),
    timeout,
  );
  send();
  try {
    return await promise;
  } finally {
    clearInterval(resend);
    clearTimeout(timer);
    socket.close();
  }
}

/** Bytes of IP and ICMP headers around ping's payload (RFC 791/792, RFC 8200/4443). */
const PING_HEADERS = { 4: 28, 6: 48 } as const;

export async function ping(host: string, size: number | undefined, timeout: number): Promise<object> {
  const headers = host.includes(':') ? PING_HEADERS[6] : PING_HEADERS[4];
  const sized = size === undefined ? [] : ['-M', 'do', '-s', String(size - headers)];
  // One packet: the kernel itself keeps it while it looks up the neighbour.
  const argv = ['ping', '-n', '-q', '-c', '1', '-W', String(timeout / 1000), ...sized, host];
  const child = Bun.spawn(argv, {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: timeout + 500,
    killSignal: 9,
  });
  const [code, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  if (code === 0) return {};
  const said = `${err}\n${out}`.match(
    /(message too long.*|mtu ?= ?\d+|unreachable.*|prohibited.*|Operation not permitted)/i,
  );
  const what =
    size === undefined ? 'no answer' : `no answer to a packet of ${size} bytes that must not be fragmented`;
  throw new Error(`${what} within ${timeout} ms${said === null ? '' : ` (${said[0].trim()})`}`);
}

/** Asks `url` every 10 ms until it answers 200. */
export async function ready(url: string, timeout: number): Promise<object> {
  const deadline = performance.now() + timeout;
  let last = 'no answer';
  while (performance.now() < deadline) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
      const body = await response.text();
      if (response.status === 200) return {};
      last = `${response.status} ${body.trim()}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await Bun.sleep(10);
  }
  throw new Error(`${url} is not ready after ${timeout} ms: ${last}`);
}
