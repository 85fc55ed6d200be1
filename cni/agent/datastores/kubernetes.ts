import { UsageError } from '../../../shared/config/usage-error.ts';
import type { Datastore } from './datastore.ts';

/** See OpenDatastore. */
export function openKubernetes(): Promise<Datastore> {
  return Promise.reject(new UsageError('--datastore=kubernetes is not built yet: use the embedded store'));
}
