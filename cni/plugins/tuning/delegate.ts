import type { Delegate } from '../common/delegate.ts';
import { tuningAttaching } from './attach.ts';

/** tuning, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const tuning: Delegate = {
  ...tuningAttaching,
  check: async (request) => (await import('./check.ts')).checkTuning(request),
  status: async (request) => (await import('./status.ts')).statusTuning(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcTuning(conf),
};
