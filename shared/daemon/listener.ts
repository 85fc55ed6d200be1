/**
 * An HTTP server whose port may be taken: it is tried again until it is free, and nobody waits for it. kube-proxy, whose
 * ports ours takes over, may hold them for a while longer.
 */

import { errorText } from '../log/format.ts';
import type { Logger } from '../log/logger.ts';
import type { Clock, Timer } from './clock.ts';
import { type Answer, type HttpServer, serveTcp } from './http.ts';

/** Between two attempts, in ms: kube-proxy's own is 5 s. */
const RETRY = 1000;
/** After so many attempts it is no program any more that is about to end. */
const PATIENCE = 10;

export interface ListenerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** For people: `healthz`. */
  readonly what: string;
  readonly address: string;
  /** An unspecified address is that of both families, unless it is said to be of one. */
  readonly family?: 4 | 6;
  readonly port: number;
  readonly answer: Answer;
  /** It listens, at once or later. */
  readonly onListen?: () => void;
  /** Called once, where the port could not be had for ten seconds. */
  readonly onRefused?: (why: string) => void;
}

export class Listener implements Disposable {
  readonly #options: ListenerOptions;
  #server: HttpServer | undefined;
  #retry: Timer | undefined;
  #told = false;
  #attempts = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#listen();
  }

  /** False while the port is taken. */
  get listens(): boolean {
    return this.#server !== undefined;
  }

  /** The port that is listened on, for who asked for 0. */
  get port(): number | undefined {
    return this.#server?.port;
  }

  [Symbol.dispose](): void {
    this.#retry?.cancel();
    this.#server?.[Symbol.dispose]();
  }

  #listen(): void {
    const { clock, log, what, address, family, port, answer, onListen, onRefused } = this.#options;
    try {
      this.#server = serve(address, family, port, answer);
      if (this.#told) log.info('the port is free now', { what, address, port });
      onListen?.();
    } catch (error) {
      if (!this.#told)
        log.warn('the port cannot be listened on; tried again every second', {
          what,
          address,
          port,
          error: errorText(error),
        });
      this.#told = true;
      this.#attempts += 1;
      if (this.#attempts === PATIENCE) onRefused?.(errorText(error));
      this.#retry = clock.after(RETRY, () => this.#listen());
    }
  }
}

/** An unspecified address is that of both families, as in Go's servers. */
function serve(address: string, family: 4 | 6 | undefined, port: number, answer: Answer): HttpServer {
  if (family !== undefined) return serveTcp(address, port, answer, address === '::');
  const isAny = address === '0.0.0.0' || address === '::';
  try {
    return serveTcp(isAny ? '::' : address, port, answer);
  } catch (error) {
    // A kernel without IPv6.
    const isTaken = ((error as Error).cause as { code?: string }).code === 'EADDRINUSE';
    if (!isAny || isTaken) throw error;
    return serveTcp('0.0.0.0', port, answer);
  }
}
