/** etcd v3, in flannel's layout. */

import { parseNetConf } from '../../../shared/config/net-conf.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { systemClock } from '../../../shared/store/clock.ts';
import { EtcdClient } from '../../../shared/store/etcd/client.ts';
import { EtcdRegistry } from '../../../shared/store/etcd/registry.ts';
import type { AgentOptions } from '../options.ts';
import type { Datastore } from './datastore.ts';
import { EtcdCache } from './etcd-cache.ts';
import { type EtcdConfig, followConfig } from './etcd-config.ts';
import type { EtcdOptions } from './options.ts';

/** A node that knows the network's configuration waits this long (ms) for etcd's: pods are waiting for the node. */
const PATIENCE = 300;

/** See OpenDatastore. Without a cache on the node's disk it waits for etcd, and for a configuration in it. */
export async function openEtcd(
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  onWaiting: (why: string) => void,
): Promise<Datastore> {
  if (options.datastore.type !== 'etcd') throw new Error(`datastore ${options.datastore.type} is not this`);
  const { prefix } = options.datastore;
  const clock = systemClock();
  const cache = new EtcdCache(options.stateDir, prefix, clock, log);
  const client = clientFor(options.datastore);
  const closing = new AbortController();
  const until = AbortSignal.any([signal, closing.signal]);
  let used: EtcdConfig | undefined;
  const first = Promise.withResolvers<EtcdConfig>();
  const following = followConfig(
    { client, clock, log, prefix, onWaiting },
    (config) => {
      cache.setConfig(config.text);
      first.resolve(config);
      if (used && !sameConfig(config, used)) {
        log.warn('the network configuration in etcd has changed: restart the agent to take it over');
      }
    },
    until,
  );
  void following.then(() => first.reject(signal.reason));
  // Nothing else does yet, and a connection that is made anew does not all the time.
  const keptAlive = setInterval(() => {}, 60_000);
  try {
    used = await firstOf(first.promise, cachedConfig(cache, log), log);
  } catch (error) {
    closing.abort();
    client[Symbol.dispose]();
    throw error;
  } finally {
    clearInterval(keptAlive);
  }
  const { memory } = cache.content;
  const registry = new EtcdRegistry({
    client,
    prefix,
    networks: used.netConf,
    clock,
    leaseDurationMs: options.lease.ttlMs,
    ...(memory && { memory }),
    onMemory: (now) => cache.setMemory(now),
    signal,
  });
  return {
    registry,
    netConf: used.netConf,
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await following;
      await registry[Symbol.asyncDispose]();
      cache[Symbol.dispose]();
    },
  };
}

function clientFor({ endpoints, caFile, certFile, keyFile, username, password }: EtcdOptions): EtcdClient {
  return new EtcdClient({
    endpoints,
    tls: { ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  });
}

/** What etcd says, or, where it says nothing for a while, what it said last. */
async function firstOf(
  asked: Promise<EtcdConfig>,
  cached: EtcdConfig | undefined,
  log: Logger,
): Promise<EtcdConfig> {
  if (!cached) return await asked;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE);
  });
  const answer = await Promise.race([asked, patience]);
  clearTimeout(timer);
  if (!answer) log.warn('etcd does not answer: going by the network configuration that it had last');
  return answer ?? cached;
}

function cachedConfig(cache: EtcdCache, log: Logger): EtcdConfig | undefined {
  const { config } = cache.content;
  if (config === undefined) return undefined;
  try {
    return { text: config, netConf: parseNetConf(config) };
  } catch (error) {
    log.warn('the network configuration on disk cannot be used', { error });
    return undefined;
  }
}

/** Layout and the order of keys do not matter. */
function sameConfig(a: EtcdConfig, b: EtcdConfig): boolean {
  return a.text === b.text || Bun.deepEquals(a.netConf, b.netConf);
}
