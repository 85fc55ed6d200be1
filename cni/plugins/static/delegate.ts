import type { Delegate } from '../common/delegate.ts';
import { staticAttaching } from './attach.ts';

/** static, for plugins that call it in their own process. What is rarely called is loaded when it is. */
export const staticIpam: Delegate = {
  ...staticAttaching,
  check: async (request) => (await import('./check.ts')).checkStatic(request),
  status: async (request) => (await import('./check.ts')).statusStatic(request),
  prepareGc: () => () => {},
};
