/** One HTTP request to the API server: credentials, patience, and its refusals as KubeError. */

import { connectionProblem } from '../net/connection-problem.ts';
import { unlessAborted } from '../net/unless-aborted.ts';
import type { Access, AccessSource } from './access/access.ts';
import type { KubeClock } from './clock.ts';
import { sleep } from './clock.ts';
import { isUnauthorized, KubeError } from './errors.ts';
import { RequestAccount, type RequestObserver } from './observer.ts';
import type { Status } from './types.ts';
import { Watchdog } from './watchdog.ts';
import { decodeStatus, PROTOBUF_TYPE } from './wire/decode-status.ts';

/** How long the server may take until its answer begins, in ms. */
const HEADERS_MS = 30_000;
/** How long a body may pause, in ms. */
const PAUSE_MS = 30_000;
/**
 * How long an answer may take in all, however steadily it drips, in ms. Of what is no watch the API server itself gives up
 * after a minute (kube-apiserver, --request-timeout).
 */
const WHOLE_MS = 90_000;
/** How often a request is repeated because the server asked to come back later, as client-go does up to ten times. */
const MOST_RETRIES = 5;
/** The longest wait for that, in ms; what takes longer is the caller's to decide. */
const LONGEST_WAIT = 10_000;

const JSON_TYPE = 'application/json';

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** By default application/json. */
  readonly contentType?: string;
  /** The forms in which the answer may come; by default application/json. */
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has not been read yet. Dispose of it in any case. */
export interface Answer extends Disposable {
  /** Fails where nothing comes for too long. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly watchdog: Watchdog;
  /** The request, for people. */
  readonly what: string;
  /** Which form it came in, without parameters. */
  readonly contentType: string;
}

export interface TransportOptions {
  readonly access: AccessSource;
  readonly clock: KubeClock;
  /** `underpod/0.1.0 agent` */
  readonly userAgent: string;
  /** Who counts requests. */
  readonly observer?: RequestObserver;
}

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The server, for people. */
  get server(): string {
    return this.#options.access.server;
  }

  /**
   * Sends, and waits for the answer's head. What the server turns away with Retry-After is sent again, a refused token
   * is read anew, once.
   *
   * @param pauseMs how long the body may pause
   * @throws KubeError; AccessError; the signal's reason where that is aborted
   */
  async send(request: Request, pauseMs: number = PAUSE_MS): Promise<Answer> {
    const { method, query } = request;
    const account = new RequestAccount(this.#options.observer, method, query?.['watch'] === true);
    try {
      return await this.#sendPatiently(request, pauseMs, account);
    } catch (error) {
      account.end();
      throw error;
    }
  }

  async #sendPatiently(request: Request, pauseMs: number, account: RequestAccount): Promise<Answer> {
    let refused = false;
    for (let retries = 0; ; retries++) {
      try {
        return await this.#sendOnce(request, pauseMs, account);
      } catch (error) {
        if (isUnauthorized(error) && !refused) {
          refused = true;
          this.#options.access.refused();
          continue;
        }
        const wait = retryAfter(error);
        if (wait === undefined || wait > LONGEST_WAIT || retries >= MOST_RETRIES) throw error;
        await sleep(this.#options.clock, wait, request.signal);
        request.signal?.throwIfAborted();
      }
    }
  }

  /** Sends, and reads an answer of one JSON value. */
  async json(request: Request): Promise<unknown> {
    using answer = await this.send(request);
    const parts: Uint8Array<ArrayBufferLike>[] = [];
    for await (const chunk of answer.chunks) parts.push(chunk);
    try {
      return JSON.parse(await new Blob(parts as Uint8Array<ArrayBuffer>[]).text());
    } catch (cause) {
      throw new KubeError(`${answer.what}: the answer is no JSON`, { code: 0, reason: 'BadAnswer', cause });
    }
  }

  async #sendOnce(request: Request, pauseMs: number, account: RequestAccount): Promise<Answer> {
    const { access, clock } = this.#options;
    request.signal?.throwIfAborted();
    const at = await unlessAborted(access.current(), request.signal);
    const what = `${request.method} ${at.server}${request.path}`;
    const watchdog = new Watchdog(clock, what, request.signal);
    try {
      watchdog.arm('whole', WHOLE_MS, 'the answer was not complete after');
      watchdog.arm('answer', HEADERS_MS);
      const response = await this.#fetch(request, at, watchdog.signal, what, account);
      watchdog.disarm('answer');
      watchdog.arm('pause', pauseMs);
      const chunks = read(response, watchdog, pauseMs, what, account);
      if (!response.ok) throw await refusal(response, chunks, what);
      return {
        chunks,
        watchdog,
        what,
        contentType: typeOf(response),
        [Symbol.dispose]: () => {
          watchdog[Symbol.dispose]();
          account.end();
        },
      };
    } catch (error) {
      watchdog[Symbol.dispose]();
      throw error;
    }
  }

  async #fetch(
    request: Request,
    at: Access,
    signal: AbortSignal,
    what: string,
    account: RequestAccount,
  ): Promise<Response> {
    const { method, path, query = {}, contentType = JSON_TYPE, accept = JSON_TYPE } = request;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const url = new URL(at.server + path);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    // `timeout: false` is Bun's own: a request that takes longer than 360 s, as watches do, would be ended.
    const init: BunFetchRequestInit & { readonly timeout: false } = {
      method,
      signal,
      timeout: false,
      redirect: 'manual',
      headers: {
        ...at.headers,
        accept,
        'user-agent': this.#options.userAgent,
        ...(body !== undefined && { 'content-type': contentType }),
      },
      ...(body !== undefined && { body }),
      ...(at.tls && { tls: at.tls }),
      ...(at.proxy !== undefined && { proxy: at.proxy }),
    };
    account.attempt(url.host, body === undefined ? undefined : Buffer.byteLength(body));
    try {
      const response = await fetch(url, init);
      account.answered(response.status);
      return response;
    } catch (error) {
      // Who stopped asking is no server that did not answer.
      if (!request.signal?.aborted) account.answered(undefined);
      throw unreachable(error, signal, what);
    }
  }
}

