import type { Delegate } from '../common/delegate.ts';
import { hostLocalAttaching } from './attach.ts';

/** host-local, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const hostLocal: Delegate = {
  ...hostLocalAttaching,
  check: async (request) => (await import('./check.ts')).checkHostLocal(request),
  status: async (request) => (await import('./status.ts')).statusHostLocal(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcHostLocal(conf),
};
