import { UsageError } from '../../../shared/config/usage-error.ts';
import type { Datastore } from './datastore.ts';

/** See OpenDatastore. */
export function openEtcd(): Promise<Datastore> {
  return Promise.reject(new UsageError('--datastore=etcd is not built yet: use the embedded store'));
}
