/**
 * What this node's services were, on its own disk: after a boot they are there at once, without an API server. It holds what
 * the model made of them, so that nothing of the sources is needed to program it again.
 */

import { mkdir, open, rename, unlink } from 'node:fs/promises';
import type { Clock, Timer } from '../../../shared/daemon/clock.ts';
import { type Cidr, contains, formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { readTextIfExists } from '../../../shared/sys/file.ts';
import type { ServicePorts } from '../mode.ts';
import { addressOf, type Endpoint, type Family, unpackAddress } from '../model/endpoint.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import { portFromLine, portToLine } from './port-json.ts';

/** Written by this release; read by it and the next. */
const VERSION = 1;
/** After a change it is on the disk this soon (ms), and after that no more often than this: SD cards wear out. */
const SOON = 5000;
const BETWEEN = 60_000;
/** So many lines are made before others get their turn. */
const CHUNK = 2000;

export interface CachedServices {
  readonly families: ReadonlyMap<Family, ServicePorts>;
  /** The node's own pod networks, whose endpoints a boot has ended. */
  readonly podCidrs: readonly Cidr[];
  /** The Node's own addresses, as networks of one; empty: not known. */
  readonly addresses: readonly Cidr[];
}

export interface NodeCacheOptions {
  /** `<state-dir>/proxy-services.jsonl` */
  readonly path: string;
  readonly node: string;
  /** Names the life of the kernel's tables that the services are in: see boot.ts. */
  readonly boot: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** What to write, asked for at the moment of writing. */
  readonly content: () => CachedServices;
}

export class NodeCache implements AsyncDisposable {
  readonly #options: NodeCacheOptions;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  /** When it was last written (monotonic ms). */
  #writtenAt = Number.NEGATIVE_INFINITY;
  #dirty = false;

  constructor(options: NodeCacheOptions) {
    this.#options = options;
  }

  /** Something is new. */
  touch(): void {
    this.#dirty = true;
    if (this.#timer || this.#writing) return;
    const { clock } = this.#options;
    const wait = Math.max(SOON, this.#writtenAt + BETWEEN - clock.monotonic());
    this.#timer = clock.after(wait, () => {
      this.#timer = undefined;
      void this.#write();
    });
  }

  /** Writes what is new at once. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
    if (this.#dirty) await this.#write();
  }

  /** At the end of a program: what is new reaches the disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    this.#timer?.cancel();
  }

  async #write(): Promise<void> {
    this.#writing = this.#writeNow();
    await this.#writing;
    this.#writing = undefined;
    if (this.#dirty) this.touch();
  }

  /** A disk that refuses is logged, and tried again with the next change. */
  async #writeNow(): Promise<void> {
    const { path, node, boot, clock, log, content } = this.#options;
    this.#dirty = false;
    this.#writtenAt = clock.monotonic();
    const temporary = `${path}.new`;
    try {
      const directory = path.slice(0, path.lastIndexOf('/'));
      await mkdir(directory, { recursive: true, mode: 0o700 });
      {
        const file = await open(temporary, 'w', 0o600);
        try {
          for (const chunk of render({ version: VERSION, node, boot }, content())) await file.write(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
      }
      await rename(temporary, path);
      const parent = await open(directory, 'r');
      await parent.sync().finally(() => parent.close());
    } catch (error) {
      log.warn('the services cannot be kept for the next boot', { path, error });
      await unlink(temporary).catch(() => {});
    }
  }
}

/** A head, a line a port, and a line that says it is whole. */
function* render(head: object, { families, podCidrs, addresses }: CachedServices): Iterable<string> {
  const node = { podCidrs: podCidrs.map(formatCidr), addresses: addresses.map(formatCidr) };
  let lines = [JSON.stringify({ ...head, ...node })];
  for (const [family, ports] of families)
    for (const port of ports) {
      lines.push(`${family}${portToLine(port)}`);
      if (lines.length < CHUNK) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
    }
  lines.push('end');
  yield `${lines.join('\n')}\n`;
}

/**
 * Reads the file, where a boot lies between. Whoever finds an empty kernel within one boot knows nothing of why it is empty: the
 * pods that a boot ends are still there, and somebody else may serve them. @returns `undefined` also for one that is missing, of
 * another node, or damaged, which is told
 */
export function readNodeCache(
  { path, node, boot }: Pick<NodeCacheOptions, 'path' | 'node' | 'boot'>,
  log: Logger,
): CachedServices | undefined {
  try {
    const text = readTextIfExists(path);
    return text === undefined ? undefined : parse(text, node, boot);
  } catch (error) {
    log.warn('what is kept of the services cannot be read', { path, error });
    return undefined;
  }
}

/** @throws Error saying what is wrong */
function parse(text: string, node: string, boot: string): CachedServices | undefined {
  const lines = text.split('\n');
  const head = JSON.parse(lines[0] ?? '') as Readonly<Record<string, unknown>>;
  if (head['version'] !== VERSION)
    throw new Error(`it has version ${String(head['version'])}, not ${VERSION}`);
  if (head['node'] !== node) throw new Error(`it is of node ${String(head['node'])}`);
  if (head['boot'] === boot) return undefined;
  const networks = (key: string): Cidr[] => {
    const texts: readonly unknown[] = Array.isArray(head[key]) ? head[key] : [];
    return texts.flatMap((one) => parseCidr(String(one)) ?? []);
  };
  const families = new Map<Family, Map<ServicePortName, ServicePort>>([
    [4, new Map()],
    [6, new Map()],
  ]);
  let at = 1;
  for (; at < lines.length && lines[at] !== 'end'; at += 1) {
    const line = lines[at] ?? '';
    const ports = families.get(Number(line[0]) as Family);
    if (!ports) throw new Error(`line ${at + 1} is of no family`);
    const port = portFromLine(line.slice(1));
    ports.set(port.name, port);
  }
  if (at === lines.length) throw new Error('it ends too soon');
  return {
    podCidrs: networks('podCidrs'),
    addresses: networks('addresses'),
    families: new Map([...families].map(([family, ports]) => [family, portsOf(ports)])),
  };
}

/** A Map as the modes take it. */
export function portsOf(ports: ReadonlyMap<ServicePortName, ServicePort>): ServicePorts {
  return {
    get: (name) => ports.get(name),
    get size() {
      return ports.size;
    },
    [Symbol.iterator]: () => ports.values(),
  };
}

/**
 * What of it outlives a boot: pods on this node have ended, those on other nodes, and on this one's own network, have not. A Node
 * does not always say its pods' networks: what was on this node, and has not its address, was a pod as well.
 */
export function afterBoot({
  families,
  podCidrs,
  addresses,
}: CachedServices): ReadonlyMap<Family, ServicePorts> {
  const isIn = (networks: readonly Cidr[], endpoint: Endpoint): boolean => {
    const ip = unpackAddress(addressOf(endpoint));
    return networks.some((network) => contains(network, ip));
  };
  return new Map(
    [...families].map(([family, ports]) => {
      const living = new Map<ServicePortName, ServicePort>();
      for (const port of ports) {
        const here = new Set(addresses.length > 0 ? port.localEndpoints : []);
        const lives = (endpoint: Endpoint): boolean =>
          !isIn(podCidrs, endpoint) && (!here.has(endpoint) || isIn(addresses, endpoint));
        living.set(port.name, {
          ...port,
          endpoints: port.endpoints.filter(lives),
          localEndpoints: port.localEndpoints.filter(lives),
        });
      }
      return [family, portsOf(living)];
    }),
  );
}
