import { runAttaching } from '../process.ts';
import { about, ptpAttaching } from '../ptp/attach.ts';

export const run = (): Promise<never> => runAttaching('ptp', about, ptpAttaching);
