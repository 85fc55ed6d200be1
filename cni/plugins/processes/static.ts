import { runAttaching } from '../process.ts';
import { about, staticAttaching } from '../static/attach.ts';

export const run = (): Promise<never> => runAttaching('static', about, staticAttaching);
