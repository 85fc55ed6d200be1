/**
 * The node's place in the cluster: registers it, keeps its lease alive, and follows who joins and leaves. Whatever
 * goes wrong with the registry, what is known stays known; only the registry's own word removes a peer.
 */

import { type Clock, sleep, type Timer } from '../../../shared/daemon/clock.ts';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import { Backoff } from '../../../shared/kube/backoff.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { isLeaseLost, isTooOld } from '../../../shared/store/errors.ts';
import type { NodeInfo, NodeLease, NodeRegistry, WantedSubnets } from '../../../shared/store/registry.ts';
import { sameButExpiry } from './lease-json.ts';
import { type PeerChange, PeerSet } from './peer-set.ts';
import type { AgentState } from './state-file.ts';

const FIRST_RETRY = 250;
const LONGEST_RETRY = 15_000;
/**
 * A registry that has said nothing for so long after the start (ms), neither an answer nor an error, is taken for away:
 * pods' network is to be back within two seconds.
 */
const PATIENCE = 1000;

const UNFOLLOWED = 'the list of nodes cannot be followed';

export interface MembershipOptions {
  readonly registry: NodeRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: string;
  /**
   * What the node publishes; asked for whenever it registers or renews, with what it published before.
   * `undefined`: not known yet.
   */
  readonly info: (before: NodeLease | undefined) => NodeInfo | undefined;
  /** The subnets it had before, where there is no lease to go by. */
  readonly wanted: () => WantedSubnets;
  /** How long before its end the lease is renewed at the latest (ms). */
  readonly renewMarginMs: number;
  /** From the state file. */
  readonly known?: AgentState;
  readonly onChange: (what: MembershipChange) => void;
  /** From 0 up to 1, 1 excluded; by default Math.random. */
  readonly random?: () => number;
}

/** Whoever changes the node's record after such a pause (ms) is answered at once; before, ever later. */
const PEACE = 5 * 60_000;
/** So many changes by somebody else in a row are no operator's. */
const FIGHT = 5;

/** The own lease or the set of peers changed, or (`renewal`) only the end of some lease did. */
export type MembershipChange = 'own' | 'peers' | 'renewal';

/** How things stand between the node and the registry. */
export interface RegistryHealth {
  /** The lease is registered and the watch is running. */
  readonly connected: boolean;
  /** The last error, until it has been overcome. */
  readonly error?: string;
  /** When something was last heard of the registry (ms since the epoch). */
  readonly lastContact?: number;
}

export class Membership {
  readonly peers: PeerSet;
  readonly #options: MembershipOptions;
  #own: NodeLease | undefined;
  #registered = false;
  #renewal: number | undefined;
  #following = false;
  #listed = false;
  /** The registry has answered, or has failed to, at least once. */
  readonly #asked = { lease: false, peers: false };
  #errors = new Map<string, string>();
  #lastContact: number | undefined;
  readonly #random: () => number;
  /** Answers to what somebody else does to the node's record. */
  readonly #answers: Backoff;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #answer: Timer | undefined;
  #wakeRequested = false;
  #wake = (): void => {};

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#answers = new Backoff({ firstMs: 1000, mostMs: 60_000, random: this.#random });
    this.#own = options.known?.own;
    this.peers = new PeerSet(options.node, options.known?.peers, options.registry.subnetIsName);
    if (this.#own) this.peers.setOwn(this.#own);
  }

  /** The node's lease: the registry's, or, where that cannot be reached, the one in the state file. */
  get own(): NodeLease | undefined {
    return this.#asked.lease ? this.#own : undefined;
  }

  /** By when a lease that ends is to be renewed (ms since the epoch); `undefined` before the first registration. */
  get renewal(): number | undefined {
    return this.#renewal;
  }

  /**
   * True once it is known who the peers are. Until then nothing must be removed: after a restart the kernel knows
   * more than the agent.
   */
  get peersKnown(): boolean {
    return this.#asked.peers;
  }

  /**
   * True once the registry has listed its nodes. Before, the peers are those of the state file: what the kernel holds
   * besides may be right.
   */
  get listed(): boolean {
    return this.#listed;
  }

