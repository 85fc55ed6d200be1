/**
 * What the agent has learned, on the node's own disk: its lease and its peers with the end of their leases. From it a
 * node starts while its registry cannot be reached, and keeps its peers after the registry lost them.
 */

import type { NetConf } from '../../../shared/config/net-conf.ts';
import type { Clock, Timer } from '../../../shared/daemon/clock.ts';
import { type Cidr, containsCidr } from '../../../shared/ip/cidr.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { Instant } from '../../../shared/store/clock.ts';
import type { NodeLease } from '../../../shared/store/registry.ts';
import { readTextIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';
import { leaseFromJson, leaseText } from './lease-json.ts';
import { type KnownPeer, leftOf } from './peer-set.ts';

/** Written by this release; read by it and the next. */
const VERSION = 1;
/**
 * A join or leave is on disk this soon (ms); after BURST writes in short order they wait for each other, one every
 * REFILL. Mere renewals wait for LATER. SD cards wear out.
 */
const SOON = 100;
const BURST = 10;
const REFILL = 5000;
const LATER = 60_000;

export interface AgentState {
  readonly own?: NodeLease;
  readonly peers: readonly KnownPeer[];
  /** Names of the devices that the agent made or took over. */
  readonly devices?: readonly string[];
  /** Chains of iptables may be there that the agent made or took over. */
  readonly iptables?: true;
}

/** Reads the file; a missing, damaged or foreign one gives an empty state. */
export function readState(path: string, node: string, log: Logger): AgentState {
  try {
    const text = readTextIfExists(path);
    return text === undefined ? { peers: [] } : parseState(text, node);
  } catch (error) {
    log.warn('the state file cannot be read and is made anew', { path, error });
    return { peers: [] };
  }
}

/**
 * What of it can be used: a lease for another cluster network is good for nothing but a wish, and a peer's would bring
 * routes to addresses that are none of the cluster's.
 */
export function usableState(
  { own, peers }: AgentState,
  { ipv4, ipv6 }: Pick<NetConf, 'ipv4' | 'ipv6'>,
): AgentState {
  // Half of it works: a node that was there before its cluster became dual-stack has one subnet for good, and of one that
  // gave a family up the other is left.
  const mine = own && halvesOf(own, { v4: ipv4 !== undefined, v6: ipv6 !== undefined });
  const inside = (network: Cidr | undefined, part: Cidr | undefined): boolean =>
    part === undefined || (network !== undefined && containsCidr(network, part));
  const fits = mine && inside(ipv4?.network, mine.subnet) && inside(ipv6?.network, mine.subnetV6);
  // A peer may have fewer families than the cluster, or, while that changes, more.
  const reachable = ({ lease: { subnet, subnetV6 } }: KnownPeer): boolean => {
    const v4 = ipv4 && subnet && containsCidr(ipv4.network, subnet);
    const v6 = ipv6 && subnetV6 && containsCidr(ipv6.network, subnetV6);
    return v4 !== false && v6 !== false && (v4 === true || v6 === true);
  };
  return { ...(fits && { own: mine }), peers: peers.filter(reachable) };
}

/** A lease without what it has of families that the cluster has not; `undefined` where nothing is left. */
function halvesOf(lease: NodeLease, { v4, v6 }: { v4: boolean; v6: boolean }): NodeLease | undefined {
  const { subnet, subnetV6, ...rest } = lease;
  if (!(v4 && subnet) && !(v6 && subnetV6)) return undefined;
  return { ...rest, ...(v4 && subnet && { subnet }), ...(v6 && subnetV6 && { subnetV6 }) };
}

/** The file's content. @throws Error when it is not one of this node's files */
export function parseState(text: string, node: string): AgentState {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null) throw new Error('it is no object');
  const { version, node: owner, written, own, peers, devices, iptables } = json as Record<string, unknown>;
  if (version !== VERSION) throw new Error(`it has version ${String(version)}, not ${VERSION}`);
  if (owner !== node) throw new Error(`it is of node ${String(owner)}`);
  const lease = leaseFromJson(own);
  const at = parseInstant(written);
  return {
    ...(lease && { own: lease }),
    peers: Array.isArray(peers) ? peers.flatMap((peer) => parsePeer(peer, at) ?? []) : [],
    ...(Array.isArray(devices) && { devices: devices.filter((name) => typeof name === 'string') }),
    ...(iptables === true && { iptables }),
  };
}

