import type { Delegate } from '../common/delegate.ts';
import { dhcpAttaching } from './attach.ts';

/** dhcp, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const dhcp: Delegate = {
  ...dhcpAttaching,
  check: async (request) => (await import('./check.ts')).checkDhcp(request),
  status: async (request) => (await import('./status.ts')).statusDhcp(request),
  prepareGc: async ({ conf }) => (await import('./gc.ts')).prepareGcDhcp(conf),
};
