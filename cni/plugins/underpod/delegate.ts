import type { Delegate } from '../common/delegate.ts';
import { addUnderpod } from './add.ts';
import { delUnderpod } from './del.ts';

/** underpod in the form that plugins call each other by. What is rarely called is loaded when it is. */
export const underpod: Delegate = {
  add: addUnderpod,
  del: delUnderpod,
  check: async (request) => (await import('./check.ts')).checkUnderpod(request),
  status: async (request) => (await import('./status.ts')).statusUnderpod(request),
  prepareGc: async (request) => (await import('./gc.ts')).prepareGcUnderpod(request),
};
