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
import { isRpcError, RpcError } from '../../grpc/error.ts';
import type { ClientStream } from '../../grpc/stream.ts';
import type { Init, UnaryMethod } from '../../grpc/wire/schema.ts';
import { unlessAborted } from '../../net/unless-aborted.ts';

export interface EtcdClientOptions extends ChannelOptions {
  readonly username?: string;
  readonly password?: string;
}

/** Keys of a range at one revision. */
export interface KeyList {
  readonly kvs: readonly KeyValue[];
  readonly header: ResponseHeader;
}

export interface GetOptions {
  /** As it was then; by default, as it is. */
  readonly revision?: bigint;
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  /** Without their values. */
  readonly keysOnly?: boolean;
  readonly signal?: AbortSignal;
}

/** How long a member has to answer (ms). */
const TIMEOUT = 5000;

/** Keys in one answer: a few hundred kilobytes of flannel's leases. */
const PAGE = 2000n;

/** The end of the range of keys that begin with `prefix`, which ends in ASCII: its last byte counted up. */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

/**
 * Every call ends within `timeoutMs` for each address that does not answer, when its signal is aborted, and when the client
 * is disposed of.
 */
export class EtcdClient implements Disposable {
  readonly #channel: Channel;
  readonly #options: EtcdClientOptions;
  readonly #closed = new AbortController();
  #token: Promise<string | undefined> | undefined;

  /** Connects when it is first asked. @throws Error for an address that is none */
  constructor(options: EtcdClientOptions) {
    this.#options = { timeoutMs: TIMEOUT, ...options };
    this.#channel = new Channel(this.#options);
  }

  /** One key; `undefined` where there is none. @throws RpcError OUT_OF_RANGE for a revision that is not known (any more) */
  async get(
    key: string,
    { revision = 0n, signal }: GetOptions = {},
  ): Promise<{ readonly kv?: KeyValue; readonly header: ResponseHeader }> {
    const { kvs, header } = await this.#call(KVCalls.range, { key, revision }, signal);
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
  async txn(
    compare: readonly Init<Compare>[],
    then: readonly Init<RequestOp>[],
    signal?: AbortSignal,
  ): Promise<Pick<TxnResponse, 'succeeded'> & { readonly header: ResponseHeader }> {
    const { succeeded, header } = await this.#call(KVCalls.txn, { compare, success: then }, signal);
    return { succeeded, header: known(header) };
  }

  /** Puts a key, whatever it was. @throws RpcError */
  async put(key: string, value: string, lease: bigint = 0n, signal?: AbortSignal): Promise<void> {
    await this.#call(KVCalls.put, { key, value, lease }, signal);
  }

  /** How many keys of that name there were. @throws RpcError */
  async delete(key: string, signal?: AbortSignal): Promise<number> {
    const { deleted } = await this.#call(KVCalls.deleteRange, { key }, signal);
    return Number(deleted);
  }

  /** Forgets what was before that revision. @throws RpcError */
  async compact(revision: bigint, signal?: AbortSignal): Promise<void> {
    await this.#call(KVCalls.compact, { revision, physical: true }, signal);
  }

  /**
   * A new lease of `ttl` seconds.
   *
   * @param id 0 for one that etcd chooses
   * @returns `undefined` where there is a lease of that id
   * @throws RpcError
   */
  async grant(
    id: bigint,
    ttl: number,
    signal?: AbortSignal,
  ): Promise<{ readonly id: bigint; readonly ttl: number } | undefined> {
    try {
      const granted = await this.#call(LeaseCalls.leaseGrant, { ID: id, TTL: BigInt(ttl) }, signal);
      return { id: granted.ID, ttl: Number(granted.TTL) };
    } catch (error) {
      if (id !== 0n && isRpcError(error, 'FAILED_PRECONDITION')) return undefined;
      throw error;
    }
  }

  /** Prolongs a lease once; the seconds it now has, `undefined` where it is gone. @throws RpcError */
  async keepAlive(id: bigint, signal?: AbortSignal): Promise<number | undefined> {
    const ends = this.#limited(signal);
    return await this.#withToken(signal, async (metadata) => {
      using stream = await this.#channel.duplex(LeaseCalls.leaseKeepAlive, { metadata, signal: ends });
      let isLate = false;
      const late = setTimeout(() => {
        isLate = true;
        stream.abandon();
      }, this.#options.timeoutMs);
      try {
        await stream.send({ ID: id });
        for await (const { TTL } of stream) return TTL > 0n ? Number(TTL) : undefined;
      } finally {
        clearTimeout(late);
      }
      const code = isLate ? 'DEADLINE_EXCEEDED' : ends.aborted ? 'CANCELLED' : 'UNAVAILABLE';
      throw new RpcError(code, `etcd did not answer for lease ${id.toString(16)}`);
    });
  }

  /** Ends a lease, and the keys that hang on it; `false` where there is none. @throws RpcError */
  async revoke(id: bigint, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#call(LeaseCalls.leaseRevoke, { ID: id }, signal);
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
    const ends = this.#limited(signal);
    return await this.#withToken(signal, async (metadata) => {
      // A member that has lost the others ends the watch instead of staying silent.
      const headers = { ...metadata, hasleader: 'true' };
      const stream = await this.#channel.duplex(WatchCalls.watch, { metadata: headers, signal: ends });
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
    this.#closed.abort();
    this.#channel[Symbol.dispose]();
  }

  /** Every call in use may be made twice: puts are unconditional or guarded, grants name their lease. */
  #call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    signal?: AbortSignal,
  ): Promise<Response> {
    return this.#withToken(signal, (metadata) =>
      this.#channel.unary(method, request, { metadata, repeatable: true, signal: this.#limited(signal) }),
    );
  }

  /** Aborted with the client, too. */
  #limited(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
  }

  async #withToken<T>(
    signal: AbortSignal | undefined,
    call: (metadata: Readonly<Record<string, string>>) => Promise<T>,
  ): Promise<T> {
    if (this.#options.username === undefined) return await call({});
    try {
      return await call(await this.#credentials(signal));
    } catch (error) {
      // INVALID_ARGUMENT: the users were changed since the token was made.
      if (!isRpcError(error, 'UNAUTHENTICATED', 'INVALID_ARGUMENT')) throw error;
      this.forgetToken();
      return await call(await this.#credentials(signal));
    }
  }

  async #credentials(signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>> {
    this.#token ??= this.#authenticate();
    const asked = this.#token;
    try {
      const token = await unlessAborted(asked, signal).catch((error: unknown) => {
        throw signal?.aborted ? new RpcError('CANCELLED', 'given up by the caller') : error;
      });
      return token === undefined ? {} : { token };
    } catch (error) {
      // Others wait for the same answer: one that gives up takes it from nobody.
      if (!signal?.aborted && this.#token === asked) this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(): Promise<string | undefined> {
    const { username = '', password = '' } = this.#options;
    try {
      const request = { name: username, password };
      const options = { repeatable: true, signal: this.#closed.signal };
      return (await this.#channel.unary(AuthCalls.authenticate, request, options)).token;
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
