/** An etcd that behaves as far as it is in use, on a unix socket, by a test's clock. Its data outlives `stop`. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import {
  AuthCalls,
  KVCalls,
  LeaseCalls,
  WatchCalls,
  type WatchCreateRequest,
  type WatchResponse,
} from '#messages/etcd';
import { RpcError } from '../../../grpc/error.ts';
import { RpcServer, type ServerCall } from '../../../grpc/server.ts';
import type { Init } from '../../../grpc/wire/schema.ts';
import type { Clock } from '../../clock.ts';
import { FakeModel } from './fake-model.ts';

export interface FakeUser {
  readonly name: string;
  readonly password: string;
}

export class FakeEtcd implements AsyncDisposable {
  readonly endpoint: string;
  /** Calls by name, for tests that count them. */
  readonly calls: string[] = [];
  model: FakeModel;
  /** Who may come in; anybody without. */
  user: FakeUser | undefined;
  readonly #clock: Clock;
  readonly #directory = mkdtempSync(`${tmpdir()}/fake-etcd-`);
  readonly #held = new Map<string, Promise<void>>();
  #onHeld: (() => void) | undefined;
  #server: RpcServer | undefined;
  #tokens = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.model = new FakeModel(clock);
    this.endpoint = `unix://${this.#directory}/etcd.sock`;
  }

  async start(): Promise<this> {
    this.#server = this.#serve();
    await this.#server.listen(this.endpoint.slice('unix://'.length));
    return this;
  }

  /** Connections end in the middle of whatever it is. */
  async stop(): Promise<void> {
    await this.#server?.stop(0);
    this.#server = undefined;
  }

  /** Answers to calls of that name wait; with `undefined` those that come from now on do not any more. */
  hold(name: 'range' | 'watch' | 'keepAlive', until: Promise<void> | undefined): void {
    if (until) this.#held.set(name, until);
    else this.#held.delete(name);
  }

  /** Resolves when the next answer begins to wait. */
  held(): Promise<void> {
    return new Promise((resolve) => {
      this.#onHeld = resolve;
    });
  }

  /** All tokens that were given out are worth nothing any more. */
  expireTokens(): void {
    this.#tokens += 1;
  }

  /** Set up anew, on the same machine: the same cluster id, and nothing in it. */
  wipe(): void {
    this.model = new FakeModel(this.#clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #enter(name: string, { metadata }: ServerCall): void {
    this.calls.push(name);
    if (this.user && metadata.get('token') !== this.#token)
      throw new RpcError('UNAUTHENTICATED', 'etcdserver: invalid auth token');
  }

  async #wait(name: string): Promise<void> {
    const until = this.#held.get(name);
    if (!until) return;
    this.#onHeld?.();
    await until;
  }

  get #token(): string {
    return `token-${this.#tokens}`;
  }

  #serve(): RpcServer {
    const header = (): { header: FakeModel['header'] } => ({ header: this.model.header });
    return new RpcServer()
      .unary(KVCalls.range, async (request, call) => {
        this.#enter('range', call);
        const answer = this.model.range(request);
        await this.#wait('range');
        return answer;
      })
      .unary(KVCalls.put, (request, call) => {
        this.#enter('put', call);
        this.model.put(request);
        return header();
      })
      .unary(KVCalls.deleteRange, (request, call) => {
        this.#enter('deleteRange', call);
        return { deleted: this.model.deleteRange(request), ...header() };
      })
      .unary(KVCalls.txn, (request, call) => {
        this.#enter('txn', call);
        return { succeeded: this.model.txn(request), ...header() };
      })
      .unary(KVCalls.compact, ({ revision }, call) => {
        this.#enter('compact', call);
        this.model.compact(revision);
        return header();
      })
      .unary(LeaseCalls.leaseGrant, ({ ID, TTL }, call) => {
        this.#enter('grant', call);
        return { ID: this.model.grant(ID, TTL), TTL, ...header() };
      })
      .unary(LeaseCalls.leaseRevoke, ({ ID }, call) => {
        this.#enter('revoke', call);
        this.model.revoke(ID);
        return header();
      })
      .duplex(LeaseCalls.leaseKeepAlive, (requests, call) => this.#keepAlive(requests, call))
      .duplex(WatchCalls.watch, (requests, call) => this.#watch(requests, call))
      .unary(AuthCalls.authenticate, ({ name, password }) => {
        this.calls.push('authenticate');
        if (!this.user)
          throw new RpcError('FAILED_PRECONDITION', 'etcdserver: authentication is not enabled');
        if (name !== this.user.name || password !== this.user.password)
          throw new RpcError(
            'INVALID_ARGUMENT',
            'etcdserver: authentication failed, invalid user ID or password',
          );
        return { token: this.#token, ...header() };
      });
  }

  async *#keepAlive(requests: AsyncIterable<{ ID: bigint }>, call: ServerCall): AsyncGenerator<object> {
    this.#enter('keepAlive', call);
    for await (const { ID } of requests) {
      await this.#wait('keepAlive');
      yield { ID, TTL: this.model.keepAlive(ID), header: this.model.header };
    }
  }

  async *#watch(
    requests: AsyncIterable<{ createRequest?: WatchCreateRequest }>,
    call: ServerCall,
  ): AsyncGenerator<Init<WatchResponse>> {
    this.#enter('watch', call);
    const { model } = this;
    for await (const { createRequest } of requests) {
      if (createRequest === undefined) continue;
      await this.#wait('watch');
      yield { header: model.header, created: true };
      yield* changes(model, createRequest, call.signal);
      return;
    }
  }
}

async function* changes(
  model: FakeModel,
  request: WatchCreateRequest,
  signal: AbortSignal,
): AsyncGenerator<Init<WatchResponse>> {
  let from = request.startRevision > 0n ? request.startRevision : model.header.revision + 1n;
  while (!signal.aborted) {
    const events = model.eventsFrom(from, request);
    if (typeof events === 'bigint') {
      yield { header: model.header, canceled: true, compactRevision: events };
      return;
    }
    const last = events.at(-1)?.kv?.modRevision;
    if (last !== undefined) {
      from = last + 1n;
      yield { header: model.header, events };
      continue;
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        watching[Symbol.dispose]();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const watching = model.watch(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
