import { runAttaching } from '../process.ts';
import { about, tuningAttaching } from '../tuning/attach.ts';

export const run = (): Promise<never> => runAttaching('tuning', about, tuningAttaching);
