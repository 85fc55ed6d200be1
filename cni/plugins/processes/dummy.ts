import { about, dummyAttaching } from '../dummy/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('dummy', about, dummyAttaching);
