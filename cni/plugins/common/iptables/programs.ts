/**
 * iptables' programs: found, run, and their failures told. Loaded only where rules are in iptables. All plugins take
 * them from here, so that those of a chain never use different ones on one node, and so that each program inherits the
 * attachment's lock: it may outlive a plugin that was killed.
 */

import { findProgram, runProgram } from '../../../../shared/sys/run-program.ts';
import { ioFailure, unavailable } from '../../../protocol/error.ts';
import { heldLocks } from '../attachment-lock.ts';
import type { IptablesFamily } from '../iptables-leftovers.ts';

/** Where the programs are as well, for runtimes with a short PATH. */
const usualDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Seconds that a program waits for another one's lock (/run/xtables.lock). */
const lockSeconds = 5;

/** `host`: whichever the host's `iptables` is; `legacy`: the one of the kernel's own tables, if there is one. */
export type IptablesKind = 'host' | 'legacy';

/**
 * Path of `iptables-save`, for instance; undefined where it is not installed. As with upstream the first in PATH counts.
 */
export function findIptables(
  { program }: Pick<IptablesFamily, 'program'>,
  verb: 'save' | 'restore',
  kind: IptablesKind,
): string | undefined {
  const directories: string[] = [];
  for (const one of (process.env['PATH'] ?? '').split(':')) if (one.startsWith('/')) directories.push(one);
  directories.push(...usualDirectories);
  const legacy = kind === 'legacy' ? findProgram(`${program}-legacy-${verb}`, directories) : undefined;
  // Before 1.8 there was but one kind, without a suffix.
  return legacy ?? findProgram(`${program}-${verb}`, directories);
}

/** What is in a table, as iptables-save writes it; undefined where the program is not installed. */
export async function saveTable(
  family: Pick<IptablesFamily, 'program'>,
  table: string,
  kind: IptablesKind,
): Promise<string | undefined> {
  const file = findIptables(family, 'save', kind);
  return file === undefined ? undefined : await run(file, ['-t', table], '');
}

/**
 * Makes changes to a table, all or none.
 *
 * @param lines as iptables-restore reads them, without the table's own
 * @throws CniError code 50 where the program is not installed, 5 with its words where it fails
 */
export async function restoreTable(
  family: Pick<IptablesFamily, 'program'>,
  table: string,
  kind: IptablesKind,
  lines: readonly string[],
): Promise<void> {
  const file = findIptables(family, 'restore', kind);
  if (file === undefined) {
    throw unavailable(`${family.program}-restore is not installed`, {
      details: 'install iptables on the node, or use the backend nftables',
    });
  }
  await run(file, ['--noflush', `--wait=${lockSeconds}`], `*${table}\n${lines.join('\n')}\nCOMMIT\n`);
}

async function run(file: string, args: readonly string[], input: string): Promise<string> {
  const { stdout, stderr, exitCode } = await runProgram({
    what: file,
    file,
    args,
    variables: {},
    stdin: new TextEncoder().encode(input),
    inherited: heldLocks(),
  });
  if (exitCode === 0) return stdout;
  throw ioFailure(`${file} failed with exit code ${exitCode}`, { details: stderr.trim().slice(-2000) });
}
