import type { Delegate } from '../common/delegate.ts';
import { addBridge } from './add.ts';
import { delBridge } from './del.ts';

/** bridge, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const bridge: Delegate = {
  add: (request) => addBridge(request),
  del: delBridge,
  check: async (request) => (await import('./check.ts')).checkBridge(request),
  status: async (request) => (await import('./status.ts')).statusBridge(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcBridge(request),
};
