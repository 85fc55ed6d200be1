import { ioFailure } from '../../protocol/error.ts';
import type { BackendName, FirewallConfig } from './config.ts';
import { hasIptables } from './iptables-programs.ts';

/**
 * The backend: the configured one, else what upstream takes, firewalld where it runs, iptables else. Where there are no
 * iptables programs either, nothing drops in a chain of iptables, and nftables it is.
 *
 * @param doubt a bus that does not answer as it should leaves open whether firewalld runs: an error, or for `absent` it
 * does not
 * @throws CniError code 5 because of such a bus
 */
export async function chooseBackend(
  { backend }: FirewallConfig,
  doubt: 'error' | 'absent' = 'error',
): Promise<BackendName> {
  if (backend !== undefined) return backend;
  const { isFirewalldRunning } = await import('./firewalld-backend.ts');
  try {
    if (isFirewalldRunning()) return 'firewalld';
  } catch (error) {
    if (doubt === 'error')
      throw ioFailure(
        'the system bus does not say whether firewalld runs: restart dbus and firewalld, or set "backend"',
        { details: error instanceof Error ? error.message : String(error), cause: error },
      );
  }
  return hasIptables(4) ? 'iptables' : 'nftables';
}

/** What isolates bridges, which firewalld's interface cannot. */
export function isolationBackend(backend: BackendName): 'iptables' | 'nftables' {
  if (backend === 'nftables') return 'nftables';
  return backend === 'iptables' || hasIptables(4) ? 'iptables' : 'nftables';
}
