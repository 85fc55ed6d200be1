import { runAttaching } from '../process.ts';
import { about, underpodAttaching } from '../underpod/attach.ts';

export const run = (): Promise<never> => runAttaching('underpod', about, underpodAttaching);
