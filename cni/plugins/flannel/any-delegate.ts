import { bridge } from '../bridge/delegate.ts';
import type { Delegate } from '../common/delegate.ts';

/** The plugin of a delegate's type, with all its operations: ours in this process. */
export async function delegateOf(type: string): Promise<Delegate> {
  if (type === 'bridge') return bridge;
  const { execPlugin } = await import('../common/exec-plugin.ts');
  return execPlugin(type);
}
