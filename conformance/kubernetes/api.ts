/** The Kubernetes API as a test's own hands: no watch, no cache, so that it is a second pair of eyes beside the client. */

import { readFileSync } from 'node:fs';
import type { KeyPair } from '../testing/certificates.ts';
import { slowness } from '../testing/slowness.ts';

/** Who asks: a certificate, or a token. */
export type Credentials = KeyPair | { readonly token: string };

/** The server refused; `status` is HTTP's, `reason` Kubernetes'. */
export class ApiError extends Error {
  override readonly name: string = 'ApiError';
  readonly status: number;
  readonly reason: string | undefined;

  constructor(what: string, status: number, body: { message?: string; reason?: string }) {
    super(`${what}: ${status} ${body.message ?? ''}`.trimEnd());
    this.status = status;
    this.reason = body.reason;
  }
}

/** An object of the API, as far as it is read here. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly { readonly manager?: string; readonly subresource?: string }[];
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

type Patch = 'strategic' | 'merge';

const PATCHES: Readonly<Record<Patch, string>> = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
};

/** Longer than any answer takes, in ms. */
const LIMIT_MS = 10_000 * slowness;

export class KubeApi {
  readonly #url: string;
  readonly #ca: string;
  readonly #credentials: Credentials;

  constructor(url: string, ca: string, credentials: Credentials) {
    this.#url = url;
    this.#ca = ca;
    this.#credentials = credentials;
  }

  get<T = KubeObject>(path: string): Promise<T> {
    return this.#ask<T>('GET', path);
  }

  post<T = KubeObject>(path: string, body: object): Promise<T> {
    return this.#ask<T>('POST', path, body);
  }

  /** Like `post`, and without an error for what is there already. */
  async ensure(path: string, body: object): Promise<void> {
    await this.post(path, body).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
    });
  }

  put<T = KubeObject>(path: string, body: object): Promise<T> {
    return this.#ask<T>('PUT', path, body);
  }

  patch<T = KubeObject>(path: string, body: object, kind: Patch = 'strategic'): Promise<T> {
    return this.#ask<T>('PATCH', path, body, PATCHES[kind]);
  }

  delete(path: string): Promise<unknown> {
    return this.#ask('DELETE', path);
  }

  /** @throws ApiError for an answer that is none of success, Error for none at all */
  async #ask<T>(method: string, path: string, body?: object, type = 'application/json'): Promise<T> {
    const who = this.#credentials;
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        'content-type': type,
        ...('token' in who && { authorization: `Bearer ${who.token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      tls: {
        ca: this.#ca,
        ...('certFile' in who && {
          cert: readFileSync(who.certFile, 'utf8'),
          key: readFileSync(who.keyFile, 'utf8'),
        }),
      },
      signal: AbortSignal.timeout(LIMIT_MS),
    } as RequestInit);
    const text = await response.text();
    const answer = (text.startsWith('{') ? JSON.parse(text) : { message: text }) as T;
    if (!response.ok) throw new ApiError(`${method} ${path}`, response.status, answer as object);
    return answer;
  }
}
