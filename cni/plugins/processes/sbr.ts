import { runAttaching } from '../process.ts';
import { about, sbrAttaching } from '../sbr/attach.ts';

export const run = (): Promise<never> => runAttaching('sbr', about, sbrAttaching);
