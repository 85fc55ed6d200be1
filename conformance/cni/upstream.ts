/** Upstream's plugins in one directory: those that were fetched, and flannel's, which is built. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { goPlugins } from '../../cni/plugins/testing/node.ts';
import { isVm } from '../testing/slowness.ts';

const tools = resolve(import.meta.dirname, '../../build/go-tools');

/** The last release that had flannel's plugin. */
const flannelSource = 'github.com/containernetworking/plugins/plugins/meta/flannel@v0.9.1';

/** Path of flannel's Go plugin, built on first use, for which the network must be the machine's; undefined, with the reason printed, where it cannot be. */
export function upstreamFlannel(): string | undefined {
  const file = join(tools, 'flannel');
  if (existsSync(file)) return file;
  if (isVm) {
    process.stderr.write("skipped: flannel's Go plugin: it was not built before the VM was started\n");
    return undefined;
  }
  mkdirSync(tools, { recursive: true });
  const env = { ...process.env, GOBIN: tools };
  const built = spawnSync('go', ['install', flannelSource], { env, encoding: 'utf8', timeout: 120_000 });
  if (built.status === 0) return file;
  process.stderr.write(`skipped: flannel's Go plugin: ${built.error?.message ?? built.stderr}\n`);
  return undefined;
}

/**
 * Links to upstream's plugins in a directory. @returns the types; undefined, with the reason printed, without any
 */
export function linkUpstream(directory: string, flannel: string | undefined): readonly string[] | undefined {
  const fetched = goPlugins();
  if (fetched === undefined) return undefined;
  mkdirSync(directory, { recursive: true });
  const types = readdirSync(fetched).filter((name) => name !== 'sample' && name !== 'flannel');
  for (const type of types) symlinkSync(join(fetched, type), join(directory, type));
  if (flannel === undefined) return types;
  symlinkSync(flannel, join(directory, 'flannel'));
  return [...types, 'flannel'];
}
