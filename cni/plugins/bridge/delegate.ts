import type { Delegate } from '../common/delegate.ts';
import { bridgeAttaching } from './attach.ts';

/** bridge, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const bridge: Delegate = {
  ...bridgeAttaching,
  check: async (request) => (await import('./check.ts')).checkBridge(request),
  status: async (request) => (await import('./status.ts')).statusBridge(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcBridge(request),
};
