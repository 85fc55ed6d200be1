/** The network configuration in etcd: waited for, followed, and kept on the node's disk. */

import { type NetConf, parseNetConf } from '../../../shared/config/net-conf.ts';
import { errorText } from '../../../shared/log/format.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { Clock } from '../../../shared/store/clock.ts';
import { isTooOld, TooOldError } from '../../../shared/store/errors.ts';
import type { EtcdClient } from '../../../shared/store/etcd/client.ts';
import { follow } from '../../../shared/store/etcd/follow.ts';
import { configKey } from '../../../shared/store/etcd/keys.ts';
import { isContinued } from '../../../shared/store/etcd/memory.ts';

/** A configuration that can be used, with its text. */
export interface EtcdConfig {
  readonly text: string;
  readonly netConf: NetConf;
}

export interface EtcdConfigOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** `/coreos.com/network`. */
  readonly prefix: string;
  /** Told what stands in the way. */
  readonly onWaiting: (why: string) => void;
}

/** Between two tries to reach etcd (ms): the first, doubled each time, and the longest. */
const FIRST_RETRY = 250;
const LONGEST_RETRY = 5000;

/**
 * Calls back for every configuration that can be used, the first included, until the signal is aborted. What stands in
 * the way is logged, once each: etcd cannot be reached, there is no configuration, it is wrong.
 */
export async function followConfig(
  { client, clock, log, prefix, onWaiting }: EtcdConfigOptions,
  onConfig: (config: EtcdConfig) => void,
  signal: AbortSignal,
): Promise<void> {
  const key = configKey(prefix);
  let told: string | undefined;
  let taken: string | undefined;
  const tell = (level: 'warn' | 'error', message: string, fields: Record<string, unknown>): void => {
    const error = errorText(fields['error'] ?? '');
    onWaiting(error === '' ? message : `${message}: ${error}`);
    const text = JSON.stringify([message, error]);
    if (text !== told) log[level](message, { key, ...fields });
    told = text;
  };
  const take = (text: string | undefined): void => {
    if (text === undefined) {
      const example = `etcdctl put ${key} '{"Network": "10.244.0.0/16"}'`;
      tell('warn', 'there is no network configuration in etcd yet: waiting for it', { example });
      return;
    }
    try {
      const netConf = parseNetConf(text);
      told = undefined;
      if (text !== taken) onConfig({ text, netConf });
      taken = text;
    } catch (error) {
      tell('error', 'the network configuration in etcd cannot be used: waiting for another', { error });
    }
  };
  for (let failures = 0; !signal.aborted; ) {
    try {
      const { kv, header } = await client.get(key, { signal });
      take(kv?.value);
      failures = 0;
      const cluster = header.clusterId.toString(16);
      const changes = follow({
        client,
        clock,
        prefix: key,
        revision: header.revision,
        signal,
        check: (now, revision) => {
          if (!isContinued({ cluster, revision }, now)) throw new TooOldError('etcd is not what it was');
        },
        // One that was set up anew meanwhile tells nothing of what is in it already.
        onOpen: async () => take((await client.get(key, { signal })).kv?.value),
      });
      for await (const { events } of changes) {
        const last = events.findLast((event) => event.kv?.key === key)?.kv;
        // Deleted, it has no value.
        if (last) take(last.value === '' ? undefined : last.value);
      }
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (!isTooOld(error))
        tell('error', 'etcd cannot be asked for the network configuration, will be tried again', { error });
      await pause(Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(failures - 1, 10)), signal);
    }
  }
}

/** By a timer that keeps the process alive, which those of the store's clock do not. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
