import { about, bridgeAttaching } from '../bridge/attach.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching('bridge', about, bridgeAttaching);
