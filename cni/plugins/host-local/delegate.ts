import type { Delegate } from '../common/delegate.ts';
import { addHostLocal } from './add.ts';
import { delHostLocal } from './del.ts';

/** host-local, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const hostLocal: Delegate = {
  add: addHostLocal,
  del: delHostLocal,
  check: async (request) => (await import('./check.ts')).checkHostLocal(request),
  status: async (request) => (await import('./status.ts')).statusHostLocal(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcHostLocal(conf),
};
