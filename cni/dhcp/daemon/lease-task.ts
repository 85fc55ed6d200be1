/** Keeps one lease: carries out what the client's state machine asks for, and tells it what happens. */

import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp } from '../../../shared/ip/ip.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { Lease } from '../client/lease.ts';
import type { Setup } from '../client/machine.ts';
import { newXid, onMessage, onTimer, reboot, resume, seek, start } from '../client/machine.ts';
import { release } from '../client/requests.ts';
import type { Bound, Effect, State, Step } from '../client/state.ts';
import { leaseResult } from '../lease-result.ts';
import type { Clock } from './clock.ts';
import type { Pod, Wire } from './pod.ts';
import { PodGone } from './pod.ts';

export interface LeaseTaskOptions {
  readonly setup: Setup;
  readonly pod: Pod;
  readonly clock: Clock;
  readonly log: Logger;
  /** Metric of the routes, for when they are given back. */
  readonly priority: number;
  /** The lease is there, or there for longer. */
  readonly onBound: (lease: Lease, how: Bound) => void;
  /** The lease is over, and the address taken from the pod; the search for it goes on. */
  readonly onLost: (lease: Lease | undefined) => void;
  /** The pod is gone, and the task has ended. */
  readonly onGone: () => void;
}

export class LeaseTask {
  readonly #options: LeaseTaskOptions;
  #state: State | undefined;
  #lease: Lease | undefined;
  #wire: Wire | undefined;
  #timer: Disposable | undefined;
  #lingering: Disposable | undefined;
  #ended = false;

  constructor(options: LeaseTaskOptions) {
    this.#options = options;
  }

  /** The lease that the pod may use now. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Looks for a server. */
  start(): void {
    this.#go(start(this.#options.setup, this.#now()));
  }

  /** Goes on with a lease of before. */
  resume(lease: Lease): void {
    this.#lease = lease;
    this.#go(resume(this.#options.setup, lease, this.#now()));
  }

  /** Goes on looking for a server that gives a lost address again. */
  seek(lost: Lease): void {
    this.#go(seek(this.#options.setup, lost, this.#now()));
  }

  /** Takes over an address that the pod has, and whose lease nobody keeps. */
  adopt(address: Ip): void {
    this.#go(reboot(this.#options.setup, this.#now(), address));
  }

  /** Gives the lease back, as well as that can be told, and ends. */
  release(): void {
    const { setup, log } = this.#options;
    const lease = this.#lease;
    if (lease && !this.#ended) {
      try {
        this.#open().parting(release(setup.client, newXid(setup.random), lease), lease);
      } catch (error) {
        log.info('the server could not be told; it keeps the address until the lease is over', { error });
      }
    }
    this.end();
  }

  /** Stops, without a word to the server. The pod keeps its address. */
  end(): void {
    this.#ended = true;
    this.#lease = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#closeWire();
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #go({ state, effects }: Step): void {
    this.#state = state;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    for (const effect of effects) {
      if (this.#ended) return;
      try {
        this.#carryOut(effect);
      } catch (error) {
        if (error instanceof PodGone) this.#leave(error);
        else
          this.#options.log.warn('DHCP: a step failed and will be tried again', { step: effect.kind, error });
      }
    }
    if (!this.#ended) this.#arm(state);
  }

  #arm(state: State): void {
    if (state.dueAt === Number.POSITIVE_INFINITY) return;
    const { clock, setup } = this.#options;
    this.#timer = clock.after(Math.max(0, state.dueAt - clock.now()), () => {
      // A timer has an end of its own, and another clock than leases.
      if (clock.now() < state.dueAt) this.#arm(state);
      else this.#go(onTimer(setup, state, clock.now()));
    });
  }

  #carryOut(effect: Effect): void {
    const { log, pod, priority, onBound, onLost } = this.#options;
    switch (effect.kind) {
      case 'send': {
        const wire = this.#open();
        if (effect.to === 'everybody') wire.broadcast(effect.message);
        else wire.toServer(effect.message, effect.to);
        return;
      }
      case 'bound': {
        const { lease, how } = effect;
        this.#closeWire();
        this.#lease = lease;
        if (how === 'regained') this.#restore(lease);
        onBound(lease, how);
        return;
      }
      case 'lost': {
        const { lease, why } = effect;
        this.#lease = undefined;
        if (lease) {
          for (const ip of leaseResult(lease, priority).ips) pod.removeAddress(ip.address);
          const address = formatIp(lease.address);
          log.error('the lease is over: the address is taken from the pod', { address, why });
        }
        onLost(lease);
        return;
      }
      case 'note':
        log.warn(effect.text);
    }
  }

  #restore(lease: Lease): void {
    const { ips, routes } = leaseResult(lease, this.#options.priority);
    for (const { address } of ips) this.#options.pod.restoreAddress(address, routes);
  }

  /**
   * A wire for an exchange. It holds the pod's namespace, which must be able to end, so that it is not kept through the
   * long waits between messages.
   */
  #open(): Wire {
    const { pod, clock, setup } = this.#options;
    this.#wire ??= pod.connect(
      (message, via) => this.#receive(message, via),
      () => {
        this.#wire = undefined;
      },
    );
    this.#lingering?.[Symbol.dispose]();
    this.#lingering = clock.after(setup.answerTimeout, () => this.#closeWire());
    return this.#wire;
  }

  #closeWire(): void {
    this.#lingering?.[Symbol.dispose]();
    this.#lingering = undefined;
    this.#wire?.close();
    this.#wire = undefined;
  }

  #receive(message: Parameters<typeof onMessage>[2], via: Uint8Array): void {
    if (this.#ended || !this.#state) return;
    const before = this.#state;
    const step = onMessage(this.#options.setup, before, message, via, this.#now());
    if (step.state !== before || step.effects.length > 0) this.#go(step);
  }

  #leave(cause: PodGone): void {
    this.end();
    this.#options.onGone();
    this.#options.log.info('the pod is gone, and its lease with it', { cause });
  }
}
