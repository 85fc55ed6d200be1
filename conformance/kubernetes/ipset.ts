/** Debian's `ipset`, which kube-proxy's mode ipvs runs: the one that is installed, or its package unpacked below build/. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { debianDirectory, debianPackage } from '../../scripts/debian-package.ts';

const source = { arch: process.arch === 'x64' ? 'amd64' : 'arm64' } as const;
const LIBRARY = 'libipset13';

/**
 * What a program's environment needs so that it finds ipset; undefined, with the reason printed, where it cannot be had.
 * The package is fetched where it is missing: in a VM without a network it must have been fetched before.
 */
export function ipsetEnvironment(): Readonly<Record<string, string>> | undefined {
  const path = process.env['PATH'] ?? '';
  if (Bun.which('ipset') !== null) return { PATH: path };
  try {
    const [program, library] = ['ipset', LIBRARY].map(unpacked);
    const triple = source.arch === 'amd64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
    return {
      PATH: `${path}:${program}/usr/sbin:${program}/sbin`,
      LD_LIBRARY_PATH: `${library}/usr/lib/${triple}`,
    };
  } catch (error) {
    process.stderr.write(`skipped: ipset: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

/** Where a package lies, wherever this process runs once it was unpacked. */
function unpacked(name: string): string {
  const there = resolve(import.meta.dirname, '../..', debianDirectory(source), name);
  return existsSync(there) ? there : debianPackage(name, source);
}
