import type { Cidr } from '../ip/cidr.ts';
import { ipEquals } from '../ip/ip.ts';
import type { Clock } from './clock.ts';
import { LeaseLostError, NameInUseError, TooOldError } from './errors.ts';
import { expiresAtMs, isExpired, type LeaseTerm, remainingMs } from './lease-time.ts';
import {
  LEASE_DURATION_MS,
  type LeaseBatch,
  type LeaseEvent,
  type LeaseList,
  type NodeInfo,
  type NodeLease,
  type NodeRegistry,
  type WantedSubnets,
} from './registry.ts';
import { mathRandom, type PodNetworks, planSubnets, type Random } from './subnet-allocator.ts';

interface Member {
  readonly info: NodeInfo;
  readonly subnets: WantedSubnets;
  readonly term: LeaseTerm;
}

type Change = { readonly sequence: number; readonly node: string; readonly reason?: 'deleted' | 'expired' };

export interface FakeRegistryOptions {
  readonly networks: PodNetworks;
  readonly clock: Clock;
  readonly leaseDurationMs?: number;
  readonly random?: Random;
}

/**
 * A registry in memory that behaves as the real ones do (the contract suite runs against it), for tests of what uses
 * one. All nodes of a test share one instance.
 */
export class FakeNodeRegistry implements NodeRegistry {
  readonly #options: Required<FakeRegistryOptions>;
  readonly #members = new Map<string, Member>();
  readonly #waiting = new Set<() => void>();
  #changes: Change[] = [];
  #sequence = 0;
  #floor = 0;
  #epoch = 1;
  #rebuiltAt: number | undefined;
  #failure: Error | undefined;

  constructor(options: FakeRegistryOptions) {
    this.#options = { leaseDurationMs: LEASE_DURATION_MS, random: mathRandom, ...options };
  }

  /** For tests: every call fails with this, running watches too, until it is set to `undefined` again. */
  set failure(error: Error | undefined) {
    this.#failure = error;
    this.#wake();
  }

  /** For tests: running watches and old versions get TooOldError. */
  forgetHistory(): void {
    this.#sequence += 1;
    this.#floor = this.#sequence;
    this.#changes = [];
    this.#wake();
  }

  /** For tests: everything is lost, as when a damaged store is set aside. */
  rebuild(): void {
    this.#members.clear();
    this.#epoch += 1;
    this.#rebuiltAt = this.#options.clock.now().wallMs;
    this.forgetHistory();
  }

  /** For tests: an operator gives a node other subnets, as editing `spec.podCIDRs` does. */
  assign(node: string, subnets: WantedSubnets): void {
    const old = this.#members.get(node);
    if (old === undefined) throw new Error(`there is no node ${node}`);
    this.#members.set(node, { ...old, subnets });
    this.#changed({ node });
  }

  async acquire(info: NodeInfo, want: WantedSubnets = {}): Promise<NodeLease> {
    this.#enter();
    const old = this.#members.get(info.name);
    if (old !== undefined && clashes(info, old.info)) {
      throw new NameInUseError(`the node name ${info.name} is in use by another machine`);
    }
    const taken = [...this.#members.values()]
      .filter((member) => member.info.name !== info.name)
      .flatMap(({ subnets }) => [subnets.subnet, subnets.subnetV6])
      .filter((cidr): cidr is Cidr => cidr !== undefined);
    const { networks, random } = this.#options;
    return this.#set(info, planSubnets(networks, old ? [old.subnets, want] : [want], taken, random));
  }

  async renew(info: NodeInfo): Promise<NodeLease> {
    this.#enter();
    const old = this.#members.get(info.name);
    if (old === undefined || clashes(info, old.info)) {
      throw new LeaseLostError(`node ${info.name} has no lease any more`);
    }
    return this.#set(info, old.subnets);
  }

  async release(node: string): Promise<boolean> {
    this.#enter();
    if (!this.#members.delete(node)) return false;
    this.#changed({ node, reason: 'deleted' });
    return true;
  }

  async list(): Promise<LeaseList> {
    this.#enter();
    const leases = [...this.#members.values()]
      .map((member) => this.#toLease(member))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
    const past = { version: String(this.#sequence), epoch: String(this.#epoch) };
    return { leases, ...past, ...(this.#rebuiltAt !== undefined && { rebuiltAt: this.#rebuiltAt }) };
  }

  async *watch(version: string, signal: AbortSignal): AsyncGenerator<LeaseBatch, void, undefined> {
    let from = /^\d+$/.test(version) ? Number(version) : Number.NaN;
    while (!signal.aborted) {
      this.#enter();
      if (!(from >= this.#floor && from <= this.#sequence)) throw new TooOldError('list again');
      const events = this.#eventsAfter(from);
      from = this.#sequence;
      if (events.length > 0) yield { events, version: String(from) };
      else await this.#wait(signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure = new Error('the registry was closed');
    this.#wake();
  }

  /** What every call begins with: a failure that a test asked for, and the leases that are over. */
  #enter(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const now = this.#options.clock.now();
    for (const { info, term } of [...this.#members.values()]) {
      if (!isExpired(term, now)) continue;
      this.#members.delete(info.name);
      this.#changed({ node: info.name, reason: 'expired' });
    }
  }

  #set(info: NodeInfo, subnets: WantedSubnets): NodeLease {
    const term = { renewed: this.#options.clock.now(), durationMs: this.#options.leaseDurationMs };
    const member = { info, subnets, term };
    this.#members.set(info.name, member);
    this.#changed({ node: info.name });
    return this.#toLease(member);
  }

  #toLease({ info, subnets, term }: Member): NodeLease {
    const { name, instance: _, ...published } = info;
    return { node: name, ...published, ...subnets, expiresAt: expiresAtMs(term, this.#options.clock.now()) };
  }

  #eventsAfter(from: number): LeaseEvent[] {
    const latest = new Map<string, Change>();
    for (const change of this.#changes) if (change.sequence > from) latest.set(change.node, change);
    return [...latest.values()].map(({ node, reason }): LeaseEvent => {
      const member = this.#members.get(node);
      if (member !== undefined) return { type: 'set', lease: this.#toLease(member) };
      return { type: 'removed', node, reason: reason ?? 'deleted' };
    });
  }

  #changed(change: Omit<Change, 'sequence'>): void {
    this.#sequence += 1;
    this.#changes.push({ ...change, sequence: this.#sequence });
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #wait(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const now = clock.now();
    const next = Math.min(...[...this.#members.values()].map(({ term }) => remainingMs(term, now)));
    return new Promise((resolve) => {
      let timer: Disposable | undefined;
      const done = (): void => {
        timer?.[Symbol.dispose]();
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      if (Number.isFinite(next)) timer = clock.setTimer(next, done);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

function clashes(info: NodeInfo, old: NodeInfo): boolean {
  if (info.instance === undefined || old.instance === undefined || info.instance === old.instance)
    return false;
  const same4 = info.publicIp && old.publicIp && ipEquals(info.publicIp, old.publicIp);
  const same6 = info.publicIpV6 && old.publicIpV6 && ipEquals(info.publicIpV6, old.publicIpV6);
  return !same4 && !same6;
}
