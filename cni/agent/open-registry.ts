/** Opens the datastore that the options name. */

import type { NetConf } from '../../shared/config/net-conf.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { EmbeddedRegistry } from '../../shared/store/embedded/registry.ts';
import { EmbeddedStore } from '../../shared/store/embedded/store.ts';
import type { NodeRegistry } from '../../shared/store/registry.ts';
import type { AgentOptions } from './options.ts';

export interface OpenedRegistry extends Disposable {
  readonly registry: NodeRegistry;
}

/** @throws StoreRefusedError for a store that must not be used from here, with the way out */
export function openRegistry(options: AgentOptions, netConf: NetConf, log: Logger): OpenedRegistry {
  const store = EmbeddedStore.open(options.store, {
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
  return {
    registry,
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
    },
  };
}
