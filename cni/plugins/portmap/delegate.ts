import type { Delegate } from '../common/delegate.ts';
import { portmapAttaching } from './attach.ts';

/** portmap, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const portmap: Delegate = {
  ...portmapAttaching,
  check: async (request) => (await import('./check.ts')).checkPortmap(request),
  status: async (request) => (await import('./status.ts')).statusPortmap(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcPortmap(conf.name),
};
