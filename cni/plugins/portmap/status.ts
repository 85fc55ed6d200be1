import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { unavailable } from '../../protocol/error.ts';
import type { StatusRequest } from '../../protocol/plugin.ts';
import { findIptables } from '../common/iptables/programs.ts';
import { iptablesFamilies } from '../common/iptables-leftovers.ts';
import { readPortmapConfig } from './config.ts';

/** STATUS: the configuration makes sense, and what it works with is there. */
export function statusPortmap({ conf }: StatusRequest): void {
  const { backend } = readPortmapConfig(conf);
  if (backend === 'nftables') {
    try {
      KernelNftables.open()[Symbol.dispose]();
    } catch (cause) {
      throw unavailable('the kernel has no nf_tables: load the module, or use the backend iptables', {
        cause,
      });
    }
    return;
  }
  for (const family of iptablesFamilies) {
    if (findIptables(family, 'restore', 'host') === undefined)
      throw unavailable(`${family.program} is not installed: install it, or use the backend nftables`);
  }
}
