/** Calls to a server that may be at several addresses. */

import {
  Client,
  connectivityState,
  credentials,
  type CallOptions as LibraryOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { RpcError } from './error.ts';
import { ClientStream } from './stream.ts';
import { NO_SERVER_NAME, TlsFiles, type TlsPaths } from './tls-files.ts';
import { decode } from './wire/decode.ts';
import { encode } from './wire/encode.ts';
import type { DuplexMethod, Init, Method, ServerStreamMethod, UnaryMethod } from './wire/schema.ts';

export interface ChannelOptions {
  /** `http://`, `https://` or `unix://`; the first that answers is used until it fails. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsPaths;
  /** How long one address has to connect, and to answer a call that says nothing else (ms). */
  readonly timeoutMs?: number;
  /** With a call running and nothing heard for this long, the other side is asked for a sign of life (ms)… */
  readonly keepaliveMs?: number;
  /** …which it has to give within this (ms), or the connection is given up and its calls end as UNAVAILABLE. */
  readonly keepaliveTimeoutMs?: number;
  /** The longest message that is taken (bytes); a longer one ends the call as RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes?: number;
}

export interface CallOptions {
  /** Ends the call as CANCELLED. */
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface UnaryOptions extends CallOptions {
  /** How long one address has to answer (ms). */
  readonly timeoutMs?: number;
  /**
   * The call does no harm when it is made twice: where one address fails the others are asked. Otherwise only the next
   * call goes elsewhere.
   */
  readonly repeatable?: boolean;
}

const TIMEOUT = 5000;
/** etcd ends connections on which pings come more often than every 5 s (its --grpc-keepalive-min-time). */
const KEEPALIVE = 6000;
const KEEPALIVE_TIMEOUT = 3000;
const MAX_MESSAGE = 64 * 1024 * 1024;
/** Files with certificates are looked at this often at most (ms). */
const TLS_CHECK = 1000;

interface Connection {
  readonly endpoint: Endpoint;
  readonly client: Client;
  readonly secure: unknown;
}

export class Channel implements Disposable {
  readonly #options: ChannelOptions;
  readonly #endpoints: readonly Endpoint[];
  readonly #tls: readonly TlsFiles[];
  #current = 0;
  #connection: Connection | undefined;
  #tlsCheckedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Connects when the first call is made. @throws Error for an address that is none */
  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#endpoints = options.endpoints.map(parseEndpoint);
    if (this.#endpoints.length === 0) throw new Error('a channel needs an address');
    this.#tls = this.#endpoints.map(({ address }) => new TlsFiles(options.tls ?? {}, address));
  }

  /** @throws RpcError */
  async unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    options: UnaryOptions = {},
  ): Promise<Response> {
    const attempts = options.repeatable ? this.#endpoints.length : 1;
    for (let attempt = 1; ; attempt++) {
      const connection = this.#connect(method);
      try {
        return await this.#call(connection, method, request, options);
      } catch (error) {
        if (!this.#gaveUp(connection, error) || attempt >= attempts || options.signal?.aborted) throw error;
      }
    }
  }

  /** One request, many answers. Answers come as fast as they are taken. @throws RpcError from the iteration */
  async *serverStream<Request, Response>(
    method: ServerStreamMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void, undefined> {
    const connection = await this.#ready(method, options);
    const call = connection.client.makeServerStreamRequest(...wire(method), request, metadataOf(options));
    using stream = new ClientStream<Request, Response>(call, callName(method, connection), options.signal);
    yield* this.#answers(connection, stream);
  }

  /** Both sides speak. The caller disposes of the stream, which ends the call. @throws RpcError when nobody answers */
  async duplex<Request, Response>(
    method: DuplexMethod<Request, Response>,
    options: CallOptions = {},
  ): Promise<ClientStream<Request, Response>> {
    const connection = await this.#ready(method, options);
    const call = connection.client.makeBidiStreamRequest(...wire(method), metadataOf(options));
    return new ClientStream(call, callName(method, connection), options.signal, (error) => {
      this.#gaveUp(connection, error);
    });
  }

  /** Calls that run end as they like; new ones fail. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#drop();
  }

  async *#answers<Request, Response>(
    connection: Connection,
    stream: ClientStream<Request, Response>,
  ): AsyncGenerator<Response, void, undefined> {
    try {
      yield* stream;
    } catch (error) {
      this.#gaveUp(connection, error);
      throw error;
    }
  }

  #call<Request, Response>(
    connection: Connection,
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    options: UnaryOptions,
  ): Promise<Response> {
    const { signal } = options;
    const name = callName(method, connection);
    if (signal?.aborted) return Promise.reject(new RpcError('CANCELLED', 'given up by the caller', name));
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT;
    const settings: LibraryOptions = { deadline: Date.now() + timeoutMs };
    return new Promise((resolve, reject) => {
      const cancel = (): void => call.cancel();
      const done = (error: ServiceError | null, response?: Response): void => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(RpcError.from(error, name));
        else resolve(response as Response);
      };
      const call = connection.client.makeUnaryRequest(
        ...wire(method),
        request,
        metadataOf(options),
        settings,
        done,
      );
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** A connection that stands: a stream has no deadline that would end the wait for one. */
  async #ready<Request, Response>(
    method: Method<Request, Response>,
    { signal }: CallOptions,
  ): Promise<Connection> {
    const timeoutMs = this.#options.timeoutMs ?? TIMEOUT;
    for (let attempt = 1; ; attempt++) {
      const connection = this.#connect(method);
      const name = callName(method, connection);
      const error = await readiness(connection.client, Date.now() + timeoutMs, signal);
      if (signal?.aborted) throw new RpcError('CANCELLED', 'given up by the caller', name);
      if (!error) return connection;
      const failure = new RpcError('UNAVAILABLE', 'cannot be reached', name, { cause: error });
      this.#gaveUp(connection, failure);
      if (attempt >= this.#endpoints.length) throw failure;
    }
  }

  #connect<Request, Response>(method: Method<Request, Response>): Connection {
    if (this.#closed) throw new RpcError('CANCELLED', 'the channel is closed', method.path);
    const endpoint = this.#endpoints[this.#current] as Endpoint;
    const { client, secure } = this.#connection ?? {};
    if (client && this.#connection?.endpoint === endpoint) {
      if (
        !endpoint.tls ||
        performance.now() - this.#tlsCheckedAt < TLS_CHECK ||
        secure === this.#secure(endpoint)
      )
        return this.#connection;
      // Calls that run keep the former connection.
      this.#drop();
    }
    const fresh = this.#secure(endpoint);
    this.#connection = {
      endpoint,
      secure: fresh,
      client: new Client(endpoint.target, fresh, this.#libraryOptions(endpoint)),
    };
    return this.#connection;
  }

  #secure(endpoint: Endpoint): ReturnType<typeof credentials.createInsecure> {
    if (!endpoint.tls) return insecure;
    this.#tlsCheckedAt = performance.now();
    try {
      return (this.#tls[this.#current] as TlsFiles).current();
    } catch (cause) {
      throw new RpcError('UNAVAILABLE', 'the certificates cannot be used', endpoint.url, { cause });
    }
  }

  /**
   * After a failure that another address, or another connection, may not have: the next call goes there. The library
   * would wait longer and longer before it connects again; when to ask again is the caller's decision.
   */
  #gaveUp(connection: Connection, error: unknown): boolean {
    const { code } = RpcError.from(error);
    if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') return false;
    if (this.#connection === connection) {
      this.#drop();
      this.#current = (this.#current + 1) % this.#endpoints.length;
    }
    return true;
  }

  #drop(): void {
    this.#connection?.client.close();
    this.#connection = undefined;
  }

  #libraryOptions({ tls, address }: Endpoint): Record<string, string | number> {
    const { keepaliveMs, keepaliveTimeoutMs, maxMessageBytes } = this.#options;
    return {
      'grpc.keepalive_time_ms': keepaliveMs ?? KEEPALIVE,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs ?? KEEPALIVE_TIMEOUT,
      'grpc.max_receive_message_length': maxMessageBytes ?? MAX_MESSAGE,
      'grpc.max_send_message_length': maxMessageBytes ?? MAX_MESSAGE,
      // Each channel is its own: another one's failures must not delay it.
      'grpc.use_local_subchannel_pool': 1,
      ...(tls && address !== undefined && { 'grpc.ssl_target_name_override': NO_SERVER_NAME }),
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    };
  }
}

