/** firewalld, where its table can be written by itself only: the accept goes through its own program. */

import { type Cidr, formatCidr } from '../../../../shared/ip/cidr.ts';
import type { Kernel } from '../../kernel/kernel.ts';

/** firewall-cmd's exit code for "is there already" (ALREADY_ENABLED, firewall/errors.py). */
const ALREADY = 11;

/** Makes pods' networks sources of the zone that accepts everything, until firewalld is reloaded. @throws Error */
export async function trustInFirewalld(kernel: Kernel, networks: readonly Cidr[]): Promise<void> {
  for (const network of networks) {
    const source = formatCidr(network);
    const result = await kernel.run(['firewall-cmd', '--zone=trusted', `--add-source=${source}`]);
    if (result.code === 0 || result.code === ALREADY) continue;
    throw new Error(
      `firewalld drops what pods send, and its table is closed to others. Run "firewall-cmd --permanent --zone=trusted ` +
        `--add-source=${source}" and "firewall-cmd --reload" (firewall-cmd said: ${(result.stderr || result.stdout).trim()})`,
    );
  }
}
