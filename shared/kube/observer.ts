/** What is told of requests to whom counts them; when and what is as in client-go (rest/request.go, rest/with_retry.go). */

/** One method each of client-go's metrics. */
export interface RequestObserver {
  /** An attempt was answered. @param code `undefined`: it was not */
  answered(method: string, host: string, code: number | undefined, isRetry: boolean): void;
  /** So many bytes were sent with an attempt. */
  sent(method: string, host: string, bytes: number): void;
  /** A request is over, with all its attempts and the body of its answer. Watches are not told. */
  finished(method: string, host: string, tookMs: number, received: number): void;
}

/** What one request comes to, over all its attempts. */
export class RequestAccount {
  readonly #observer: RequestObserver | undefined;
  readonly #method: string;
  readonly #isWatch: boolean;
  readonly #startedAt: number;
  #host: string | undefined;
  #attempts = 0;
  #received = 0;

  constructor(observer: RequestObserver | undefined, method: string, isWatch: boolean) {
    this.#observer = observer;
    this.#method = method;
    this.#isWatch = isWatch;
    this.#startedAt = performance.now();
  }

  /** An attempt begins. @param bytes of its body; `undefined`: it has none */
  attempt(host: string, bytes: number | undefined): void {
    this.#host = host;
    this.#attempts += 1;
    if (bytes !== undefined) this.#observer?.sent(this.#method, host, bytes);
  }

  /** @param code `undefined`: there was no answer */
  answered(code: number | undefined): void {
    if (this.#host !== undefined)
      this.#observer?.answered(this.#method, this.#host, code, this.#attempts > 1);
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  /** The answer was read, or given up. */
  end(): void {
    const host = this.#host;
    this.#host = undefined;
    if (host !== undefined && !this.#isWatch)
      this.#observer?.finished(this.#method, host, performance.now() - this.#startedAt, this.#received);
  }
}
