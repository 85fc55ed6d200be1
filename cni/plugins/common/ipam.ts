import { hostLocal } from '../host-local/delegate.ts';
import type { Delegate } from './delegate.ts';

/** The IPAM plugin of a type. */
export async function ipamOf(type: string): Promise<Delegate> {
  if (type === 'host-local') return hostLocal;
  if (type === 'dhcp') return (await import('../dhcp/delegate.ts')).dhcp;
  if (type === 'static') return (await import('../static/delegate.ts')).staticIpam;
  const { execPlugin } = await import('./exec-plugin.ts');
  return execPlugin(type);
}
