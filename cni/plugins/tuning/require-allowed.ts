import { readTextIfExists } from '../../../shared/sys/file.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { Sysctl } from './config.ts';

/** Upstream's: regular expressions of the names that may be set, one a line. Without the file all may. */
export const allowListPath = '/etc/cni/tuning/allowlist.conf';

/** Throws code 7 for the first parameter that the node's list does not have. */
export async function requireAllowed(sysctls: readonly Sysctl[]): Promise<void> {
  if (sysctls.length === 0) return;
  const text = readTextIfExists(allowListPath);
  if (text === undefined) return;
  const { parseAllowList } = await import('./allow-list.ts');
  const allows = parseAllowList(text, allowListPath);
  for (const { key } of sysctls) {
    if (allows(key)) continue;
    throw invalidConfig(`sysctl ${JSON.stringify(key)} is not allowed on this node`, {
      details: `no expression in ${allowListPath} matches it`,
    });
  }
}