  /** What is known, for the state file. */
  get state(): AgentState {
    return { ...(this.#own && { own: this.#own }), peers: this.peers.known };
  }

  get health(): RegistryHealth {
    const error = [...this.#errors.values()][0];
    return {
      connected: this.#registered && this.#following,
      ...(error !== undefined && { error }),
      ...(this.#lastContact !== undefined && { lastContact: this.#lastContact }),
    };
  }

  /** What the node publishes has changed: tell the registry now. */
  publish(): void {
    this.#wakeRequested = true;
    this.#wake();
  }

  /** Works until the signal is aborted. The lease stays in the registry: a restarted agent takes it again. */
  async run(signal: AbortSignal): Promise<void> {
    const patience = this.#options.clock.after(PATIENCE, () => {
      this.#makeDo('lease');
      this.#makeDo('peers');
    });
    try {
      await Promise.all([this.#keepLease(signal), this.#follow(signal), this.#letCarriedGo(signal)]);
    } finally {
      patience.cancel();
      this.#answer?.cancel();
    }
  }

  async #keepLease(signal: AbortSignal): Promise<void> {
    const retries = this.#retries();
    let told: string | undefined;
    while (!signal.aborted) {
      this.#wakeRequested = false;
      const info = this.#options.info(this.#own);
      let wait = LONGEST_RETRY;
      if (info) {
        try {
          const lease = this.#registered ? await this.#renew(info) : await this.#acquire(info);
          this.#contact('lease');
          if (told !== undefined) this.#options.log.info('the node is registered again', { node: info.name });
          retries.reset();
          told = undefined;
          const latest = renewIn(lease.expiresAt - this.#options.clock.now(), this.#options.renewMarginMs);
          // Nodes that were switched on together do not renew together for ever.
          wait = latest * (0.8 + 0.2 * this.#random());
          this.#renewal = Number.isFinite(lease.expiresAt) ? this.#options.clock.now() + latest : undefined;
        } catch (error) {
          if (signal.aborted) return;
          if (isLeaseLost(error)) {
            this.#registered = false;
            continue;
          }
          wait = retries.next();
          told = this.#tell('lease', 'the node cannot be registered', error, told);
          this.#makeDo('lease');
        }
      }
      await this.#sleepUntilWoken(wait, signal);
    }
  }

  async #acquire(info: NodeInfo): Promise<NodeLease> {
    // A registry that lost its memory gives the node the subnet that its pods are in.
    const { subnet, subnetV6 } = this.#own ?? {};
    const wanted = { ...this.#options.wanted(), ...(subnet && { subnet }), ...(subnetV6 && { subnetV6 }) };
    const lease = await this.#options.registry.acquire(await this.#asBefore(info), wanted);
    this.#registered = true;
    this.#options.log.info('registered', {
      node: lease.node,
      subnet: lease.subnet && formatCidr(lease.subnet),
      subnet_v6: lease.subnetV6 && formatCidr(lease.subnetV6),
      until: Number.isFinite(lease.expiresAt) ? new Date(lease.expiresAt).toISOString() : undefined,
    });
    return this.#setOwn(lease);
  }

  /** A node that lost its own state finds in the registry what it published, so that its peers need not change. */
  async #asBefore(info: NodeInfo): Promise<NodeInfo> {
    if (this.#own) return info;
    const { registry } = this.#options;
    const before = registry.find
      ? await registry.find(info)
      : (await registry.list()).leases.find((lease) => lease.node === info.name);
    return (before && this.#options.info(before)) ?? info;
  }

  async #renew(info: NodeInfo): Promise<NodeLease> {
    return this.#setOwn(await this.#options.registry.renew(info));
  }

  #setOwn(lease: NodeLease): NodeLease {
    const changed = !this.own || !sameButExpiry(this.own, lease);
    this.#own = lease;
    this.peers.setOwn(lease);
    this.#asked.lease = true;
    this.#options.onChange(changed ? 'own' : 'renewal');
    return lease;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const retries = this.#retries();
    const relists = this.#retries();
    let told: string | undefined;
    while (!signal.aborted) {
      try {
        const list = await this.#options.registry.list();
        this.#heard(this.peers.applyList(list, this.#options.clock.instant()));
        if (this.peers.carried > 0) {
          this.#options.log.warn('the registry lost nodes; they stay until their own leases end', {
            nodes: this.peers.carried,
            rebuilt_at: list.rebuiltAt === undefined ? undefined : new Date(list.rebuiltAt).toISOString(),
          });
        }
        retries.reset();
        told = undefined;
        const onHealth = (error: unknown): void => {
          this.#following = error === undefined;
          if (error === undefined) this.#contact('watch');
          told = error === undefined ? undefined : this.#tell('watch', UNFOLLOWED, error, told);
        };
        for await (const batch of this.#options.registry.watch(list.version, signal, onHealth)) {
          relists.reset();
          this.#heard(this.peers.applyEvents(batch.events, this.#options.clock.instant()));
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#following = false;
        if (isTooOld(error)) {
          // A server that has restarted says so to all nodes at once.
          await sleep(this.#options.clock, relists.next(), signal);
          continue;
        }
        this.#makeDo('peers');
        told = this.#tell('watch', UNFOLLOWED, error, told);
      }
      await sleep(this.#options.clock, retries.next(), signal);
    }
  }

  #heard({ changed, ownLost, own, rebuilt }: PeerChange): void {
    this.#following = true;
    const isFirst = !this.#listed;
    this.#asked.peers = true;
    this.#listed = true;
    this.#contact('watch');
    if (ownLost && this.#registered) {
      this.#options.log.warn('the lease is gone from the registry; registering again');
      this.#registered = false;
      this.#answerSomebody();
    } else if (own && this.#isNews(own)) {
      this.#answerSomebody();
    }
    this.#options.onChange(changed || isFirst || rebuilt ? 'peers' : 'renewal');
  }

  /**
   * True for an own lease that somebody else changed (an operator gave the node another podCIDR, or edited what it
   * published), and for one that may let a registration succeed that failed.
   */
  #isNews(own: NodeLease): boolean {
    if (!this.#registered) return this.#errors.has('lease');
    return this.#own !== undefined && !sameButExpiry(this.#own, own);
  }

  /**
   * Says again what the node publishes. At once, but ever later where somebody goes on writing the same record, such as
   * a machine that was cloned together with its state directory: the two would keep every node busy.
   */
  #answerSomebody(): void {
    const { clock, log, node } = this.#options;
    const now = clock.monotonic();
    const isPeaceful = now - this.#answeredAt > PEACE;
    this.#answeredAt = now;
    if (this.#answer) return;
    if (isPeaceful) {
      this.#answers.reset();
      this.publish();
      return;
    }
    const wait = this.#answers.next();
    if (this.#answers.failures === FIGHT)
      log.warn(
        "somebody else writes this node's record: is its name or a copy of its state directory in use twice?",
        {
          node,
        },
      );
    this.#answer = clock.after(wait, () => {
      this.#answer = undefined;
      this.publish();
    });
  }

  #retries(): Backoff {
    return new Backoff({ firstMs: FIRST_RETRY, mostMs: LONGEST_RETRY, random: this.#random });
  }

  async #letCarriedGo(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { clock } = this.#options;
      if (this.peers.dropExpired(clock.instant())) this.#options.onChange('peers');
      const next = this.peers.nextExpiry(clock.instant());
      // Looked at every minute, because a list may bring carried peers at any time.
      await sleep(clock, Math.min(60_000, Math.max(1, next)), signal);
    }
  }

