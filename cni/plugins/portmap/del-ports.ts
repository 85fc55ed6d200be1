import type { RuleRemoval } from '../common/rule-changes.ts';
import { mayHaveIptablesPorts } from './iptables-look.ts';
import { findPorts } from './nft-backend.ts';
import { forgetPorts } from './record.ts';

/** The removal of both backends' rules and of the record; none is fine. */
export function portsRemoval(network: string, containerId: string): RuleRemoval {
  return {
    async before(nft) {
      const left = mayHaveIptablesPorts(nft, network, containerId);
      if (left)
        await (await import('./iptables-backend.ts')).delIptablesPorts(nft, network, containerId, left);
    },
    append: (transaction, nft) => transaction.deleteRules(findPorts(nft, containerId)),
    afterwards: () => forgetPorts(network, containerId),
  };
}
