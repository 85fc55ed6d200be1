import { runAttaching } from '../process.ts';
import { about, vrfAttaching } from '../vrf/attach.ts';

export const run = (): Promise<never> => runAttaching('vrf', about, vrfAttaching);
