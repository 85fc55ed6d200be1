import { unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { readFirewallConfig } from './config.ts';
import { isFirewalldRunning } from './firewalld-backend.ts';
import { hasIptables } from './iptables-programs.ts';

/** STATUS: the configuration makes sense, and the backend that it asks for is there. */
export function statusFirewall({ conf }: StatusRequest): void {
  const { backend } = readFirewallConfig(conf);
  if (backend === 'firewalld' && !isFirewalldRunning())
    throw unavailable('firewalld does not run: start it, or set another "backend"');
  if (backend === 'iptables' && !hasIptables(4))
    throw unavailable('iptables-restore is not there: install iptables, or set "backend" to "nftables"');
}
