import { about, ipvlanAttaching } from '../ipvlan/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('ipvlan', about, ipvlanAttaching);
