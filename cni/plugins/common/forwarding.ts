import { readSysctl, writeSysctl } from '../../../shared/sys/sysctl.ts';

/** Lets the node forward packets of a family between its interfaces. */
export async function enableForwarding(family: 4 | 6): Promise<void> {
  const key = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
  if (readSysctl(key) === '1') return;
  if (family === 6) (await import('./router-advertisements.ts')).keepRouterAdvertisements();
  writeSysctl(key, '1');
}
