import type { Delegate } from '../common/delegate.ts';
import { bandwidthAttaching } from './attach.ts';

/** bandwidth, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const bandwidth: Delegate = {
  ...bandwidthAttaching,
  check: async (request) => (await import('./check.ts')).checkBandwidth(request),
  status: async (request) => (await import('./status.ts')).statusBandwidth(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcBandwidth(conf),
};
