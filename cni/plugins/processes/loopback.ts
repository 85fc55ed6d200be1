import { plugin } from '../loopback/plugin.ts';
import { runAttaching } from '../process.ts';

export const run = (): Promise<never> => runAttaching(plugin.type, plugin.about, plugin);
