/** CHECK, GC and STATUS of every type. */

import { heldLockVariable } from '../common/attachment-lock.ts';
import { runCall } from '../process.ts';
import { loadPlugin } from '../registry.ts';

export async function run(type: string): Promise<never> {
  const plugin = loadPlugin(type, process.env[heldLockVariable]);
  if (!plugin) throw new Error(`no CNI plugin type ${JSON.stringify(type)} is built in`);
  return await runCall(plugin);
}
