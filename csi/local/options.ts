/** The local driver's settings, checked and typed. Pure. */

import type { Settings } from '../../shared/config/settings.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import type { Level, LogFormat } from '../../shared/log/format.ts';

export interface LocalOptions {
  /** Directories by name, in the order given. */
  readonly pools: ReadonlyMap<string, string>;
  /** 0 to 1. */
  readonly reserve: number;
  readonly node: string;
  /** Of the driver. */
  readonly socket: string;
  readonly kubeletDir: string;
  readonly registers: boolean;
  readonly provisions: boolean;
  readonly kubeconfig?: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly metrics: { readonly address: string; readonly port: number };
  readonly log: { readonly level: Level; readonly format: LogFormat };
}

/** A Kubernetes label's value, which a node's id becomes (topology): 63 characters. */
const NODE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const POOL = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)=(\/.+)$/;

/** @param node where --node-id does not say @throws UsageError */
export function localOptions(settings: Settings, node: string): LocalOptions {
  const id = settings.optional('node-id') ?? node;
  if (!NODE.test(id)) throw new UsageError(`--node-id: "${id}" cannot be the value of a label`);
  const reserve = settings.integer('reserve');
  if (reserve < 0 || reserve > 90) throw new UsageError(`--reserve: must be 0 to 90, not ${reserve}`);
  const kubeletDir = directory('kubelet-dir', settings.string('kubelet-dir'));
  const endpoint = settings.optional('endpoint') ?? `unix://${kubeletDir}/plugins/local.underpod.io/csi.sock`;
  const kubeconfig = settings.optional('kubeconfig');
  return {
    pools: pools(settings.list('pool')),
    reserve: reserve / 100,
    node: id,
    socket: socketPath(endpoint),
    kubeletDir,
    registers: !settings.boolean('no-registration'),
    provisions: !settings.boolean('no-provisioner'),
    ...(kubeconfig !== undefined && { kubeconfig }),
    stateDir: directory('state-dir', settings.string('state-dir')),
    runDir: directory('run-dir', settings.string('run-dir')),
    metrics: { address: settings.string('metrics-address'), port: settings.integer('metrics-port') },
    log: {
      level: settings.string('log-level') as Level,
      format: settings.string('log-format') as LogFormat,
    },
  };
}

function pools(list: readonly string[]): ReadonlyMap<string, string> {
  if (list.length === 0)
    throw new UsageError(
      'which directory are volumes to be kept in? --pool=NAME=DIR, such as --pool=default=/var/lib/underpod/volumes',
    );
  const found = new Map<string, string>();
  for (const text of list) {
    const [, name, , path] = POOL.exec(text) ?? [];
    if (name === undefined || path === undefined)
      throw new UsageError(
        `--pool: must be NAME=DIR with a name of small letters, digits and hyphens and an absolute path, not "${text}"`,
      );
    if (found.has(name)) throw new UsageError(`--pool: there are two pools "${name}"`);
    found.set(name, directory('pool', path));
  }
  return found;
}

function directory(flag: string, path: string): string {
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new UsageError(`--${flag}: must be an absolute path without "..", not "${path}"`);
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

/** `unix:///a/csi.sock`, and as csi-lib-utils takes it `unix:/a/csi.sock` and `/a/csi.sock`. */
function socketPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:(\/\/)?(?=\/)/, '');
  if (!path.startsWith('/'))
    throw new UsageError(`--endpoint: must be unix:// and an absolute path, not "${endpoint}"`);
  return path;
}
