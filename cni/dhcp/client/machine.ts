/**
 * A DHCP client (RFC 2131 section 4.4) as a function from state and event to state and effects. Time and chance are
 * arguments. Pure.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipEquals } from '../../../shared/ip/ip.ts';
import type { DhcpMessage } from '../codec/message.ts';
import { BOOT, MESSAGE_TYPE, OPTION } from '../codec/option-codes.ts';
import { messageType, readIp, readText } from '../codec/options.ts';
import type { Random } from './backoff.ts';
import { nextRenewal, resendDelay } from './backoff.ts';
import type { Granted, Lease } from './lease.ts';
import { leaseFromAck } from './lease.ts';
import type { Client } from './requests.ts';
import { discover, renew, requestAgain, requestOffer } from './requests.ts';
import type { Bound, Effect, Extending, Rebooting, Requesting, Selecting, State, Step } from './state.ts';

/** What does not change while the client lives. Durations in milliseconds. */
export interface Setup {
  readonly client: Client;
  /** How long an offer, or an address of before, is asked for without an answer. */
  readonly answerTimeout: number;
  /** The longest time between two messages that look for a server. */
  readonly resendMax: number;
  readonly random: Random;
}

/** Begins without an address. */
export function start(setup: Setup, now: number): Step {
  return select(setup, now, undefined);
}

/** Begins without an address, and takes none but that of a lease that was lost. */
export function seek(setup: Setup, lost: Lease, now: number): Step {
  return select(setup, now, lost);
}

/** Takes up a lease where it stands: what has expired is asked for once more. */
export function resume(setup: Setup, lease: Lease, now: number): Step {
  if (now >= lease.expiresAt) return reboot(setup, now, lease.address, lease);
  const bound: State = { phase: 'bound', lease, dueAt: lease.renewAt };
  return now < lease.renewAt ? { state: bound, effects: [] } : extend(setup, lease, now);
}

/** Asks for an address that the interface has, though no lease of it is known (INIT-REBOOT). */
export function reboot(setup: Setup, now: number, address: Ip, previous?: Lease): Step {
  const { random, answerTimeout } = setup;
  const begun = { xid: newXid(random), startedAt: now, attempt: 0, dueAt: now };
  const giveUpAt = now + answerTimeout;
  return askAgain(setup, { phase: 'rebooting', ...begun, address, sentAt: now, giveUpAt, previous }, now);
}

/** `state.dueAt` has come. */
export function onTimer(setup: Setup, state: State, now: number): Step {
  switch (state.phase) {
    case 'selecting':
      return sendDiscover(setup, state, now);
    case 'requesting':
      if (now < state.giveUpAt) return sendRequest(setup, state, now);
      return again(setup, state, now, `no answer to the request for ${formatIp(state.address)}`);
    case 'rebooting':
      if (now < state.giveUpAt) return askAgain(setup, state, now);
      return lose(setup, state.previous, now, 'expired');
    case 'bound':
      // Of a lease that ended while the machine slept.
      return resume(setup, state.lease, now);
    case 'renewing':
    case 'rebinding':
      return now >= state.lease.expiresAt
        ? lose(setup, state.lease, now, 'expired')
        : extend(setup, state.lease, now, state);
  }
}

/** A message has come. What is no answer to ours changes nothing. @param via the sender's hardware address */
export function onMessage(
  setup: Setup,
  state: State,
  message: DhcpMessage,
  via: Uint8Array,
  now: number,
): Step {
  if (state.phase === 'bound' || !isAnswer(setup, state.xid, message)) return stay(state);
  const type = messageType(message);
  const server = readIp(message, OPTION.SERVER_ID);
  switch (state.phase) {
    case 'selecting':
      return type === MESSAGE_TYPE.OFFER && server
        ? takeOffer(setup, state, message, server, now)
        : stay(state);
    case 'requesting': {
      // Some servers leave their name out of a NAK, though they must not (table 3).
      if (server && !ipEquals(server, state.server)) return stay(state);
      if (type === MESSAGE_TYPE.NAK) return again(setup, state, now, refusal(message));
      if (type !== MESSAGE_TYPE.ACK || !ipEquals(message.yiaddr, state.address)) return stay(state);
      return bind(setup, state, message, { sentAt: state.sentAt, via }, state.lost ? 'regained' : 'gained');
    }
    case 'rebooting':
      if (type === MESSAGE_TYPE.NAK) return lose(setup, state.previous, now, 'refused', message);
      if (type !== MESSAGE_TYPE.ACK || !ipEquals(message.yiaddr, state.address)) return stay(state);
      return bind(setup, state, message, { sentAt: state.sentAt, via, previous: state.previous }, 'kept');
    case 'renewing':
    case 'rebinding': {
      const { lease } = state;
      if (state.phase === 'renewing' && server && !ipEquals(server, lease.server)) return stay(state);
      if (type === MESSAGE_TYPE.NAK) return lose(setup, lease, now, 'refused', message);
      if (type !== MESSAGE_TYPE.ACK) return stay(state);
      const how = state.phase === 'renewing' ? 'renewed' : 'rebound';
      return bind(setup, state, message, { sentAt: state.sentAt, via, previous: lease }, how);
    }
  }
}

