/** Where a client is, and what it asks of the world. Pure. */

import type { Ip } from '../../../shared/ip/ip.ts';
import type { DhcpMessage } from '../codec/message.ts';
import type { Lease } from './lease.ts';

/** RFC 2131, figure 5. Times in milliseconds of the clock that leases count by. */
export type State =
  | Selecting
  | Requesting
  | Rebooting
  | { readonly phase: 'bound'; readonly lease: Lease; readonly dueAt: number }
  | Extending;

/** What all who wait for an answer know. */
interface Asking {
  readonly xid: number;
  /** When the client began: `secs` counts from then on. */
  readonly startedAt: number;
  /** Messages sent without an answer so far. */
  readonly attempt: number;
  /** When the next message is due. */
  readonly dueAt: number;
}

/** Looks for servers. */
export interface Selecting extends Asking {
  readonly phase: 'selecting';
  /** The lease that was lost: only its address will do, for a pod keeps its own. */
  readonly lost: Lease | undefined;
}

/** Has chosen an offer and asks for it. */
export interface Requesting extends Asking {
  readonly phase: 'requesting';
  readonly address: Ip;
  readonly server: Ip;
  /** When the last message was sent. */
  readonly sentAt: number;
  /** Until then without an answer, it begins anew. */
  readonly giveUpAt: number;
  /** `attempt` of the search that led here. */
  readonly discovers: number;
  readonly lost: Lease | undefined;
}

/** Asks whether the address that it has is still its own. */
export interface Rebooting extends Asking {
  readonly phase: 'rebooting';
  readonly address: Ip;
  readonly sentAt: number;
  readonly giveUpAt: number;
  /** Its lease, which is over; undefined where nobody knows of one. */
  readonly previous: Lease | undefined;
}

/** Uses the address and asks for more time. */
export interface Extending extends Asking {
  readonly phase: 'renewing' | 'rebinding';
  readonly lease: Lease;
  readonly sentAt: number;
}

/** `gained`: by a client that had none; `regained`: one that had been lost; `kept`: an address asked for again. */
export type Bound = 'gained' | 'regained' | 'renewed' | 'rebound' | 'kept';

export type Effect =
  /** A lease: from its address to its server. */
  | { readonly kind: 'send'; readonly message: DhcpMessage; readonly to: 'everybody' | Lease }
  | { readonly kind: 'bound'; readonly how: Bound; readonly lease: Lease }
  /** The address must not be used any more. `lease` is undefined where none was known. */
  | { readonly kind: 'lost'; readonly why: 'expired' | 'refused'; readonly lease: Lease | undefined }
  /** For the log. */
  | { readonly kind: 'note'; readonly text: string };

/** A state to go on from, and what to do now. */
export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}