const insecure = credentials.createInsecure();

/** What the library's calls begin with. */
function wire<Request, Response>({
  path,
  request,
  response,
}: Method<Request, Response>): [
  path: string,
  serialize: (message: Init<NoInfer<Request>>) => Buffer,
  deserialize: (bytes: Buffer) => Response,
] {
  return [
    path,
    (message) => {
      const bytes = encode(request, message);
      return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
    },
    (bytes) => decode(response, bytes),
  ];
}

function metadataOf({ metadata }: CallOptions): Metadata {
  const result = new Metadata();
  for (const [key, value] of Object.entries(metadata ?? {})) result.set(key, value);
  return result;
}

function callName<Request, Response>({ path }: Method<Request, Response>, { endpoint }: Connection): string {
  return `${path.slice(path.lastIndexOf('/') + 1)} of ${endpoint.url}`;
}

/** Connects unless it is connected already; the error of the first try, where that fails. */
function readiness(
  client: Client,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Error | undefined> {
  const channel = client.getChannel();
  return new Promise((resolve) => {
    const done = (error?: Error): void => {
      signal?.removeEventListener('abort', aborted);
      resolve(error);
    };
    const aborted = (): void => done(new Error('aborted'));
    const look = (late?: Error): void => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) done();
      else if (state === connectivityState.TRANSIENT_FAILURE) done(new Error('the connection failed'));
      else if (late || signal?.aborted) done(late);
      else channel.watchConnectivityState(state, deadline, look);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    look();
  });
}
