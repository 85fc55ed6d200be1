/**
 * Addresses of this node's pods, from libcni's result cache: every CNI runtime writes a file an attachment there, after the
 * ADD and until the DEL, so that nothing of CNI has to know of the store.
 */

import { readdirSync, statSync } from 'node:fs';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { formatIp, parseIp } from '../../../shared/ip/ip.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { readTextIfExists } from '../../../shared/sys/file.ts';

/** One attachment of a pod. */
export interface PodAttachment {
  /** `namespace/name`, of the arguments that the kubelet's runtimes give (K8S_POD_NAMESPACE, K8S_POD_NAME). */
  readonly pod: string;
  readonly ifname: string;
  /** In the result's order; at most the first of each family counts. */
  readonly addresses: readonly string[];
}

/** The text of a cache file; `undefined` for one that is of no pod or tells no address. Pure. @throws SyntaxError */
export function parseResult(text: string): PodAttachment | undefined {
  const entry = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
  if (entry?.['kind'] !== 'cniCacheV1') return undefined;
  const { cniArgs, ifName, result } = entry;
  const args = new Map<unknown, unknown>((Array.isArray(cniArgs) ? cniArgs : []).filter(Array.isArray) as []);
  const namespace = args.get('K8S_POD_NAMESPACE');
  const name = args.get('K8S_POD_NAME');
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof ifName !== 'string')
    return undefined;
  const addresses = addressesIn(result);
  return addresses.length === 0 ? undefined : { pod: `${namespace}/${name}`, ifname: ifName, addresses };
}

/** Results of CNI 0.3.0 and later have `ips`, older ones `ip4` and `ip6`. */
function addressesIn(result: unknown): string[] {
  if (typeof result !== 'object' || result === null) return [];
  const { ips, ip4, ip6 } = result as Readonly<Record<string, unknown>>;
  const texts = Array.isArray(ips)
    ? ips.map((entry: { address?: unknown } | null) => entry?.address)
    : [ip4, ip6].map((entry) => (entry as { ip?: unknown } | undefined)?.ip);
  const found = new Map<4 | 6, string>();
  for (const text of texts) {
    if (typeof text !== 'string') continue;
    const ip = parseCidr(text)?.ip ?? parseIp(text);
    if (ip && !found.has(ip.family)) found.set(ip.family, formatIp(ip));
  }
  return [...found.values()];
}

interface Kept {
  readonly stamp: string;
  readonly modified: number;
  readonly attachment: PodAttachment | undefined;
}

/** The cache directory, read again file by file as files change. */
export class CniResults {
  readonly directory: string;
  readonly #log: Logger;
  #files = new Map<string, Kept>();

  /** @param cacheDir libcni's, `/var/lib/cni` */
  constructor(cacheDir: string, log: Logger) {
    this.directory = `${cacheDir}/results`;
    this.#log = log;
  }

  /**
   * Looks again. @returns addresses by pod: those of its interface `eth0`, or else of its only one; of a pod whose former
   * sandbox is still there, the newer one's
   */
  read(): Map<string, readonly string[]> {
    const files = new Map<string, Kept>();
    for (const name of namesIn(this.directory)) {
      const kept = this.#look(name);
      if (kept) files.set(name, kept);
    }
    this.#files = files;
    const chosen = new Map<string, Kept>();
    for (const kept of files.values()) {
      if (!kept.attachment) continue;
      const { pod } = kept.attachment;
      const before = chosen.get(pod);
      if (!before || isBetter(kept, before)) chosen.set(pod, kept);
    }
    return new Map([...chosen].map(([pod, { attachment }]) => [pod, attachment?.addresses ?? []]));
  }

  #look(name: string): Kept | undefined {
    const path = `${this.directory}/${name}`;
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (!stat?.isFile()) return undefined;
      const stamp = `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
      const before = this.#files.get(name);
      if (before?.stamp === stamp) return before;
      const text = readTextIfExists(path);
      if (text === undefined) return undefined;
      return { stamp, modified: stat.mtimeMs, attachment: parseResult(text) };
    } catch (error) {
      // libcni writes in place: what is half written is read again when it is whole.
      if (!(error instanceof SyntaxError)) this.#log.warn('a CNI result cannot be read', { path, error });
      return undefined;
    }
  }
}

function isBetter(a: Kept, b: Kept): boolean {
  const isMain = (kept: Kept): boolean => kept.attachment?.ifname === 'eth0';
  return isMain(a) === isMain(b) ? a.modified > b.modified : isMain(a);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
