import { runAttaching } from '../process.ts';
import { about, tapAttaching } from '../tap/attach.ts';

export const run = (): Promise<never> => runAttaching('tap', about, tapAttaching);
