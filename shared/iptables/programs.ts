/** The iptables programs: which of them is the interface to which tables, reading and changing these. */

import type { Nftables } from '../nftables/nftables.ts';

/** iptables over nf_tables, or over the kernel's older tables. A machine may have rules in both. */
export type IptablesVariant = 'nft' | 'legacy';

/** What a machine is asked about iptables, and what is run there. */
export interface IptablesMachine {
  readonly nftables: Pick<Nftables, 'listChains'>;
  /** Names of the chains that somebody made in a table of legacy iptables; `undefined` while there is no such table. */
  legacyChains(family: 4 | 6, table: string): ReadonlySet<string> | undefined;
  /** Runs a program. Never throws for a failing one. */
  run(argv: readonly string[], input?: string): Promise<CommandResult>;
}

export interface CommandResult {
  /** Exit code; 127 where the program does not exist. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The programs of one variant and family. */
export interface IptablesPrograms {
  readonly variant: IptablesVariant;
  readonly family: 4 | 6;
  readonly main: string;
  readonly save: string;
  readonly restore: string;
}

/** A program that did not do what it was to do. */
export class IptablesError extends Error {
  override readonly name = 'IptablesError';
  readonly code: number;
  /**
   * It may do so for a part of the input: what it does not know, or the kernel does not take. Not where it was killed, is
   * missing, or waited in vain for the lock of legacy iptables (RESOURCE_PROBLEM of enum xtables_exittype).
   */
  readonly isForParts: boolean;

  constructor(program: string, { code, stderr, stdout }: CommandResult) {
    super(`${program} ended with ${code}: ${told(stderr || stdout)}`);
    this.code = code;
    this.isForParts = code !== 127 && code <= KILLED && !/xtables lock/i.test(stderr);
  }
}

/** In one line, without the advice to ask for help. */
function told(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('Try `')).join('; ');
}

/** Seconds to wait for another program that holds the lock of legacy iptables, as kube-proxy and flanneld do. */
const LOCK_WAIT = '5';

/** From here on exit codes are those of a program that was killed (128 + signal, as in a shell). */
const KILLED = 128;

export function plainName(family: 4 | 6): 'iptables' | 'ip6tables' {
  return family === 4 ? 'iptables' : 'ip6tables';
}

/** Finds the programs: those named for the variant, else plain ones that say they are of it. @throws IptablesError */
export async function findPrograms(
  machine: Pick<IptablesMachine, 'run'>,
  variant: IptablesVariant,
  family: 4 | 6,
): Promise<IptablesPrograms | undefined> {
  const name = plainName(family);
  const programsNamed = (main: string): IptablesPrograms => ({
    variant,
    family,
    main,
    save: `${main}-save`,
    restore: `${main}-restore`,
  });
  if ((await versionOf(machine, `${name}-${variant}`)) !== undefined)
    return programsNamed(`${name}-${variant}`);
  return (await plainVariant(machine, family)) === variant ? programsNamed(name) : undefined;
}

/** What the programs without a variant in their name are of; `undefined` when the machine has none. @throws IptablesError */
export async function plainVariant(
  machine: Pick<IptablesMachine, 'run'>,
  family: 4 | 6,
): Promise<IptablesVariant | undefined> {
  const version = await versionOf(machine, plainName(family));
  // "iptables v1.8.9 (nf_tables)"; releases before 1.8 are legacy and do not say so.
  if (version === undefined) return undefined;
  return version.includes('nf_tables') ? 'nft' : 'legacy';
}

/** `undefined` for a program that is missing or does not work. One that hung may do so the next time. @throws IptablesError */
async function versionOf(
  machine: Pick<IptablesMachine, 'run'>,
  program: string,
): Promise<string | undefined> {
  const result = await machine.run([program, '--version']);
  if (result.code > KILLED) throw new IptablesError(program, result);
  return result.code === 0 ? result.stdout : undefined;
}

/** Asks the kernel alone: a program would make the table that it is asked about. */
export function hasChain(
  machine: Pick<IptablesMachine, 'nftables' | 'legacyChains'>,
  variant: IptablesVariant,
  family: 4 | 6,
  table: string,
  chain: string,
): boolean {
  if (variant === 'legacy') return machine.legacyChains(family, table)?.has(chain) ?? false;
  const ref = { family: family === 4 ? 'ip' : 'ip6', name: table } as const;
  return machine.nftables.listChains(ref).some(({ name }) => name === chain);
}

/**
 * The rules of one chain as `-S` prints them, without its name; `undefined` where there is no such chain.
 *
 * @throws IptablesError for whatever else a program that lists nothing means: a lock that others hold, a right that is
 * missing. Who took that for a missing chain would write it anew.
 */
export async function listChain(
  machine: IptablesMachine,
  { variant, family, main }: IptablesPrograms,
  table: string,
  chain: string,
): Promise<string[] | undefined> {
  // The program says of a chain that is missing that it is "incompatible", with the exit code of one that is (1.8.9).
  if (variant === 'nft' && !hasChain(machine, variant, family, table, chain)) return undefined;
  const result = await machine.run([main, '--wait', LOCK_WAIT, '-t', table, '-S', chain]);
  if (variant === 'legacy' && isMissing(result)) return undefined;
  if (result.code !== 0) throw new IptablesError(main, result);
  const start = `-A ${chain} `;
  return result.stdout
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length).trim());
}

/**
 * Of legacy iptables' exit codes 1 has but one meaning when it lists: no such chain. 3 may mean that the kernel has no
 * such table, or that this process may not ask for it (enum xtables_exittype, include/xtables.h).
 */
function isMissing({ code, stderr }: CommandResult): boolean {
  return code === 1 || (code === 3 && stderr.includes('Table does not exist'));
}

/** What `iptables-save` prints of a table. Where the kernel does not have it yet, it has afterwards. @throws IptablesError */
export async function saveTable(
  machine: Pick<IptablesMachine, 'run'>,
  { save }: IptablesPrograms,
  table: string,
): Promise<string> {
  const result = await machine.run([save, '-t', table]);
  if (result.code !== 0) throw new IptablesError(save, result);
  return result.stdout;
}

/** Carries a text for iptables-restore out, all of a table's part of it or nothing. @throws IptablesError */
export async function restore(
  machine: Pick<IptablesMachine, 'run'>,
  { restore: program }: IptablesPrograms,
  input: string,
): Promise<void> {
  const result = await machine.run([program, '--noflush', '--wait', LOCK_WAIT], input);
  if (result.code !== 0) throw new IptablesError(program, result);
}
