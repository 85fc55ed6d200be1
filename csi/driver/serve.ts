/** Serves a driver on its socket: every call is checked, waits for its turn, is measured, and logged without its secrets. */

import { ControllerCalls, GroupControllerCalls, IdentityCalls, NodeCalls } from '#messages/csi';
import type { CodeName } from '../../shared/grpc/error.ts';
import { RpcServer } from '../../shared/grpc/server.ts';
import type { AnyMessageType, UnaryMethod } from '../../shared/grpc/wire/schema.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { monotonicMs } from '../../shared/sys/process.ts';
import type { CallContext, Driver } from './handlers.ts';
import { KeyedLock } from './keyed-lock.ts';
import { keysOf } from './keys.ts';
import { redact } from './redact.ts';
import { toRpcError, unimplemented } from './status.ts';
import { validators } from './validate.ts';

/** How long calls that run have to end when the driver stops, in ms: what is left half done the next start goes on with. */
const GRACE = 5000;

export interface ServeOptions {
  /** A path. */
  readonly socket: string;
  readonly log: Logger;
  /** A call ended. @param seconds that it took, waiting for its turn included */
  readonly onCall?: (method: string, code: CodeName, seconds: number) => void;
}

type AnyHandler = (request: object, context: CallContext) => Promise<object>;
type AnyMethod = UnaryMethod<object, object>;

/** Serves until it is disposed. @throws Error when somebody listens there already */
export async function serveDriver(driver: Driver, options: ServeOptions): Promise<AsyncDisposable> {
  const server = new RpcServer();
  const calls = new Calls(driver, options);
  const services: readonly (readonly [object, object])[] = [
    [IdentityCalls, driver.identity],
    [ControllerCalls, driver.controller],
    [NodeCalls, driver.node],
    ...(driver.groups ? [[GroupControllerCalls, driver.groups] as const] : []),
  ];
  for (const [methods, handlers] of services)
    for (const [name, method] of Object.entries(methods as Record<string, AnyMethod>)) {
      const handler = (handlers as Record<string, AnyHandler | undefined>)[name];
      server.unary(method, (request, { signal }) => calls.handle(name, method, handler, request, { signal }));
    }
  await server.listen(options.socket);
  return { [Symbol.asyncDispose]: () => server.stop(GRACE) };
}

/** What happens around each handler. */
class Calls {
  readonly #driver: Driver;
  readonly #options: ServeOptions;
  readonly #lock = new KeyedLock();

  constructor(driver: Driver, options: ServeOptions) {
    this.#driver = driver;
    this.#options = options;
  }

  async handle(
    name: string,
    method: AnyMethod,
    handler: AnyHandler | undefined,
    request: object,
    context: CallContext,
  ): Promise<object> {
    const begin = monotonicMs();
    const ended = (code: CodeName): number => {
      const ms = monotonicMs() - begin;
      this.#options.onCall?.(method.path, code, ms / 1000);
      return Math.round(ms * 10) / 10;
    };
    try {
      if (!handler) throw unimplemented(name);
      (validators as Record<string, ((request: object) => void) | undefined>)[name]?.(request);
      const keys = [...keysOf(request), ...(this.#driver.keysOf?.(name, request) ?? [])];
      const answer = await this.#lock.run(keys, context.signal, () => handler(request, context));
      const ms = ended('OK');
      this.#log(name, method, request, { ms });
      return answer;
    } catch (thrown) {
      const error = toRpcError(thrown);
      const ms = ended(error.code);
      this.#log(name, method, request, { ms, code: error.code, error: error.details });
      throw error;
    }
  }

  #log(name: string, method: AnyMethod, request: object, end: Readonly<Record<string, unknown>>): void {
    const { log } = this.#options;
    const fields = { ...redact(method.request as AnyMessageType, request), ...end };
    // Reading is what probes and the kubelet do all the time.
    if (
      end['code'] === undefined &&
      /^(get|list|probe|controllerGet|nodeGet|groupControllerGet|validate)/.test(name)
    )
      log.debug(name, fields);
    else if (end['code'] === 'INTERNAL' || end['code'] === 'UNAVAILABLE') log.error(name, fields);
    else log.info(name, fields);
  }
}
