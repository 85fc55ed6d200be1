/** HTTP of programs that stay: on TCP, and on a unix socket for root. */

import { existsSync } from 'node:fs';
import { chmod, mkdirp, unlinkIfExists } from '../sys/file.ts';

export type Answer = (request: Request) => Response | Promise<Response>;

export interface HttpServer extends Disposable {
  /** The one that it got, for who asked for 0. */
  readonly port: number;
}

/**
 * @param isV6Only where `address` is `::`: not on IPv4's addresses as well
 * @throws Error naming address and port when that is taken
 */
export function serveTcp(address: string, port: number, answer: Answer, isV6Only = false): HttpServer {
  try {
    const server = Bun.serve({
      hostname: address,
      port,
      ...(isV6Only && { ipv6Only: true }),
      error: failed,
      fetch: answer,
    });
    return { port: server.port ?? port, [Symbol.dispose]: () => void server.stop(true) };
  } catch (error) {
    throw new Error(`cannot serve HTTP on ${address}:${port}`, { cause: error });
  }
}

/**
 * Serves on a socket for root only, which goes when it ends.
 *
 * @param directory made with mode 0700 where it is missing
 * @param name of the socket, `agent.sock`
 */
export function serveSocket(directory: string, name: string, answer: Answer): Disposable {
  mkdirp(directory, 0o700);
  const path = `${directory}/${name}`;
  // One that a killed program left makes binding fail.
  unlinkIfExists(path);
  const server = Bun.serve({ unix: path, error: failed, fetch: answer });
  chmod(path, 0o600);
  return {
    [Symbol.dispose]() {
      void server.stop(true);
      if (existsSync(path)) unlinkIfExists(path);
    },
  };
}

export function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

/** In place of Bun's page, which shows the program's source. */
function failed(error: Error): Response {
  return text(500, `${error.message}\n`);
}
