/** The CNI plugins as programs: from environment and stdin to stdout and the exit code. */

import { isErrno } from '../../shared/sys/errno.ts';
import { readAll, writeAll } from '../../shared/sys/fd.ts';
import { isSameFile } from '../../shared/sys/stat.ts';
import { dispatch } from '../protocol/dispatch.ts';
import { configTooLarge, maxConfigBytes } from '../protocol/net-conf.ts';
import type { Plugin } from '../protocol/plugin.ts';
import { plugin as bridge } from './bridge/plugin.ts';
import { heldLockVariable } from './common/attachment-lock.ts';
import { withLocks } from './common/with-locks.ts';
import { plugin as flannel } from './flannel/plugin.ts';
import { plugin as hostLocal } from './host-local/plugin.ts';
import { plugin as loopback } from './loopback/plugin.ts';
import { plugin as underpod } from './underpod/plugin.ts';

/**
 * The types that are built. They are loaded together: most share their code, and one chunk more costs 0.3 ms where the
 * few kilobytes cost nothing. What only some calls need (nftables, executing plugins) is loaded by these.
 */
const types: readonly Plugin[] = [bridge, flannel, hostLocal, loopback, underpod];

/** Every type's name, in the order of the alphabet. */
export const pluginTypes: readonly string[] = ['bridge', 'flannel', 'host-local', 'loopback', 'underpod'];

/** The plugin of a type, with its locks: what a runtime in the same process calls. Undefined for a foreign type. */
export function loadPlugin(type: string, heldLock?: string): Plugin | undefined {
  for (const plugin of types) if (plugin.type === type) return withLocks(plugin, heldLock);
  return undefined;
}

/** Runs one CNI call as the plugin `type` and returns the exit code: 0, or 1 with the error on stdout. */
export async function main(type: string): Promise<number> {
  const plugin = loadPlugin(type, process.env[heldLockVariable]);
  if (!plugin) {
    writeAll(2, new TextEncoder().encode(`no CNI plugin type ${JSON.stringify(type)} is built in\n`));
    return 2;
  }
  const answer = await dispatch(plugin, { env: process.env, stdin: readStdin, isOwnNetns });
  write(2, answer.stderr);
  write(1, answer.stdout);
  return answer.exitCode;
}

function readStdin(): Uint8Array {
  try {
    return readAll(0, maxConfigBytes, 'stdin');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw configTooLarge();
  }
}

/** Namespaces are the same when their files in nsfs are. */
function isOwnNetns(path: string): boolean {
  try {
    return isSameFile(path, '/proc/thread-self/ns/net');
  } catch {
    return false;
  }
}

function write(fd: 1 | 2, text: string): void {
  if (text === '') return;
  try {
    writeAll(fd, new TextEncoder().encode(text));
  } catch (error) {
    // The runtime has gone; it will call DEL.
    if (!isErrno(error, 'EPIPE', 'EBADF')) throw error;
  }
}
