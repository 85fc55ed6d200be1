/** What the agent reads of iptables besides single chains. */

import {
  type IptablesMachine,
  type IptablesPrograms,
  listChain,
  saveTable,
} from '../../../../shared/iptables/programs.ts';
import { type IptablesTable, parseIptablesSave } from '../foreign/iptables-text.ts';
import type { ListedChain } from './masquerade-chain.ts';

/** The filter table of legacy iptables. @throws IptablesError */
export async function readFilterTable(
  machine: IptablesMachine,
  programs: IptablesPrograms,
): Promise<IptablesTable> {
  return parseIptablesSave(await saveTable(machine, programs, 'filter'));
}

/** A chain and those that may call it; see ListedChain. */
export async function listWithCallers(
  machine: IptablesMachine,
  programs: IptablesPrograms,
  table: string,
  chain: string,
  callers: readonly string[],
): Promise<ListedChain> {
  const own = await listChain(machine, programs, table, chain);
  const lists = await Promise.all(
    callers.map(
      async (caller) => [caller, (await listChain(machine, programs, table, caller)) ?? []] as const,
    ),
  );
  return { own, callers: Object.fromEntries(lists) };
}
