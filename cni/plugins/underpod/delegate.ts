import type { Delegate } from '../common/delegate.ts';
import { underpodAttaching } from './attach.ts';

/** underpod in the form that plugins call each other by. What is rarely called is loaded when it is. */
export const underpod: Delegate = {
  ...underpodAttaching,
  check: async (request) => (await import('./check.ts')).checkUnderpod(request),
  status: async (request) => (await import('./status.ts')).statusUnderpod(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcUnderpod(request),
};
