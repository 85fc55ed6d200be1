/** The local driver in the test's own process, called as from its socket: every request travels as bytes. */

import { ControllerCalls, GroupControllerCalls, IdentityCalls, NodeCalls } from '#messages/csi';
import { type AnyMethod, GuardedCalls } from '../../csi/driver/calls.ts';
import { localDriver } from '../../csi/local/driver.ts';
import { openParts } from '../../csi/local/open.ts';
import type { LocalParts } from '../../csi/local/parts.ts';
import { RpcError } from '../../shared/grpc/error.ts';
import { decode } from '../../shared/grpc/wire/decode.ts';
import { encode } from '../../shared/grpc/wire/encode.ts';
import type { Init, UnaryMethod } from '../../shared/grpc/wire/schema.ts';
import { type Logger, silentLogger } from '../../shared/log/logger.ts';

const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...IdentityCalls, ...ControllerCalls, ...NodeCalls, ...GroupControllerCalls }).map(
    ([name, { path }]) => [path, name],
  ),
);

export class InProcessDriver {
  readonly parts: LocalParts;
  readonly #calls: GuardedCalls;

  private constructor(parts: LocalParts, log: Logger) {
    this.parts = parts;
    this.#calls = new GuardedCalls(localDriver(parts, '0'), { log });
  }

  /** @param pools directories by name @param directory an existing one for its state; opened again it is a restart */
  static async open(
    pools: Readonly<Record<string, string>>,
    directory: string,
    log: Logger = silentLogger,
  ): Promise<InProcessDriver> {
    const options = {
      pools: new Map(Object.entries(pools)),
      reserve: 0.05,
      node: 'node-1',
      stateDir: `${directory}/state`,
    };
    return new InProcessDriver(await openParts(options, log), log);
  }

  /** @throws RpcError */
  async call<Request extends object, Response extends object>(
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Response> {
    return this.callBytes(method, encode(method.request, request), signal);
  }

  /** @throws RpcError WireError */
  async callBytes<Request extends object, Response extends object>(
    method: UnaryMethod<Request, Response>,
    bytes: Uint8Array,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Response> {
    const name = NAMES.get(method.path) ?? method.path;
    const answer = await this.#calls.run(name, method, decode(method.request, bytes), signal);
    return decode(method.response, encode(method.response, answer));
  }

  /** The code a call ends with. */
  async code<Request extends object, Response extends object>(
    method: UnaryMethod<Request, Response>,
    request: Init<NoInfer<Request>>,
  ): Promise<string> {
    try {
      await this.call(method, request);
      return 'OK';
    } catch (error) {
      if (error instanceof RpcError) return error.code;
      throw error;
    }
  }
}

export type { AnyMethod };