async function* read(
  response: Response,
  watchdog: Watchdog,
  pauseMs: number,
  what: string,
  account: RequestAccount,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      watchdog.arm('pause', pauseMs);
      account.received(value.length);
      yield value;
    }
  } catch (error) {
    throw unreachable(error, watchdog.signal, what);
  }
}

/** How an aborted or failed fetch is told. */
function unreachable(error: unknown, signal: AbortSignal, what: string): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof KubeError) return error;
  const problem = connectionProblem(error);
  // The words of the runtime would follow the plain ones.
  const cause = problem === undefined ? { cause: error } : {};
  const why = `${problem ?? textOf(error)}${adviceOn(problem ?? '')}`;
  return new KubeError(`${what}: ${why}`, { code: 0, reason: 'Unreachable', ...cause });
}

function textOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === 'string' ? code : String(message);
}

function adviceOn(problem: string): string {
  if (problem.includes('does not name this host')) return ': set tls-server-name';
  if (problem.includes('not trusted')) return '; it is not of the authority (CA) that is configured';
  return '';
}

/** The error of an answer that is none of 2xx. */
async function refusal(
  response: Response,
  chunks: AsyncIterable<Uint8Array>,
  what: string,
): Promise<KubeError> {
  const parts: Uint8Array[] = [];
  let size = 0;
  // A Status is short; what a proxy writes may not be.
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size <= 65_536) parts.push(chunk);
  }
  const body = Buffer.concat(parts);
  let status: Partial<Status>;
  try {
    status =
      typeOf(response) === PROTOBUF_TYPE
        ? decodeStatus(body)
        : (JSON.parse(body.toString()) as Partial<Status>);
  } catch {
    status = { message: body.toString('utf8', 0, 200).trim() };
  }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return KubeError.from(what, response.status, status, Number.isNaN(seconds) ? undefined : seconds * 1000);
}

/** `application/json; charset=utf-8` without what follows the semicolon. */
function typeOf(response: Response): string {
  return (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
}

/** In how many ms the server wants to see the request again. */
function retryAfter(error: unknown): number | undefined {
  if (!(error instanceof KubeError)) return undefined;
  return error.code === 429 || error.code === 503 ? error.retryAfterMs : undefined;
}
