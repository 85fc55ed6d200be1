/** The iptables programs: which of them is the interface to which tables, reading these and changing them. */

import type { KernelNftables } from '../../../shared/nftables/kernel.ts';
import { readTextIfExists } from '../../../shared/sys/file.ts';
import { findProgram, type Output, runProgram } from '../../../shared/sys/run-program.ts';
import type { Family } from '../model/endpoint.ts';
import { parseSaved, type SavedTable } from './tables.ts';

/** iptables over nf_tables, or over the kernel's older tables. A machine may have rules in both. */
export type Variant = 'nft' | 'legacy';

/** Tables of one family in one variant. */
export interface Tables {
  save(): Promise<Map<string, SavedTable>>;
  /** All of it or nothing, table by table. @throws Error with what the program said */
  restore(text: string): Promise<void>;
  /** Whether a chain is there; costs little in whatever table it is. */
  has(table: string, chain: string): Promise<boolean>;
}

/** Seconds to wait for another program that holds /run/xtables.lock, as kube-proxy does. */
const LOCK_WAIT = '5';
/** 250,000 endpoints take about 130 MiB. */
const SAVED_MAX = 512 * 1024 * 1024;
/** The kubelet's chain in the mangle table that tells others which kind the node uses (Kubernetes KEP-3178). */
const HINT = 'KUBE-IPTABLES-HINT';

const PATH = (process.env['PATH'] || '/usr/sbin:/usr/bin:/sbin:/bin').split(':');

function plain(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}

async function run(name: string, args: readonly string[], stdin = ''): Promise<Output | undefined> {
  const file = findProgram(name, PATH);
  if (file === undefined) return undefined;
  return await runProgram({
    what: name,
    file,
    args,
    variables: {},
    stdin: new TextEncoder().encode(stdin),
    maxOutput: SAVED_MAX,
  });
}

/** What programs without a variant in their name are of; `undefined` where the machine has none. */
async function plainVariant(family: Family): Promise<Variant | undefined> {
  const version = await run(plain(family), ['--version']);
  // "iptables v1.8.9 (nf_tables)"; releases before 1.8 are legacy and do not say so.
  if (version?.exitCode !== 0) return undefined;
  return version.stdout.includes('nf_tables') ? 'nft' : 'legacy';
}

/** What the kubelet says, else where kube-proxy's chains are, else what the program `iptables` is. @throws Error */
export async function chooseVariant(nft: KernelNftables): Promise<Variant> {
  for (const [table, chain] of [
    ['mangle', HINT],
    ['nat', 'KUBE-SERVICES'],
  ] as const) {
    for (const family of [4, 6] as const) if (isInNft(nft, family, table, chain)) return 'nft';
    for (const family of [4, 6] as const)
      if (await isInLegacy(plainOf(family, 'legacy'), family, table, chain)) return 'legacy';
  }
  const found =
    (await plainVariant(4)) ??
    (['nft', 'legacy'] as const).find((variant) => findProgram(`iptables-${variant}`, PATH) !== undefined);
  if (found) return found;
  throw new Error('mode iptables needs its programs: install iptables, or write "mode: nftables"');
}

function plainOf(family: Family, variant: Variant): string {
  return `${plain(family)}-${variant}`;
}

function isInNft(nft: KernelNftables, family: Family, table: string, chain: string): boolean {
  return nft
    .listChains({ family: family === 4 ? 'ip' : 'ip6', name: table })
    .some(({ name }) => name === chain);
}

/** Asking the program of a table that the kernel does not have yet would make it. */
async function isInLegacy(name: string, family: Family, table: string, chain: string): Promise<boolean> {
  if (!legacyTables(family).includes(table)) return false;
  return (await run(name, ['-w', LOCK_WAIT, '-t', table, '-S', chain]))?.exitCode === 0;
}

/** Read by the calling thread, whose namespace it is about. */
function legacyTables(family: Family): string[] {
  const file = `/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`;
  return readTextIfExists(file)?.split('\n') ?? [];
}

/** @throws Error where the programs are missing */
export async function openTables(variant: Variant, family: Family, nft: KernelNftables): Promise<Tables> {
  const named = plainOf(family, variant);
  const isNamed = findProgram(`${named}-restore`, PATH) !== undefined;
  if (!isNamed && (await plainVariant(family)) !== variant)
    throw new Error(`${plain(family)} (${variant}) is missing: install iptables, or write "mode: nftables"`);
  const main = isNamed ? named : plain(family);
  const done = async (name: string, args: readonly string[], stdin?: string): Promise<string> => {
    const output = await run(name, args, stdin);
    if (output?.exitCode === 0) return output.stdout;
    throw new Error(`${name} ended with ${output?.exitCode}: ${(output?.stderr ?? 'it is missing').trim()}`);
  };
  return {
    save: async () => {
      const tables = new Map<string, SavedTable>();
      const there = variant === 'legacy' ? legacyTables(family) : undefined;
      for (const table of ['filter', 'nat', 'mangle']) {
        if (there && !there.includes(table)) continue;
        for (const [name, saved] of parseSaved(await done(`${main}-save`, ['-t', table])))
          tables.set(name, saved);
      }
      return tables;
    },
    restore: async (text) => {
      await done(`${main}-restore`, ['--noflush', '--counters', '-w', LOCK_WAIT], text);
    },
    has: async (table, chain) =>
      variant === 'nft' ? isInNft(nft, family, table, chain) : isInLegacy(main, family, table, chain),
  };
}
