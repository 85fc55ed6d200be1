import { about, bandwidthAttaching } from '../bandwidth/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('bandwidth', about, bandwidthAttaching);
