/**
 * A kube-proxy that is at work on this node in a mode whose chains, sets and servers have the names of ours has taken over what we
 * programmed: who removed that would take away what serves.
 */

import type { ModeName } from '../config/configuration.ts';
import type { Bind } from '../config/options.ts';

/** It answers at once, or is not there (ms). */
const LIMIT = 2000;

/** Modes in which kube-proxy's objects and ours have the same names. */
const SHARED: ReadonlySet<string> = new Set<ModeName>(['iptables', 'ipvs']);

/**
 * The mode that somebody else is at work in who may have taken over ours.
 *
 * @param metrics where kube-proxy serves its metrics, and tells its mode
 * @returns undefined where nobody answers, and for a mode with names of its own
 */
export async function takenOverMode(metrics: Bind | undefined): Promise<ModeName | undefined> {
  if (metrics === undefined) return undefined;
  const { address, port } = metrics;
  const host = address.includes(':') ? `[${address}]` : address;
  try {
    const signal = AbortSignal.timeout(LIMIT);
    const response = await fetch(`http://${host}:${port}/proxyMode`, { signal, keepalive: false });
    const mode = (await response.text()).trim();
    return response.ok && SHARED.has(mode) ? (mode as ModeName) : undefined;
  } catch {
    return undefined;
  }
}
