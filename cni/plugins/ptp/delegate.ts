import type { Delegate } from '../common/delegate.ts';
import { ptpAttaching } from './attach.ts';

/** All operations of ptp. What is rarely called is loaded when it is. */
export const ptp: Delegate = {
  ...ptpAttaching,
  check: async (request) => (await import('./check.ts')).checkPtp(request),
  status: async (request) => (await import('./status.ts')).statusPtp(request),
  prepareGc: async (request) => (await import('../common/gc-veth.ts')).prepareGcVeth(request),
};
