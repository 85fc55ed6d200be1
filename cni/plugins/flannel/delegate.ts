import type { Delegate } from '../common/delegate.ts';
import { addFlannel } from './add.ts';
import { delFlannel } from './del.ts';

/** flannel in the form that plugins call each other by. What is rarely called is loaded when it is. */
export const flannel: Delegate = {
  add: addFlannel,
  del: delFlannel,
  check: async (request) => (await import('./check.ts')).checkFlannel(request),
  status: async (request) => (await import('./status.ts')).statusFlannel(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcFlannel(request),
};
