import { about, hostLocalAttaching } from '../host-local/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('host-local', about, hostLocalAttaching);
