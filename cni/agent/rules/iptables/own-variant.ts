/** Which of iptables' two kinds of tables the agent's rules belong into. */

import { chooseVariant } from '../../../../shared/iptables/choose-variant.ts';
import type { IptablesMachine, IptablesVariant } from '../../../../shared/iptables/programs.ts';
import { FORWARD_CHAIN, MASQUERADE_CHAIN } from './masquerade-chain.ts';

/** As the kubelet says, or flanneld's chains, or the machine. @throws Error where there are no programs */
export async function ownVariant(machine: IptablesMachine): Promise<IptablesVariant> {
  const found = await chooseVariant(machine, [
    ['nat', MASQUERADE_CHAIN],
    ['filter', FORWARD_CHAIN.name],
  ]);
  if (found) return found;
  throw new Error(
    'the rules are to be in iptables, but its programs are missing: install iptables, or say --rules=nftables',
  );
}
