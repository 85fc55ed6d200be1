/** Runs iptables-save and iptables-restore, the ones that the node's `iptables` belongs to. */

import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';
import { ioFailure } from '../../protocol/error.ts';
import { heldLocks } from '../common/attachment-lock.ts';

/** Seconds that the programs wait for the lock of legacy iptables. */
const lockWait = '5';

/** Where else the programs are, for callers with a short PATH. */
const usualDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Whether the node has iptables for a family. */
export function hasIptables(family: 4 | 6): boolean {
  return find(family, 'restore') !== undefined;
}

/** What the table filter holds, as iptables-save prints it; undefined without the program. */
export async function saveFilter(family: 4 | 6): Promise<string | undefined> {
  const file = find(family, 'save');
  return file === undefined ? undefined : run(file, ['-t', 'filter'], '');
}

/** Makes all changes of the table filter, or none. @throws CniError code 5 */
export async function restoreFilter(family: 4 | 6, lines: readonly string[]): Promise<void> {
  const file = find(family, 'restore');
  if (file === undefined) throw ioFailure(`${nameOf(family, 'restore')} is not there: install iptables`);
  await run(file, ['--noflush', '--wait', lockWait], ['*filter', ...lines, 'COMMIT', ''].join('\n'));
}

function find(family: 4 | 6, verb: 'save' | 'restore'): string | undefined {
  const own = (process.env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return findProgram(nameOf(family, verb), [...own, ...usualDirectories]);
}

function nameOf(family: 4 | 6, verb: 'save' | 'restore'): string {
  return `${family === 4 ? 'iptables' : 'ip6tables'}-${verb}`;
}

async function run(file: string, args: readonly string[], input: string): Promise<string> {
  const stdin = new TextEncoder().encode(input);
  const { stdout, stderr, exitCode } = await runProgram({
    what: file,
    file,
    args,
    variables: {},
    stdin,
    inherited: heldLocks(),
  });
  if (exitCode === 0) return stdout;
  throw ioFailure(`${file} failed with exit code ${exitCode}`, { details: stderr.trim().slice(-2000) });
}
