/** The iptables programs: which of them is the interface to which tables, reading and changing these. */

import type { CommandResult, Kernel } from '../../kernel/kernel.ts';
import { type IptablesTable, parseIptablesSave } from '../foreign/iptables-text.ts';
import type { ListedChain } from './masquerade-chain.ts';

/** iptables over nf_tables, or over the kernel's older tables. A machine may have rules in both. */
export type IptablesVariant = 'nft' | 'legacy';

/** The programs of one variant and family; `undefined` when the machine has none. */
export interface IptablesPrograms {
  readonly main: string;
  readonly save: string;
  readonly restore: string;
}

/** Seconds to wait for another program that holds the lock of legacy iptables. */
const LOCK_WAIT = '5';

/** Finds the programs: those named for the variant, else plain ones that say they are of it. */
export async function findIptables(
  kernel: Kernel,
  variant: IptablesVariant,
  family: 4 | 6,
): Promise<IptablesPrograms | undefined> {
  const name = family === 4 ? 'iptables' : 'ip6tables';
  const named = await kernel.run([`${name}-${variant}`, '--version']);
  if (named.code === 0) return programsNamed(`${name}-${variant}`);
  return (await plainVariant(kernel, family)) === variant ? programsNamed(name) : undefined;
}

/** What the programs without a variant in their name are of; `undefined` when the machine has none. */
export async function plainVariant(kernel: Kernel, family: 4 | 6): Promise<IptablesVariant | undefined> {
  const plain = await kernel.run([family === 4 ? 'iptables' : 'ip6tables', '--version']);
  if (plain.code !== 0) return undefined;
  // "iptables v1.8.9 (nf_tables)"; releases before 1.8 are legacy and do not say so.
  return plain.stdout.includes('nf_tables') ? 'nft' : 'legacy';
}

function programsNamed(main: string): IptablesPrograms {
  return { main, save: `${main}-save`, restore: `${main}-restore` };
}

/** The rules of one chain as `-S` prints them, without its name; `undefined` where there is no such chain. */
export async function listChain(
  kernel: Kernel,
  { main }: IptablesPrograms,
  table: string,
  chain: string,
): Promise<string[] | undefined> {
  const result = await kernel.run([main, '--wait', LOCK_WAIT, '-t', table, '-S', chain]);
  // 1: there is no such chain; 3: the kernel has no such table; whatever else is wrong shows when it is written to.
  if (result.code !== 0) return undefined;
  const start = `-A ${chain} `;
  return result.stdout
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length).trim());
}

/** The filter table of legacy iptables. @throws Error */
export async function readFilterTable(kernel: Kernel, { save }: IptablesPrograms): Promise<IptablesTable> {
  const result = await kernel.run([save, '-t', 'filter']);
  if (result.code !== 0) throw failure(save, result);
  return parseIptablesSave(result.stdout);
}

/** Carries a text for iptables-restore out, all of it or nothing. @throws Error */
export async function restore(
  kernel: Kernel,
  { restore: program }: IptablesPrograms,
  input: string,
): Promise<void> {
  const result = await kernel.run([program, '--noflush', '--wait', LOCK_WAIT], input);
  if (result.code !== 0) throw failure(program, result);
}

function failure(program: string, { code, stderr, stdout }: CommandResult): Error {
  return new Error(`${program} ended with ${code}: ${(stderr || stdout).trim()}`);
}

/** A chain and those that may call it; see ListedChain. */
export async function listWithCallers(
  kernel: Kernel,
  programs: IptablesPrograms,
  table: string,
  chain: string,
  callers: readonly string[],
): Promise<ListedChain> {
  const own = await listChain(kernel, programs, table, chain);
  const lists = await Promise.all(
    callers.map(
      async (caller) => [caller, (await listChain(kernel, programs, table, caller)) ?? []] as const,
    ),
  );
  return { own, callers: Object.fromEntries(lists) };
}
