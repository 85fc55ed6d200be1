/** The daemon's work: leases by attachment, and what plugins ask for. */

import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { DhcpRequest, DhcpTarget } from '../../protocol/dhcp-daemon.ts';
import { CniError, tryAgainLater } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { encodeResult } from '../../protocol/result-encode.ts';
import { currentVersion } from '../../protocol/version.ts';
import type { Random } from '../client/backoff.ts';
import type { Lease } from '../client/lease.ts';
import type { Setup } from '../client/machine.ts';
import type { Bound } from '../client/state.ts';
import { leaseResult } from '../lease-result.ts';
import type { Clock } from './clock.ts';
import { clientId, leaseName } from './identity.ts';
import type { LeaseStore } from './lease-store.ts';
import { LeaseTask } from './lease-task.ts';
import type { PodPlace } from './linux-pod.ts';
import type { Pod, PodIdentity } from './pod.ts';
import { PodGone } from './pod.ts';

/** How it asks: upstream's flags. Durations in milliseconds. */
export interface Manners {
  readonly timeout: number;
  readonly resendMax: number;
  readonly resendTimeout: number;
  readonly broadcast: boolean;
  /** Goes before every namespace's path. */
  readonly hostPrefix: string;
}

export interface DaemonOptions {
  readonly clock: Clock;
  readonly bootId: string;
  readonly random: Random;
  readonly log: Logger;
  readonly store: Pick<LeaseStore, 'read' | 'write' | 'remove'>;
  readonly manners: Manners;
  /** Finds a pod's interface. */
  readonly findPod: (place: PodPlace) => Pod;
  /** One that was found before. */
  readonly knownPod: (place: PodPlace, identity: PodIdentity) => Pod;
}

/** Somebody waits for the lease. */
interface Waiting {
  resolve(lease: Lease): void;
  reject(error: unknown): void;
}

interface Entry {
  readonly name: string;
  readonly holder: DhcpTarget;
  readonly pod: Pod;
  readonly task: LeaseTask;
  waiting: Waiting | undefined;
}

