import { runAttaching } from '../process.ts';
import { about, vlanAttaching } from '../vlan/attach.ts';

export const run = (): Promise<never> => runAttaching('vlan', about, vlanAttaching);
