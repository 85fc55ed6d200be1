/** The daemon's unix socket: a JSON object a line, answered in order. */

import { isErrno } from '../../../shared/sys/errno.ts';
import { chmod, mkdirp, unlinkIfExists } from '../../../shared/sys/file.ts';
import { connectUnix } from '../../../shared/sys/unix-stream.ts';
import type { DhcpRequest } from '../../protocol/dhcp-daemon.ts';
import {
  decodeDhcpRequest,
  encodeDhcpAnswer,
  encodeDhcpError,
  maxDhcpLine,
} from '../../protocol/dhcp-daemon.ts';
import { CniError, internalError } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';

export type Handler = (request: DhcpRequest, signal: AbortSignal) => Promise<JsonObject>;

/**
 * Listens for root only. Ends with the returned object; what is being asked then is aborted.
 *
 * @throws Error where another daemon listens there
 */
export function serve(path: string, handler: Handler): Disposable {
  mkdirp(path.slice(0, Math.max(1, path.lastIndexOf('/'))), 0o700);
  requireNobodyListens(path);
  // One that a killed daemon left makes binding fail.
  unlinkIfExists(path);
  using stack = new DisposableStack();
  const before = process.umask(0o177);
  try {
    stack.defer(() => void unlinkIfExists(path));
    stack.use(listen({ unix: path }, handler));
    chmod(path, 0o600);
    return stack.move();
  } finally {
    process.umask(before);
  }
}

/** As `serve`, on a socket that somebody else has made, who sees to its permissions and its end. */
export function serveDescriptor(fd: number, handler: Handler): Disposable {
  return listen({ fd } as unknown as { unix: string }, handler);
}

/** @param where `{fd}` as well, which Bun takes, but its type declarations (1.4.4) lack */
function listen(where: { readonly unix: string }, handler: Handler): Disposable {
  const connections = new Set<Connection>();
  const listener = Bun.listen<Connection>({
    ...where,
    socket: {
      open(socket) {
        socket.data = new Connection(socket, handler);
        connections.add(socket.data);
      },
      data: (socket, bytes) => socket.data.receive(bytes),
      drain: (socket) => socket.data.flush(),
      close(socket) {
        connections.delete(socket.data);
        socket.data.abort();
      },
      error: (socket) => socket.data.abort(),
    },
  });
  return {
    [Symbol.dispose]() {
      listener.stop(true);
      for (const connection of connections) connection.abort();
    },
  };
}

function requireNobodyListens(path: string): void {
  try {
    connectUnix(path).close();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) return;
    throw error;
  }
  throw new Error(`another daemon listens on ${path}: stop it, or choose another socket with --socket`);
}

class Connection {
  readonly #socket: Bun.Socket<Connection>;
  readonly #handler: Handler;
  readonly #gone = new AbortController();
  #received: Uint8Array = new Uint8Array();
  #unsent: Uint8Array = new Uint8Array();
  /** Requests are worked on one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(socket: Bun.Socket<Connection>, handler: Handler) {
    this.#socket = socket;
    this.#handler = handler;
  }

  receive(bytes: Uint8Array): void {
    let rest = Buffer.concat([this.#received, bytes]);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      this.#turn = this.#turn.then(() => this.#answer(line));
    }
    this.#received = rest;
    if (rest.length > maxDhcpLine) this.#socket.terminate();
  }

  async #answer(line: Uint8Array): Promise<void> {
    const { signal } = this.#gone;
    if (signal.aborted) return;
    let answer: string;
    try {
      answer = encodeDhcpAnswer(await this.#handler(decodeDhcpRequest(line), signal));
    } catch (error) {
      answer = encodeDhcpError(
        error instanceof CniError
          ? error
          : internalError(error instanceof Error ? error.message : String(error)),
      );
    }
    this.#unsent = Buffer.concat([this.#unsent, new TextEncoder().encode(answer)]);
    this.flush();
  }

  flush(): void {
    if (this.#gone.signal.aborted || this.#unsent.length === 0) return;
    this.#unsent = this.#unsent.subarray(Math.max(0, this.#socket.write(this.#unsent)));
  }

  abort(): void {
    this.#gone.abort();
  }
}