  /** The registry does not answer: what the state file has will have to do, if it has anything. */
  #makeDo(what: 'lease' | 'peers'): void {
    if (this.#asked[what] || !this.#options.known?.own) return;
    this.#asked[what] = true;
    this.#options.log.warn('going by what the state file remembers', { what });
    this.#options.onChange(what === 'lease' ? 'own' : 'peers');
  }

  #contact(part: string): void {
    this.#lastContact = this.#options.clock.now();
    this.#errors.delete(part);
  }

  /** Logs an error unless it is the one that was told last, and returns its text. */
  #tell(part: string, what: string, error: unknown, told: string | undefined): string {
    const text = errorText(error);
    this.#errors.set(part, `${what}: ${text}`);
    if (text !== told) this.#options.log.error(`${what}, will be tried again`, { error });
    return text;
  }

  async #sleepUntilWoken(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#wakeRequested) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await sleep(this.#options.clock, ms, AbortSignal.any([signal, woken.signal]));
    this.#wake = () => {};
  }
}

/**
 * When to renew a lease that lasts `remaining` ms longer: at half its time, or when `margin` is left if that is
 * earlier. Half its time leaves twelve hours to mend a registry.
 */
export function renewIn(remaining: number, margin: number): number {
  if (!Number.isFinite(remaining)) return 12 * 3_600_000;
  const beforeMargin = remaining - margin;
  return Math.max(1000, beforeMargin > 0 ? Math.min(remaining / 2, beforeMargin) : remaining / 2);
}
