import { about, firewallAttaching } from '../firewall/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('firewall', about, firewallAttaching);