/** The text of the file, with what is left of each lease now. Put together by hand: the leases' texts are at hand. */
export function renderState(
  node: string,
  { own, peers, devices, iptables }: AgentState,
  now: Instant,
): string {
  const known = peers.map(({ lease, epoch, term, carried }) => {
    // JSON has no infinity.
    const left = Number.isFinite(term.durationMs) ? `,"leftMs":${leftOf(term, now)}` : '';
    return `{"lease":${leaseText(lease)},"epoch":${JSON.stringify(epoch)}${left}${carried ? ',"carried":true' : ''}}`;
  });
  const fields = [
    `"version":${VERSION}`,
    `"node":${JSON.stringify(node)}`,
    `"written":${JSON.stringify(now)}`,
    ...(own ? [`"own":${leaseText(own)}`] : []),
    `"peers":[${known.join(',')}]`,
    ...(devices ? [`"devices":${JSON.stringify(devices)}`] : []),
    ...(iptables ? ['"iptables":true'] : []),
  ];
  return `{${fields.join(',')}}`;
}

function parsePeer(value: unknown, written: Instant): KnownPeer | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { lease: json, epoch, leftMs, carried } = value as Record<string, unknown>;
  const lease = leaseFromJson(json);
  if (!lease || typeof epoch !== 'string') return undefined;
  const durationMs = typeof leftMs === 'number' ? leftMs : Number.POSITIVE_INFINITY;
  return { lease, epoch, term: { renewed: written, durationMs }, ...(carried === true && { carried }) };
}

function parseInstant(value: unknown): Instant {
  const { wallMs, bootMs, bootId } = (value ?? {}) as Record<string, unknown>;
  if (typeof wallMs !== 'number' || typeof bootMs !== 'number' || typeof bootId !== 'string')
    throw new Error('it does not say when it was written');
  return { wallMs, bootMs, bootId };
}

/** Writes the state now and then, always whole, never more often than needed. */
export class StateWriter implements Disposable {
  readonly #path: string;
  readonly #node: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #state: () => AgentState;
  #timer: Timer | undefined;
  #due = Number.POSITIVE_INFINITY;
  /** Writes that may follow at once, as of `#filledAt` (monotonic ms). */
  #tokens = BURST;
  #filledAt = 0;
  #written: string | undefined;

  /** @param state what to write, asked for at the moment of writing */
  constructor(path: string, node: string, state: () => AgentState, clock: Clock, log: Logger) {
    this.#path = path;
    this.#node = node;
    this.#state = state;
    this.#clock = clock;
    this.#log = log;
  }

  /** Something is new. @param kind `renewal` when only the ends of leases moved */
  touch(kind: 'change' | 'renewal'): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(BURST, this.#tokens + (now - this.#filledAt) / REFILL);
    this.#filledAt = now;
    const wait = kind === 'renewal' ? LATER : this.#tokens >= 1 ? SOON : SOON + (1 - this.#tokens) * REFILL;
    const due = now + wait;
    if (due >= this.#due) return;
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = this.#clock.after(wait, () => this.flush());
  }

  /** Writes at once if anything is new. A disk that refuses is logged and tried again later. */
  flush(): void {
    if (!Number.isFinite(this.#due)) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#due = Number.POSITIVE_INFINITY;
    const text = renderState(this.#node, this.#state(), this.#clock.instant());
    if (text === this.#written) return;
    this.#tokens = Math.max(0, this.#tokens - 1);
    try {
      writeFileAtomic(this.#path, new TextEncoder().encode(text), { mode: 0o600 });
      this.#written = text;
    } catch (error) {
      this.#log.warn('the state file cannot be written', { path: this.#path, error: errorText(error) });
      this.touch('renewal');
    }
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}
