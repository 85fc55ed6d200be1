/** The embedded store, a file that the nodes of one machine share. */

import type { Logger } from '../../../shared/log/logger.ts';
import { EmbeddedRegistry } from '../../../shared/store/embedded/registry.ts';
import { EmbeddedStore } from '../../../shared/store/embedded/store.ts';
import type { AgentOptions } from '../options.ts';
import type { Datastore } from './datastore.ts';
import { readNetConf } from './net-conf-file.ts';

/** See OpenDatastore. @throws StoreRefusedError for a store that must not be used from here, with the way out */
export function openEmbedded(options: AgentOptions, log: Logger): Promise<Datastore> {
  const netConf = readNetConf(options.netConfigPath);
  if (options.datastore.type !== 'embedded')
    throw new Error(`datastore ${options.datastore.type} is not this`);
  const store = EmbeddedStore.open(options.datastore.path, {
    report: (report) => {
      if (report.type === 'watch-lost') {
        log.warn('changes of the store are looked for by the clock', { reason: report.reason });
        return;
      }
      log.error('the store was damaged and is made anew; nodes register again and keep their subnets', {
        reason: report.reason,
        set_aside: report.setAside,
      });
    },
  });
  const registry = new EmbeddedRegistry(store, { networks: netConf, leaseDurationMs: options.lease.ttlMs });
  return Promise.resolve({
    registry,
    netConf,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      store[Symbol.dispose]();
    },
  });
}
