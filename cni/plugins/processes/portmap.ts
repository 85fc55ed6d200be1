import { about, portmapAttaching } from '../portmap/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('portmap', about, portmapAttaching);