function isAnswer({ client }: Setup, xid: number, message: DhcpMessage): boolean {
  if (message.op !== BOOT.REPLY || message.xid !== xid) return false;
  const { chaddr } = message;
  return chaddr.length === client.mac.length && chaddr.every((byte, at) => byte === client.mac[at]);
}

function stay(state: State): Step {
  return { state, effects: [] };
}

function select(setup: Setup, now: number, lost: Lease | undefined): Step {
  const xid = newXid(setup.random);
  return sendDiscover(setup, { phase: 'selecting', xid, startedAt: now, attempt: 0, dueAt: now, lost }, now);
}

function sendDiscover(setup: Setup, state: Selecting, now: number): Step {
  const message = discover(setup.client, transaction(state, now), state.lost?.address);
  const next = { ...state, attempt: state.attempt + 1, dueAt: resendAt(setup, state, now) };
  return { state: next, effects: [{ kind: 'send', message, to: 'everybody' }] };
}

function takeOffer(setup: Setup, state: Selecting, offer: DhcpMessage, server: Ip, now: number): Step {
  const { xid, startedAt, attempt, lost } = state;
  const address = offer.yiaddr;
  if (address.value === 0n) return stay(state);
  if (lost && !ipEquals(lost.address, address)) {
    const text = `${formatIp(address)} is offered, but the pod needs ${formatIp(lost.address)}`;
    return { state, effects: [{ kind: 'note', text }] };
  }
  const giveUpAt = now + setup.answerTimeout;
  const asking = { phase: 'requesting', xid, startedAt, attempt: 0, dueAt: now } as const;
  const tried = { discovers: attempt, lost };
  return sendRequest(setup, { ...asking, address, server, sentAt: now, giveUpAt, ...tried }, now);
}

function sendRequest(setup: Setup, state: Requesting, now: number): Step {
  const message = requestOffer(setup.client, transaction(state, now), state);
  return { state: sent(setup, state, now), effects: [{ kind: 'send', message, to: 'everybody' }] };
}

/** Back to looking for servers, after a pause. */
function again(setup: Setup, state: Requesting, now: number, text: string): Step {
  const { startedAt, discovers: attempt, lost } = state;
  // Not at once: a server that offers what it then refuses would be asked as fast as it can answer.
  const dueAt = now + resendDelay(attempt - 1, setup.resendMax, setup.random);
  return {
    state: { phase: 'selecting', xid: newXid(setup.random), startedAt, attempt, dueAt, lost },
    effects: [{ kind: 'note', text }],
  };
}

function askAgain(setup: Setup, state: Rebooting, now: number): Step {
  const message = requestAgain(setup.client, transaction(state, now), state.address);
  return { state: sent(setup, state, now), effects: [{ kind: 'send', message, to: 'everybody' }] };
}

/** Asks for more time: its server first, everybody when that does not answer. */
function extend(setup: Setup, lease: Lease, now: number, before?: Extending): Step {
  const rebinding = now >= lease.rebindAt;
  const state: Extending = {
    xid: before?.xid ?? newXid(setup.random),
    startedAt: before?.startedAt ?? now,
    attempt: (before?.attempt ?? 0) + 1,
    phase: rebinding ? 'rebinding' : 'renewing',
    lease,
    sentAt: now,
    dueAt: nextRenewal(now, rebinding ? lease.expiresAt : lease.rebindAt),
  };
  const message = renew(setup.client, transaction(state, now), lease);
  return { state, effects: [{ kind: 'send', message, to: rebinding ? 'everybody' : lease }] };
}

function bind(setup: Setup, state: State, ack: DhcpMessage, granted: Granted, how: Bound): Step {
  const lease = leaseFromAck(ack, granted, setup.random);
  if (!lease) return stay(state);
  return {
    state: { phase: 'bound', lease, dueAt: lease.renewAt },
    effects: [{ kind: 'bound', how, lease }],
  };
}

/** The address is no longer the client's. It looks for a server that gives it the same one again. */
function lose(
  setup: Setup,
  lease: Lease | undefined,
  now: number,
  why: 'expired' | 'refused',
  nak?: DhcpMessage,
): Step {
  const { state, effects } = select(setup, now, lease);
  const notes: Effect[] = nak ? [{ kind: 'note', text: refusal(nak) }] : [];
  return { state, effects: [...notes, { kind: 'lost', why, lease }, ...effects] };
}

function refusal(nak: DhcpMessage): string {
  const text = readText(nak, OPTION.MESSAGE);
  return text ? `the server refused: ${text}` : 'the server refused';
}

function sent<S extends Requesting | Rebooting>(setup: Setup, state: S, now: number): S {
  const dueAt = Math.min(state.giveUpAt, resendAt(setup, state, now));
  return { ...state, attempt: state.attempt + 1, sentAt: now, dueAt };
}

function resendAt(setup: Setup, { attempt }: { readonly attempt: number }, now: number): number {
  return now + resendDelay(attempt, setup.resendMax, setup.random);
}

function transaction(
  { xid, startedAt }: { readonly xid: number; readonly startedAt: number },
  now: number,
): { readonly xid: number; readonly secs: number } {
  return { xid, secs: Math.floor((now - startedAt) / 1000) };
}

export function newXid(random: Random): number {
  return Math.floor(random() * 2 ** 32);
}
