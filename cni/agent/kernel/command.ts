/** Runs a program whose command line is the only interface to what it does. */

import type { CommandResult } from '../../../shared/iptables/programs.ts';

/** iptables waits for the lock of others up to five seconds; what takes longer than this (ms) hangs. */
const TIMEOUT = 10_000;

/** Runs a program with a clean environment. A program that does not exist ends with code 127, as in a shell. */
export async function runCommand(argv: readonly string[], input?: string): Promise<CommandResult> {
  try {
    const child = Bun.spawn([...argv], {
      // Not the agent's own: BUN_OPTIONS and the like must not reach a child. Programs in sbin are found anyway.
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdin: input === undefined ? 'ignore' : new TextEncoder().encode(input),
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: TIMEOUT,
      killSignal: 'SIGKILL',
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, stdout, stderr };
  } catch (error) {
    return { code: 127, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
  }
}
