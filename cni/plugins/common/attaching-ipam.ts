import { hostLocalAttaching } from '../host-local/attach.ts';
import type { AttachingDelegate } from './delegate.ts';

/** The IPAM plugin of a type, for ADD and DEL. */
export async function attachingIpamOf(type: string): Promise<AttachingDelegate> {
  if (type === 'host-local') return hostLocalAttaching;
  if (type === 'dhcp') return (await import('../dhcp/attach.ts')).dhcpAttaching;
  if (type === 'static') return (await import('../static/attach.ts')).staticAttaching;
  const { execPlugin } = await import('./exec-plugin.ts');
  return execPlugin(type);
}
