/** Keeps what is known of etcd, and finds out whether it still is the one that it was. See memory.ts. */

import type { KeyValue, ResponseHeader } from '#messages/etcd';
import { isRpcError } from '../../grpc/error.ts';
import type { Clock } from '../clock.ts';
import type { EtcdClient } from './client.ts';
import {
  afterLoss,
  type EtcdMemory,
  isContinued,
  isWitness,
  remember,
  sameLife,
  type Witness,
  withWitness,
} from './memory.ts';

export interface LifeOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** From before a restart. */
  readonly memory?: EtcdMemory;
  readonly onMemory?: (memory: EtcdMemory) => void;
  /** Asked where the history that would tell was compacted away: a lease is gone though its time has not come. */
  readonly isLeaseLost: () => Promise<boolean>;
  /** Called once a loss, before anybody hears of it. */
  readonly onLoss: () => void;
}

export class LifeKeeper {
  readonly #options: LifeOptions;
  #memory: EtcdMemory | undefined;
  #ended = new AbortController();

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#memory = options.memory;
  }

  get memory(): EtcdMemory | undefined {
    return this.#memory;
  }

  /** Aborted when a loss is noticed: what is going on by then is of the former life. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Takes over a list of all nodes, and says what is known then; `undefined` where another answer has shown meanwhile that
   * this one may be of a former life.
   *
   * @param asked what was known when it was asked for
   * @throws RpcError
   */
  async listed(
    asked: EtcdMemory | undefined,
    header: ResponseHeader,
    kvs: readonly KeyValue[],
  ): Promise<EtcdMemory | undefined> {
    const { ended } = this;
    const witness = asked && isContinued(asked, header) ? asked.witness : undefined;
    const isSame =
      !witness ||
      kvs.some((kv) => kv.key === witness.key && isWitness(witness, kv)) ||
      (await this.#ask(witness)).isSame;
    if (ended.aborted) return undefined;
    this.#take(asked, header, isSame);
    this.saw(kvs);
    return this.#memory;
  }

  /** Takes over that a key was written. @param asked what was known before */
  wrote(asked: EtcdMemory | undefined, header: ResponseHeader, key: string): void {
    const { ended } = this;
    this.#take(asked, header, true);
    if (!ended.aborted) this.saw([{ key, modRevision: header.revision }]);
  }

  /** Keys as they are, or as they became. */
  saw(kvs: readonly Witness[]): void {
    if (this.#memory) this.#set(withWitness(this.#memory, kvs));
  }

  /** Asks etcd whether it is the one that it was: false when it is not. @throws RpcError */
  async verify(): Promise<boolean> {
    const { ended, memory } = this;
    if (!memory?.witness) return true;
    const { isSame, header } = await this.#ask(memory.witness);
    this.#take(memory, header, isSame);
    return !ended.aborted;
  }

  async #ask(witness: Witness): Promise<{ readonly isSame: boolean; readonly header: ResponseHeader }> {
    const { client, isLeaseLost } = this.#options;
    const { key, modRevision } = witness;
    try {
      const { kv, header } = await client.get(key, { revision: modRevision });
      return { isSame: isWitness(witness, kv), header };
    } catch (error) {
      if (!isRpcError(error, 'OUT_OF_RANGE')) throw error;
    }
    // That history was compacted away, or never was. What has not changed since would still be there.
    const { kv, header } = await client.get(key);
    if (isWitness(witness, kv)) return { isSame: true, header };
    return { isSame: header.revision >= modRevision && !(await isLeaseLost()), header };
  }

  #take(asked: EtcdMemory | undefined, header: ResponseHeader, isSame: boolean): void {
    const { clock, onLoss } = this.#options;
    const before = this.#memory;
    const { wallMs } = clock.now();
    const isLost = !isSame && before && asked && sameLife(before, asked);
    const next = isLost ? afterLoss(before, header, wallMs) : remember(before, asked, header, wallMs);
    if (before && !sameLife(before, next)) {
      onLoss();
      this.#ended.abort();
      this.#ended = new AbortController();
    }
    this.#set(next);
  }

  #set(memory: EtcdMemory): void {
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#options.onMemory?.(memory);
  }
}