/** First of the codes that the specification leaves to plugins: what CHECK found is not as ADD left it. */
const CHECK_FAILED = 100;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  /** Leases that are kept, lost ones included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Goes on with the leases of the daemon before. */
  takeOver(): void {
    const { bootId, knownPod, log, manners, store } = this.#options;
    const unreadable = (path: string, error: unknown): void =>
      log.error('a lease cannot be read and is left where it is', { path, error });
    for (const { name, record } of store.read(unreadable)) {
      const { holder, lease, lost } = record;
      // Nothing of a pod outlives the boot.
      if (record.bootId !== bootId) {
        store.remove(name);
        continue;
      }
      const place = { path: manners.hostPrefix + holder.netns, ifname: holder.ifname };
      const entry = this.#add(holder, knownPod(place, record.pod));
      if (this.#isGone(entry)) continue;
      if (lost) entry.task.seek(lease);
      else entry.task.resume(lease);
    }
  }

  /** Answers a plugin. @param signal aborted when it does not wait any more @throws CniError */
  async handle(request: DhcpRequest, signal: AbortSignal): Promise<JsonObject> {
    switch (request.op) {
      case 'allocate': {
        const lease = await this.#allocate(request, signal);
        return { result: encodeResult(leaseResult(lease, request.priority), currentVersion) };
      }
      case 'check':
        await this.#check(request, signal);
        return {};
      case 'release': {
        const name = leaseName(request);
        this.#release(this.#entries.get(name));
        // Of one that could not be read when the daemon began.
        this.#options.store.remove(name);
        return {};
      }
      case 'list':
        return { attachments: this.#list(request.network) };
      case 'status':
        return { leases: this.#entries.size };
    }
  }

  /** Ends without giving anything back: the pods live on, and the next daemon takes their leases over. */
  stop(): void {
    for (const entry of this.#entries.values()) {
      entry.waiting?.reject(tryAgainLater('the DHCP daemon is being stopped'));
      entry.task.end();
    }
    this.#entries.clear();
  }

  async #allocate(target: DhcpTarget, signal: AbortSignal): Promise<Lease> {
    const pod = this.#find(target);
    const known = this.#entries.get(leaseName(target));
    const kept = known?.task.lease;
    if (kept && sameIdentity(known.pod.identity, pod.identity)) return kept;
    if (known) this.#forget(known, 'another call asks for the same attachment');
    const entry = this.#add(target, pod);
    const lease = this.#wait(entry, this.#options.manners.resendTimeout, signal);
    entry.task.start();
    try {
      const bound = await lease;
      // Now, so that it is given back where it cannot be used.
      leaseResult(bound, target.priority);
      return bound;
    } catch (error) {
      this.#release(entry);
      throw error;
    }
  }

  async #check(
    request: DhcpTarget & { readonly address: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const entry = this.#entries.get(leaseName(request));
    if (!entry) return this.#adopt(request, signal);
    const lease = this.#isPresent(entry) ? entry.task.lease : undefined;
    if (!lease) throw new CniError(CHECK_FAILED, `the lease of ${request.ifname} is over`, remedy);
    const address = formatIp(lease.address);
    if (request.address === undefined || request.address === address) return;
    throw new CniError(CHECK_FAILED, `the lease is for ${address}, not for ${request.address}`, remedy);
  }

  /** Of a pod that upstream's daemon has seen to, or whose lease was lost with a disk. */
  async #adopt(
    request: DhcpTarget & { readonly address: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const address = parseIp(request.address ?? '');
    if (!address) throw new CniError(CHECK_FAILED, `no lease is kept for ${request.ifname}`, remedy);
    const entry = this.#add(request, this.#find(request));
    const lease = this.#wait(entry, this.#options.manners.timeout, signal);
    entry.task.adopt(address);
    try {
      await lease;
    } catch (error) {
      this.#forget(entry, 'not taken over');
      throw error;
    }
  }

  #list(network: string): JsonObject[] {
    return [...this.#entries.values()]
      .filter(({ holder }) => holder.network === network)
      .map(({ holder: { containerId, ifname } }) => ({ containerId, ifname }));
  }

  #find({ netns, ifname }: DhcpTarget): Pod {
    return this.#options.findPod({ path: this.#options.manners.hostPrefix + netns, ifname });
  }

  #add(holder: DhcpTarget, pod: Pod): Entry {
    const { clock, log } = this.#options;
    const { network, containerId, ifname } = holder;
    const name = leaseName(holder);
    const task = new LeaseTask({
      setup: this.#setup(holder, pod),
      pod,
      clock,
      priority: holder.priority,
      log: withFields(log, { network, container: containerId, ifname }),
      onBound: (lease, how) => this.#bound(entry, lease, how),
      onLost: (lease) => this.#lost(entry, lease),
      onGone: () => this.#forget(entry, `${ifname} of container ${containerId} is gone`),
    });
    const entry: Entry = { name, holder, pod, task, waiting: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  #setup(holder: DhcpTarget, pod: Pod): Setup {
    const { manners, random } = this.#options;
    const client = {
      mac: Uint8Array.from(pod.identity.mac.split(':'), (byte) => Number.parseInt(byte, 16)),
      clientId: clientId(holder),
      provided: holder.provide.map(({ code, hex }) => ({ code, data: Uint8Array.fromHex(hex) })),
      wanted: holder.request,
      broadcast: manners.broadcast,
    };
    return { client, answerTimeout: manners.timeout, resendMax: manners.resendMax, random };
  }

  /** Waits until the entry's lease is there. */
  #wait(entry: Entry, timeoutMs: number, signal: AbortSignal): Promise<Lease> {
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const timer = this.#options.clock.after(timeoutMs, () => {
      reject(
        tryAgainLater(`no DHCP server gave ${entry.holder.ifname} an address within ${timeoutMs / 1000} s`, {
          details: 'is a server on the network that the interface leads to, and has it addresses left?',
        }),
      );
    });
    const onAbort = (): void => reject(tryAgainLater('the plugin that asked has ended'));
    signal.addEventListener('abort', onAbort);
    entry.waiting = { resolve, reject };
    return promise.finally(() => {
      timer[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
      entry.waiting = undefined;
    });
  }

  #bound(entry: Entry, lease: Lease, how: Bound): void {
    const { log } = this.#options;
    const { containerId, ifname } = entry.holder;
    const fields = {
      container: containerId,
      ifname,
      address: formatIp(lease.address),
      server: formatIp(lease.server),
    };
    if (how === 'renewed' || how === 'rebound') log.debug(`lease ${how}`, fields);
    else log.info(`lease ${how}`, fields);
    try {
      this.#write(entry, lease, false);
      entry.waiting?.resolve(lease);
    } catch (error) {
      if (entry.waiting) entry.waiting.reject(error);
      else log.error('the lease cannot be written down', { ...fields, error });
    }
  }

  #lost(entry: Entry, lease: Lease | undefined): void {
    if (entry.waiting) {
      entry.task.end();
      entry.waiting.reject(
        new CniError(CHECK_FAILED, `no DHCP server lets ${entry.holder.ifname} keep its address`, remedy),
      );
      return;
    }
    if (lease) this.#write(entry, lease, true);
  }

  #write({ name, holder, pod }: Entry, lease: Lease, lost: boolean): void {
    const { network, containerId, ifname, netns, provide, request, priority } = holder;
    const kept = { network, containerId, ifname, netns, provide, request, priority };
    this.#options.store.write(name, {
      holder: kept,
      pod: pod.identity,
      lease,
      lost,
      bootId: this.#options.bootId,
    });
  }

  #release(entry: Entry | undefined): void {
    if (!entry || this.#entries.get(entry.name) !== entry) return;
    const { containerId, ifname } = entry.holder;
    const address = entry.task.lease && formatIp(entry.task.lease.address);
    entry.task.release();
    this.#forget(entry, 'the attachment is being deleted');
    if (address) this.#options.log.info('lease released', { container: containerId, ifname, address });
  }

  /** Ends without a word to the server. */
  #forget(entry: Entry, why: string): void {
    entry.task.end();
    if (this.#entries.get(entry.name) === entry) {
      this.#entries.delete(entry.name);
      this.#options.store.remove(entry.name);
    }
    entry.waiting?.reject(tryAgainLater(`no lease: ${why}`));
  }

  /** At the start: whatever else keeps the pod from being looked at must not keep the daemon from its other leases. */
  #isGone(entry: Entry): boolean {
    try {
      return !this.#isPresent(entry);
    } catch (error) {
      const { containerId, ifname } = entry.holder;
      this.#options.log.error('a pod cannot be looked at', { container: containerId, ifname, error });
      return false;
    }
  }

  #isPresent(entry: Entry): boolean {
    try {
      entry.pod.requirePresent();
      return true;
    } catch (error) {
      if (!(error instanceof PodGone)) throw error;
      this.#options.log.info('a pod is gone, and its lease with it', { error });
      this.#forget(entry, error.message);
      return false;
    }
  }
}

const remedy = { details: 'delete the pod, so that it is made anew' };

function sameIdentity(one: PodIdentity, other: PodIdentity): boolean {
  return one.netns === other.netns && one.ifindex === other.ifindex && one.mac === other.mac;
}

function withFields(log: Logger, common: Readonly<Record<string, unknown>>): Logger {
  return {
    debug: (message, fields) => log.debug(message, { ...common, ...fields }),
    info: (message, fields) => log.info(message, { ...common, ...fields }),
    warn: (message, fields) => log.warn(message, { ...common, ...fields }),
    error: (message, fields) => log.error(message, { ...common, ...fields }),
    child: (part) => withFields(log.child(part), common),
  };
}
