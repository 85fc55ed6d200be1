import type { RuleLabel } from '../../../shared/nftables/model/rule.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { RuleRemoval } from '../common/rule-changes.ts';
import { mayHaveIptablesPorts } from './iptables-look.ts';
import { findPorts } from './nft-backend.ts';
import { forgetPorts, recordedRules } from './record.ts';

/** The removal of both backends' rules and of the record; none is fine. */
export function portsRemoval(network: string, containerId: string): RuleRemoval {
  return {
    async before(nft) {
      const left = mayHaveIptablesPorts(nft, network, containerId);
      if (left)
        await (await import('./iptables-backend.ts')).delIptablesPorts(nft, network, containerId, left);
    },
    append(transaction, nft) {
      const rules = findRecorded(nft, network, containerId) ?? findPorts(nft, containerId);
      transaction.deleteRules(rules);
    },
    afterwards: () => forgetPorts(network, containerId),
  };
}

/**
 * The rules that ADD recorded. Undefined where it did not come so far, or where one of them is not there as it was: then
 * others have been at work, and what is there is known by its comment only.
 */
function findRecorded(nft: Nftables, network: string, containerId: string): RuleLabel[] | undefined {
  const recorded = recordedRules(network, containerId);
  if (!recorded) return undefined;
  const found: RuleLabel[] = [];
  for (const label of nft.findRuleLabels(recorded)) {
    if (label?.comment !== containerId) return undefined;
    found.push(label);
  }
  return found;
}
