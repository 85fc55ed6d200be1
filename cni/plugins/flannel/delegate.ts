import type { Delegate } from '../common/delegate.ts';
import { flannelAttaching } from './attach.ts';

/** flannel in the form that plugins call each other by. What is rarely called is loaded when it is. */
export const flannel: Delegate = {
  ...flannelAttaching,
  check: async (request) => (await import('./check.ts')).checkFlannel(request),
  status: async (request) => (await import('./status.ts')).statusFlannel(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcFlannel(request),
};
