import { about, flannelAttaching } from '../flannel/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('flannel', about, flannelAttaching);
