/** The shape of a driver's services: one function a call, typed by the protocol. */

import type { ControllerCalls, GroupControllerCalls, IdentityCalls, NodeCalls } from '#messages/csi';
import type { Init, UnaryMethod } from '../../shared/grpc/wire/schema.ts';

/** What a handler knows of its call, beside the request. */
export interface CallContext {
  /** Aborted when the caller gave up, or its deadline passed. What was begun is ended or left for the next try to go on with. */
  readonly signal: AbortSignal;
}

/** A handler for some of a service's calls; the others answer UNIMPLEMENTED. */
export type Handlers<Calls> = {
  readonly [Name in keyof Calls]?: Calls[Name] extends UnaryMethod<infer Request, infer Response>
    ? (request: Request, context: CallContext) => Promise<Init<Response>>
    : never;
};

/**
 * A driver: what shared code serves. Requests come validated (validate.ts), one at a time for each key that `keysOf` names
 * (calls.ts), and whatever a handler throws is answered in the specification's codes (status.ts).
 */
export interface Driver {
  /** Domain notation, at most 63 characters: `local.underpod.io`. */
  readonly name: string;
  readonly version: string;
  readonly identity: Handlers<typeof IdentityCalls>;
  readonly controller: Handlers<typeof ControllerCalls>;
  readonly node: Handlers<typeof NodeCalls>;
  readonly groups?: Handlers<typeof GroupControllerCalls>;
  /** Keys beside those of keys.ts: a driver that derives ids from names holds the id of what is to be made. */
  readonly keysOf?: (method: string, request: object) => readonly string[];
}
