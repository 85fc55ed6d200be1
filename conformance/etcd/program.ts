/** Debian's etcd: the one that is installed, or its package unpacked below build/. Nothing of it is started as a service. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { debianPackage } from '../../scripts/debian-package.ts';

const arch = process.arch === 'x64' ? 'amd64' : 'arm64';
/** Where it lies once it was unpacked, wherever this process runs. */
const unpacked = resolve(import.meta.dirname, `../../build/debian/${arch}/etcd-server/usr/bin/etcd`);

/** Path of etcd; undefined, with the reason printed, where it cannot be had. */
export function etcdProgram(): string | undefined {
  const installed = Bun.which('etcd');
  if (installed !== null) return installed;
  if (existsSync(unpacked)) return unpacked;
  try {
    return `${debianPackage('etcd-server', { arch })}/usr/bin/etcd`;
  } catch (error) {
    process.stderr.write(`skipped: etcd: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}
