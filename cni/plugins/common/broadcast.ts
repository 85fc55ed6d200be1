import type { Cidr } from '../../../shared/ip/cidr.ts';
import { lastIp } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';

/** The broadcast address that belongs to an interface's address, as `ip` and upstream set it: IPv4 up to /30. */
export function broadcastOf(address: Cidr): { readonly broadcast?: Ip } {
  return address.ip.family === 4 && address.prefix <= 30 ? { broadcast: lastIp(address) } : {};
}
