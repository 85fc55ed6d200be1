/** etcd v3's API, as far as it is in use. */

import {
  AuthCalls,
  type Compare,
  type KeyValue,
  KVCalls,
  LeaseCalls,
  type RequestOp,
  type ResponseHeader,
  type TxnResponse,
  WatchCalls,
  type WatchResponse,
} from '#messages/etcd';
import { Channel, type ChannelOptions } from '../../grpc/channel.ts';
import { isRpcError } from '../../grpc/error.ts';
import type { ClientStream } from '../../grpc/stream.ts';
import type { Init, UnaryMethod } from '../../grpc/wire/schema.ts';

export interface EtcdClientOptions extends ChannelOptions {
  readonly username?: string;
  readonly password?: string;
}

/** Keys of a range at one revision. */
export interface KeyList {
  readonly kvs: readonly KeyValue[];
  readonly header: ResponseHeader;
}

export interface ListOptions {
  /** Without their values. */
  readonly keysOnly?: boolean;
  readonly signal?: AbortSignal;
}

/** Keys in one answer: a few hundred kilobytes of flannel's leases. */
const PAGE = 2000n;

/** The end of the range of keys that begin with `prefix`, which ends in ASCII: its last byte counted up. */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

export class EtcdClient implements Disposable {
  readonly #channel: Channel;
  readonly #options: EtcdClientOptions;
  #token: Promise<string | undefined> | undefined;

  /** Connects when it is first asked. @throws Error for an address that is none */
  constructor(options: EtcdClientOptions) {
    this.#options = options;
    this.#channel = new Channel(options);
  }

  /** One key; `undefined` where there is none. @throws RpcError */
  async get(
    key: string,
    signal?: AbortSignal,
  ): Promise<{ readonly kv?: KeyValue; readonly header: ResponseHeader }> {
    const { kvs, header } = await this.#call(KVCalls.range, { key }, signal);
    return { ...(kvs[0] && { kv: kvs[0] }), header: known(header) };
  }

  /** Every key that begins with `prefix`, in order, as of one revision. @throws RpcError */
  async list(prefix: string, { keysOnly = false, signal }: ListOptions = {}): Promise<KeyList> {
    const range = { rangeEnd: prefixEnd(prefix), limit: PAGE, keysOnly };
    let { header, kvs, more } = await this.#call(KVCalls.range, { ...range, key: prefix }, signal);
    if (!more) return { header: known(header), kvs };
    const all = [...kvs];
    const first = known(header);
    while (more) {
      // The key after the last one.
      const key = `${all.at(-1)?.key ?? prefix}\0`;
      ({ kvs, more } = await this.#call(KVCalls.range, { ...range, key, revision: first.revision }, signal));
      all.push(...kvs);
    }
    return { header: first, kvs: all };
  }

  /** All of `then` if every comparison holds, otherwise nothing. @throws RpcError */
  txn(compare: readonly Init<Compare>[], then: readonly Init<RequestOp>[]): Promise<TxnResponse> {
    return this.#call(KVCalls.txn, { compare, success: then });
  }

  /** Puts a key, whatever it was. @throws RpcError */
  async put(key: string, value: string, lease: bigint = 0n): Promise<void> {
    await this.#call(KVCalls.put, { key, value, lease });
  }

  /** How many keys of that name there were. @throws RpcError */
  async delete(key: string): Promise<number> {
    const { deleted } = await this.#call(KVCalls.deleteRange, { key });
    return Number(deleted);
  }

  /** Forgets what was before that revision. @throws RpcError */
  async compact(revision: bigint): Promise<void> {
    await this.#call(KVCalls.compact, { revision, physical: true });
  }

  /**
   * A new lease of `ttl` seconds.
   *
   * @param id 0 for one that etcd chooses
   * @returns `undefined` where there is a lease of that id
   * @throws RpcError
   */
  async grant(id: bigint, ttl: number): Promise<{ readonly id: bigint; readonly ttl: number } | undefined> {
    try {
      const granted = await this.#call(LeaseCalls.leaseGrant, { ID: id, TTL: BigInt(ttl) });
      return { id: granted.ID, ttl: Number(granted.TTL) };
    } catch (error) {
      if (id !== 0n && isRpcError(error, 'FAILED_PRECONDITION')) return undefined;
      throw error;
    }
  }

  /** Prolongs a lease once; the seconds it now has, `undefined` where it is gone. @throws RpcError */
  async keepAlive(id: bigint): Promise<number | undefined> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? 5000);
    return await this.#withToken(async (metadata) => {
      using stream = await this.#channel.duplex(LeaseCalls.leaseKeepAlive, { metadata, signal: timeout });
      await stream.send({ ID: id });
      for await (const { TTL } of stream) return TTL > 0n ? Number(TTL) : undefined;
      throw new Error(`etcd did not prolong lease ${id.toString(16)}${timeout.aborted ? ' in time' : ''}`);
    });
  }

  /** Ends a lease, and the keys that hang on it; `false` where there is none. @throws RpcError */
  async revoke(id: bigint): Promise<boolean> {
    try {
      await this.#call(LeaseCalls.leaseRevoke, { ID: id });
      return true;
    } catch (error) {
      if (isRpcError(error, 'NOT_FOUND')) return false;
      throw error;
    }
  }

  /** Changes of keys that begin with `prefix`, from a revision on. The caller disposes of it. @throws RpcError */
  async watch(
    prefix: string,
    fromRevision: bigint,
    signal: AbortSignal,
  ): Promise<ClientStream<object, WatchResponse>> {
    return await this.#withToken(async (metadata) => {
      // A member that has lost the others ends the watch instead of staying silent.
      const headers = { ...metadata, hasleader: 'true' };
      const stream = await this.#channel.duplex(WatchCalls.watch, { metadata: headers, signal });
      await stream.send({
        createRequest: {
          key: prefix,
          rangeEnd: prefixEnd(prefix),
          startRevision: fromRevision,
        },
      });
      return stream;
    });
  }

  /** The next call asks for a new token: the server did not take the one we have. */
  forgetToken(): void {
    this.#token = undefined;
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }

  /** Every call in use may be made twice: puts are unconditional or guarded, grants name their lease. */
  #call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    signal?: AbortSignal,
  ): Promise<Response> {
    return this.#withToken((metadata) =>
      this.#channel.unary(method, request, { metadata, repeatable: true, ...(signal && { signal }) }),
    );
  }

  async #withToken<T>(call: (metadata: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
    if (this.#options.username === undefined) return await call({});
    try {
      return await call(await this.#credentials());
    } catch (error) {
      // INVALID_ARGUMENT: the users were changed since the token was made.
      if (!isRpcError(error, 'UNAUTHENTICATED', 'INVALID_ARGUMENT')) throw error;
      this.forgetToken();
      return await call(await this.#credentials());
    }
  }

  async #credentials(): Promise<Readonly<Record<string, string>>> {
    this.#token ??= this.#authenticate();
    try {
      const token = await this.#token;
      return token === undefined ? {} : { token };
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(): Promise<string | undefined> {
    const { username = '', password = '' } = this.#options;
    try {
      const request = { name: username, password };
      return (await this.#channel.unary(AuthCalls.authenticate, request, { repeatable: true })).token;
    } catch (error) {
      // Authentication is switched off there: anybody may ask.
      if (isRpcError(error, 'FAILED_PRECONDITION')) return undefined;
      throw error;
    }
  }
}

function known(header: ResponseHeader | undefined): ResponseHeader {
  if (header === undefined) throw new Error('etcd answered without a header');
  return header;
}
