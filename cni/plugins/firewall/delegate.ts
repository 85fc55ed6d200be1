import type { Delegate } from '../common/delegate.ts';
import { firewallAttaching } from './attach.ts';

/** firewall, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const firewall: Delegate = {
  ...firewallAttaching,
  check: async (request) => (await import('./check.ts')).checkFirewall(request),
  status: async (request) => (await import('./status.ts')).statusFirewall(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcFirewall(conf),
};
