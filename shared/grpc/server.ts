/** The server's side: handlers are functions and generators, clients come by a unix socket. */

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { chmod, rename, unlinkIfExists } from '../sys/file.ts';
import { CODE, isRpcError, RpcError } from './error.ts';
import { isListening } from './unix-socket.ts';
import { decode } from './wire/decode.ts';
import { encode } from './wire/encode.ts';
import type { DuplexMethod, Init, Method, ServerStreamMethod, UnaryMethod } from './wire/schema.ts';

/** What a handler knows of the call. */
export interface ServerCall {
  /** Aborted when the client gives up, its deadline passes, its connection ends, or the server stops. */
  readonly signal: AbortSignal;
  readonly metadata: ReadonlyMap<string, string>;
}

/** 16 MB: what the kubelet and containerd take (gRPC's own default is 4). */
const MAX_MESSAGE = 16 * 1024 * 1024;

/** How long calls that a stopping server ends have to tell their clients (ms). */
const LAST_WORDS = 100;

export class RpcServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #running = new Set<AbortController>();
  #socket: string | undefined;

  constructor() {
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.max_send_message_length': MAX_MESSAGE,
      'grpc.enable_channelz': 0,
    });
  }

  /** The handler answers by returning, or by throwing an RpcError; any other error is answered as INTERNAL. */
  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    handler: (
      request: Request,
      call: ServerCall,
    ) => Init<NoInfer<Response>> | Promise<Init<NoInfer<Response>>>,
  ): this {
    return this.#add(
      method,
      false,
      (call: ServerUnaryCall<Request, unknown>, answer: sendUnaryData<unknown>) => {
        void this.#during(call, async (context) => handler(call.request, context)).then(
          (response) => answer(null, response),
          (error: unknown) => answer(toStatus(error)),
        );
      },
    );
  }

  /** As `unary`; each value is sent when the client has room for it. */
  serverStream<Request, Response>(
    method: ServerStreamMethod<Request, Response>,
    handler: (request: Request, call: ServerCall) => AsyncIterable<Init<NoInfer<Response>>>,
  ): this {
    return this.#add(method, false, (call: ServerWritableStream<Request, unknown>) => {
      this.#send(call, (context) => handler(call.request, context));
    });
  }

  /** As `serverStream`, for many requests. */
  duplex<Request, Response>(
    method: DuplexMethod<Request, Response>,
    handler: (requests: AsyncIterable<Request>, call: ServerCall) => AsyncIterable<Init<NoInfer<Response>>>,
  ): this {
    return this.#add(method, true, (call: ServerDuplexStream<Request, unknown>) => {
      // The end of the requests must not be that of the answers.
      const requests = call.iterator({ destroyOnReturn: false }) as AsyncIterable<Request>;
      this.#send(call, (context) => handler(requests, context));
    });
  }

  /**
   * Serves at `path`, for root alone (0600). A socket that a killed server left is replaced.
   *
   * @throws Error when somebody is listening there
   */
  async listen(path: string): Promise<void> {
    if (await isListening(path)) throw new Error(`${path} is in use by another process that is listening`);
    // Nobody knows this name, so that nobody connects before the mode is right; who watches the directory for sockets, as the
    // kubelet does, passes over names with a dot.
    const slash = path.lastIndexOf('/') + 1;
    const temporary = `${path.slice(0, slash)}.${path.slice(slash)}.${process.pid}`;
    unlinkIfExists(temporary);
    await this.#bind(`unix:${temporary}`);
    chmod(temporary, 0o600);
    rename(temporary, path);
    this.#socket = path;
  }

  /** Serves on the loopback interface and returns the port: for tests. */
  listenLoopback(): Promise<number> {
    return this.#bind('127.0.0.1:0');
  }

  /** Takes no more calls, gives those that run `graceMs` to end, then ends them as UNAVAILABLE. */
  async stop(graceMs: number): Promise<void> {
    if (this.#socket !== undefined) unlinkIfExists(this.#socket);
    this.#socket = undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ended = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([ended, enough]);
    clearTimeout(timer);
    if (this.#running.size > 0) {
      const stopping = new RpcError('UNAVAILABLE', 'the server is stopping');
      for (const running of this.#running) running.abort(stopping);
      // The answers to those calls, which the handlers' ends make, are on their way before the connections end.
      await Promise.race([ended, sleep(LAST_WORDS)]);
    }
    this.#server.forceShutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the library types a handler by the kind of its call
  #add<Request, Response>(method: Method<Request, Response>, requestStream: boolean, handler: any): this {
    const { path, request, response } = method;
    const definition = {
      path,
      requestStream,
      responseStream: 'streams' in method && method.streams !== 'none',
      requestDeserialize: (bytes: Buffer) => decode(request, bytes),
      requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (message: Init<Response>) => {
        const bytes = encode(response, message);
        return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
      },
      responseDeserialize: () => undefined,
    };
    this.#server.addService({ call: definition }, { call: handler });
    return this;
  }

  #send(
    call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
    values: (context: ServerCall) => AsyncIterable<unknown>,
  ): void {
    const sending = this.#during(call, async (context) => {
      for await (const value of values(context)) {
        if (context.signal.aborted) break;
        if (!call.write(value)) await drained(call, context.signal);
      }
      if (isRpcError(context.signal.reason)) throw context.signal.reason;
    });
    void sending.then(
      () => call.end(),
      (error: unknown) => call.emit('error', toStatus(error)),
    );
  }

  async #during<T>(
    call: {
      readonly metadata: Metadata;
      readonly cancelled: boolean;
      once(event: 'cancelled', done: () => void): unknown;
    },
    work: (context: ServerCall) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    this.#running.add(controller);
    call.once('cancelled', () => controller.abort());
    const metadata = new Map(
      Object.entries(call.metadata.getMap()).map(([key, value]) => [key, String(value)]),
    );
    try {
      return await work({ signal: controller.signal, metadata });
    } finally {
      this.#running.delete(controller);
    }
  }

  #bind(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
  }
}

function toStatus(error: unknown): { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (error instanceof RpcError) return { code: CODE[error.code], details: error.details, metadata };
  return { code: CODE.INTERNAL, details: error instanceof Error ? error.message : String(error), metadata };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function drained(call: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.removeListener('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
