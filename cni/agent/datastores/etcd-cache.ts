/**
 * What a node knows of its etcd, on its own disk: the network configuration, by which it starts while etcd cannot be
 * reached, and how far etcd had come, by which it notices that etcd lost its memory.
 */

import type { Logger } from '../../../shared/log/logger.ts';
import type { Clock } from '../../../shared/store/clock.ts';
import type { EtcdMemory } from '../../../shared/store/etcd/memory.ts';
import { mkdirp, readTextIfExists, writeFileAtomic } from '../../../shared/sys/file.ts';

/** Written by this release; read by it and the next. */
const VERSION = 1;
/** Mere progress of etcd is written this much later (ms): SD cards wear out. */
const LATER = 60_000;

export interface EtcdCacheContent {
  /** Text of net-conf.json. */
  readonly config?: string;
  readonly memory?: EtcdMemory;
}

export class EtcdCache implements Disposable {
  readonly #path: string;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #content: EtcdCacheContent;
  #timer: Disposable | undefined;
  #isNew = false;

  /** @param prefix of the keys: another one is another network */
  constructor(stateDir: string, prefix: string, clock: Clock, log: Logger) {
    this.#path = `${stateDir}/etcd.json`;
    this.#prefix = prefix;
    this.#clock = clock;
    this.#log = log;
    mkdirp(stateDir);
    this.#content = this.#read();
  }

  get content(): EtcdCacheContent {
    return this.#content;
  }

  /** Written at once. */
  setConfig(config: string): void {
    if (config === this.#content.config) return;
    this.#content = { ...this.#content, config };
    this.#write();
  }

  /** Written at once where etcd is another than before, otherwise some time. */
  setMemory(memory: EtcdMemory): void {
    const before = this.#content.memory;
    this.#content = { ...this.#content, memory };
    this.#isNew = true;
    if (before?.cluster !== memory.cluster || before.losses !== memory.losses) this.#write();
    else this.#timer ??= this.#clock.setTimer(LATER, () => this.#write());
  }

  [Symbol.dispose](): void {
    if (this.#isNew) this.#write();
    this.#timer?.[Symbol.dispose]();
  }

  #read(): EtcdCacheContent {
    try {
      const text = readTextIfExists(this.#path);
      return text === undefined ? {} : parse(text, this.#prefix);
    } catch (error) {
      this.#log.warn('what is known of etcd cannot be read and is made anew', { path: this.#path, error });
      return {};
    }
  }

  #write(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const { config, memory } = this.#content;
    const text = JSON.stringify({
      version: VERSION,
      prefix: this.#prefix,
      ...(config !== undefined && { config }),
      ...(memory && { memory: formatMemory(memory) }),
    });
    try {
      // A configuration may hold WireGuard's preshared key.
      writeFileAtomic(this.#path, text, { mode: 0o600 });
      this.#isNew = false;
    } catch (error) {
      this.#log.warn('what is known of etcd cannot be written', { path: this.#path, error });
    }
  }
}

/** @throws Error for what is no such file */
function parse(text: string, prefix: string): EtcdCacheContent {
  const json = JSON.parse(text) as Record<string, unknown>;
  if (json['version'] !== VERSION)
    throw new Error(`it has version ${String(json['version'])}, not ${VERSION}`);
  if (json['prefix'] !== prefix) return {};
  const { config } = json;
  const memory = parseMemory(json['memory']);
  return { ...(typeof config === 'string' && { config }), ...(memory && { memory }) };
}

/** JSON has no numbers of 64 bits. */
function formatMemory({ witness, revision, ...memory }: EtcdMemory): object {
  return {
    ...memory,
    revision: String(revision),
    ...(witness && { witness: { key: witness.key, modRevision: String(witness.modRevision) } }),
  };
}

function parseMemory(value: unknown): EtcdMemory | undefined {
  const { cluster, revision, losses, lostAt, witness } = (value ?? {}) as Record<string, unknown>;
  if (typeof cluster !== 'string' || typeof losses !== 'number' || !isRevision(revision)) return undefined;
  const { key, modRevision } = (witness ?? {}) as Record<string, unknown>;
  return {
    cluster,
    revision: BigInt(revision),
    losses,
    ...(typeof lostAt === 'number' && { lostAt }),
    ...(typeof key === 'string' &&
      isRevision(modRevision) && { witness: { key, modRevision: BigInt(modRevision) } }),
  };
}

function isRevision(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,19}$/.test(value);
}
