import { about, macvlanAttaching } from '../macvlan/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('macvlan', about, macvlanAttaching);
