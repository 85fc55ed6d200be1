/** A call that goes on, as the client has it. */

import type { ClientReadableStream } from '@grpc/grpc-js';
import { isCancelled, RpcError } from './error.ts';
import type { Init } from './wire/schema.ts';

/** A call that only answers has the second half not. */
type Call<Request, Response> = Pick<ClientReadableStream<Response>, 'cancel' | typeof Symbol.asyncIterator> &
  NodeJS.EventEmitter & {
    write?(request: Init<Request>): boolean;
    end?(): void;
  };

/**
 * Answers are taken one after the other by iterating, once; while nobody takes them the other side is held up. Aborting
 * the signal, or disposing, ends the call and the iteration; so does the other side.
 */
export class ClientStream<Request, Response> implements AsyncIterable<Response>, Disposable {
  readonly #call: Call<Request, Response>;
  readonly #name: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onFailure: (error: RpcError) => void;
  #ended = false;
  #failure: RpcError | undefined;
  readonly #abort = (): void => this[Symbol.dispose]();

  constructor(
    call: Call<Request, Response>,
    name: string,
    signal: AbortSignal | undefined,
    onFailure: (error: RpcError) => void = () => {},
  ) {
    this.#call = call;
    this.#name = name;
    this.#signal = signal;
    this.#onFailure = onFailure;
    // An error that nobody listens for would end the process.
    call.on('error', (error) => {
      this.#failure ??= RpcError.from(error, name);
    });
    signal?.addEventListener('abort', this.#abort, { once: true });
    if (signal?.aborted) this.#abort();
  }

  /** Sends one request; resolves when there is room for the next. @throws RpcError */
  async send(request: Init<NoInfer<Request>>): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#call.write?.(request as Init<Request>) !== false || this.#ended) return;
    await new Promise<void>((resolve) => {
      for (const event of ['drain', 'error', 'close'] as const) this.#call.once(event, () => resolve());
    });
    if (this.#failure && !this.#ended) throw this.#failure;
  }

  /** No more requests; answers may still come. */
  end(): void {
    this.#call.end?.();
  }

  /** @throws RpcError unless the call was ended from here */
  async *[Symbol.asyncIterator](): AsyncGenerator<Response, void, undefined> {
    try {
      for await (const response of this.#call) {
        if (this.#ended) return;
        yield response;
      }
    } catch (error) {
      if (this.#ended) return;
      const failure = RpcError.from(error, this.#name);
      if (!isCancelled(failure)) this.#onFailure(failure);
      throw failure;
    } finally {
      this[Symbol.dispose]();
    }
  }

  /**
   * Ends the call because the other side does not do its part, though its connection lives: the channel's next call goes to
   * another address.
   */
  abandon(): void {
    if (this.#ended) return;
    this[Symbol.dispose]();
    this.#onFailure(new RpcError('DEADLINE_EXCEEDED', 'no answer in time', this.#name));
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#call.cancel();
  }
}
