import { about, dhcpAttaching } from '../dhcp/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('dhcp', about, dhcpAttaching);
