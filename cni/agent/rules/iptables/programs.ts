/** The iptables programs: which of them is the interface to which tables, reading and changing these. */

import type { CommandResult, Kernel } from '../../kernel/kernel.ts';
import { type IptablesTable, parseIptablesSave } from '../foreign/iptables-text.ts';
import type { ListedChain } from './masquerade-chain.ts';

/** iptables over nf_tables, or over the kernel's older tables. A machine may have rules in both. */
export type IptablesVariant = 'nft' | 'legacy';

/** The programs of one variant and family. */
export interface IptablesPrograms {
  readonly variant: IptablesVariant;
  readonly family: 4 | 6;
  readonly main: string;
  readonly save: string;
  readonly restore: string;
}

/** Seconds to wait for another program that holds the lock of legacy iptables. */
const LOCK_WAIT = '5';

/** From here on exit codes are those of a program that was killed (128 + signal, as in a shell). */
const KILLED = 128;

/** Finds the programs: those named for the variant, else plain ones that say they are of it. @throws Error */
export async function findIptables(
  kernel: Kernel,
  variant: IptablesVariant,
  family: 4 | 6,
): Promise<IptablesPrograms | undefined> {
  const name = family === 4 ? 'iptables' : 'ip6tables';
  const programsNamed = (main: string): IptablesPrograms => ({
    variant,
    family,
    main,
    save: `${main}-save`,
    restore: `${main}-restore`,
  });
  if ((await versionOf(kernel, `${name}-${variant}`)) !== undefined)
    return programsNamed(`${name}-${variant}`);
  return (await plainVariant(kernel, family)) === variant ? programsNamed(name) : undefined;
}

/** What the programs without a variant in their name are of; `undefined` when the machine has none. @throws Error */
export async function plainVariant(kernel: Kernel, family: 4 | 6): Promise<IptablesVariant | undefined> {
  const version = await versionOf(kernel, family === 4 ? 'iptables' : 'ip6tables');
  // "iptables v1.8.9 (nf_tables)"; releases before 1.8 are legacy and do not say so.
  if (version === undefined) return undefined;
  return version.includes('nf_tables') ? 'nft' : 'legacy';
}

/** `undefined` for a program that is missing or does not work. One that hung may do so the next time. @throws Error */
async function versionOf(kernel: Kernel, program: string): Promise<string | undefined> {
  const result = await kernel.run([program, '--version']);
  if (result.code > KILLED) throw failure(program, result);
  return result.code === 0 ? result.stdout : undefined;
}

/**
 * The rules of one chain as `-S` prints them, without its name; `undefined` where there is no such chain.
 *
 * @throws Error for whatever else a program that lists nothing means: a lock that others hold, a right that is
 * missing. Who took that for a missing chain would write it anew.
 */
export async function listChain(
  kernel: Kernel,
  { variant, family, main }: IptablesPrograms,
  table: string,
  chain: string,
): Promise<string[] | undefined> {
  // The program says of a chain that is missing that it is "incompatible", with the exit code of one that is (1.8.9).
  if (variant === 'nft' && !isInNft(kernel, family, table, chain)) return undefined;
  const result = await kernel.run([main, '--wait', LOCK_WAIT, '-t', table, '-S', chain]);
  if (variant === 'legacy' && isMissing(result)) return undefined;
  if (result.code !== 0) throw failure(main, result);
  const start = `-A ${chain} `;
  return result.stdout
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length).trim());
}

function isInNft(kernel: Kernel, family: 4 | 6, name: string, chain: string): boolean {
  const table = { family: family === 4 ? 'ip' : 'ip6', name } as const;
  return kernel.nftables.listChains(table).some((candidate) => candidate.name === chain);
}

/**
 * Of legacy iptables' exit codes 1 has but one meaning when it lists: no such chain. 3 may mean that the kernel has no
 * such table, or that this process may not ask for it (enum xtables_exittype, include/xtables.h).
 */
function isMissing({ code, stderr }: CommandResult): boolean {
  return code === 1 || (code === 3 && stderr.includes('Table does not exist'));
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
