/** Opens the datastore that the options name; what belongs to the others is not loaded. */

import type { Logger } from '../../../shared/log/logger.ts';
import type { AgentOptions } from '../options.ts';
import type { Datastore, OpenDatastore } from './datastore.ts';

/** See OpenDatastore. @throws UsageError, NetConfError, StoreRefusedError with the way out */
export async function openDatastore(
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  onWaiting: (why: string) => void,
): Promise<Datastore> {
  const open = await opener(options.datastore.type);
  return await open(options, log, signal, onWaiting);
}

async function opener(type: AgentOptions['datastore']['type']): Promise<OpenDatastore> {
  switch (type) {
    case 'embedded':
      return (await import('./embedded.ts')).openEmbedded;
    case 'kubernetes':
      return (await import('./kubernetes.ts')).openKubernetes;
    case 'etcd':
      return (await import('./etcd.ts')).openEtcd;
    default:
      return type satisfies never;
  }
}
