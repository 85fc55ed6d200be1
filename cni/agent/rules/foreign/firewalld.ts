/** firewalld, where its table can be written by itself only: the accept goes through its own program. */

import { type Cidr, formatCidr } from '../../../../shared/ip/cidr.ts';
import type { Kernel } from '../../kernel/kernel.ts';

/** firewall-cmd's exit code for "is there already" (ALREADY_ENABLED, firewall/errors.py). */
const ALREADY = 11;

/** What it ends with when it answers a question with "no" (firewall-cmd(1), exit codes). */
const NOT_SO = 1;

/** As a shell has it: there is no such program, as in the agent's image. */
const NO_PROGRAM = 127;

/** `undefined` where nobody can be asked: there is no firewall-cmd here, or firewalld does not run. Changes nothing. */
export async function isTrustedInFirewalld(
  kernel: Kernel,
  networks: readonly Cidr[],
): Promise<boolean | undefined> {
  for (const network of networks) {
    const { code } = await kernel.run([
      'firewall-cmd',
      '--zone=trusted',
      `--query-source=${formatCidr(network)}`,
    ]);
    if (code === NOT_SO) return false;
    if (code !== 0) return undefined;
  }
  return true;
}

/**
 * Makes pods' networks sources of the zone that accepts everything, until firewalld is reloaded.
 *
 * @returns what somebody else has to do where firewall-cmd is missing. @throws Error where it fails
 */
export async function trustInFirewalld(
  kernel: Kernel,
  networks: readonly Cidr[],
): Promise<string | undefined> {
  for (const network of networks) {
    const source = formatCidr(network);
    const result = await kernel.run(['firewall-cmd', '--zone=trusted', `--add-source=${source}`]);
    if (result.code === 0 || result.code === ALREADY) continue;
    const advice =
      `firewalld drops what pods send, and its table is closed to others. Run "firewall-cmd --permanent --zone=trusted ` +
      `--add-source=${source}" and "firewall-cmd --reload"`;
    if (result.code === NO_PROGRAM) return `${advice} on the host: there is no firewall-cmd here`;
    throw new Error(`${advice} (firewall-cmd said: ${(result.stderr || result.stdout).trim()})`);
  }
  return undefined;
}
