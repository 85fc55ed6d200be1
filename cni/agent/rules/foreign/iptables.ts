/** The iptables programs: which of them is the interface to which tables, reading and changing the filter table. */

import type { CommandResult, Kernel } from '../../kernel/kernel.ts';
import { type IptablesTable, parseIptablesSave } from './iptables-text.ts';

/** iptables over nf_tables, or over the kernel's older tables. A machine may have rules in both. */
export type IptablesVariant = 'nft' | 'legacy';

/** The programs of one variant and family; `undefined` when the machine has none. */
export interface IptablesPrograms {
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
  if (named.code === 0) return { save: `${name}-${variant}-save`, restore: `${name}-${variant}-restore` };
  const plain = await kernel.run([name, '--version']);
  // "iptables v1.8.9 (nf_tables)"; releases before 1.8 are legacy and do not say so.
  const isNft = plain.stdout.includes('nf_tables');
  if (plain.code !== 0 || isNft !== (variant === 'nft')) return undefined;
  return { save: `${name}-save`, restore: `${name}-restore` };
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
