/**
 * What happens around each of a driver's handlers, whoever calls: over the socket, or the provisioner in the same process. The
 * request is checked, waits for its turn, and the call is measured and logged without its secrets.
 */

import { ControllerCalls, GroupControllerCalls, IdentityCalls, NodeCalls } from '#messages/csi';
import type { CodeName } from '../../shared/grpc/error.ts';
import type { AnyMessageType, Init, UnaryMethod } from '../../shared/grpc/wire/schema.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { monotonicMs } from '../../shared/sys/process.ts';
import type { CallContext, Driver } from './handlers.ts';
import { KeyedLock } from './keyed-lock.ts';
import { keysOf } from './keys.ts';
import { redact } from './redact.ts';
import { toRpcError, unimplemented } from './status.ts';
import { validators } from './validate.ts';

export interface CallsOptions {
  readonly log: Logger;
  /** A call ended. @param seconds that it took, waiting for its turn included */
  readonly onCall?: (method: string, code: CodeName, seconds: number) => void;
}

type AnyHandler = (request: object, context: CallContext) => Promise<object>;
export type AnyMethod = UnaryMethod<object, object>;

/** Calls that only read: probes and the kubelet make them all the time. */
const READING = /^(get|list|probe|controllerGet|nodeGet|groupControllerGet|validate)/;

export class GuardedCalls {
  readonly #driver: Driver;
  readonly #options: CallsOptions;
  readonly #lock = new KeyedLock();
  readonly #handlers: ReadonlyMap<string, AnyHandler>;

  constructor(driver: Driver, options: CallsOptions) {
    this.#driver = driver;
    this.#options = options;
    const all = { ...driver.identity, ...driver.controller, ...driver.node, ...driver.groups };
    this.#handlers = new Map(Object.entries(all as Record<string, AnyHandler>));
  }

  /** Every method of the services that the driver has, by name: also those that it does not answer. */
  get methods(): readonly (readonly [name: string, method: AnyMethod])[] {
    const groups = this.#driver.groups ? GroupControllerCalls : {};
    const all = { ...IdentityCalls, ...ControllerCalls, ...NodeCalls, ...groups };
    return Object.entries(all as unknown as Record<string, AnyMethod>);
  }

  /** True where the driver answers calls of that name. */
  has(name: string): boolean {
    return this.#handlers.has(name);
  }

  /** @throws RpcError, and nothing else */
  async run<Request extends object, Response extends object>(
    name: string,
    method: UnaryMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Init<Response>> {
    const begin = monotonicMs();
    const ended = (code: CodeName): number => {
      const ms = monotonicMs() - begin;
      this.#options.onCall?.(method.path, code, ms / 1000);
      return Math.round(ms * 10) / 10;
    };
    const what = (): Record<string, unknown> => redact(method.request as AnyMessageType, request);
    const { log } = this.#options;
    try {
      const handler = this.#handlers.get(name);
      if (!handler) throw unimplemented(name);
      (validators as Record<string, ((request: object) => void) | undefined>)[name]?.(request);
      const keys = [...keysOf(request), ...(this.#driver.keysOf?.(name, request) ?? [])];
      const answer = await this.#lock.run(keys, signal, () => handler(request, { signal }));
      const ms = ended('OK');
      if (READING.test(name)) log.debug(name, { ...what(), ms });
      else log.info(name, { ...what(), ms });
      return answer as Init<Response>;
    } catch (thrown) {
      const error = toRpcError(thrown);
      const fields = { ...what(), ms: ended(error.code), code: error.code, error: error.details };
      if (error.code === 'INTERNAL' || error.code === 'UNAVAILABLE') log.error(name, fields);
      else log.info(name, fields);
      throw error;
    }
  }
}
