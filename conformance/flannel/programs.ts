/** flanneld, built from go.mod beside this file into build/flannel/<version>. */

import { join, resolve } from 'node:path';
import { areBuilt, buildGo, type GoModule, requiredVersion } from '../testing/go-programs.ts';

const MODULE = 'github.com/flannel-io/flannel';

/** E.g. `0.28.4`. */
export const FLANNEL_VERSION: string = requiredVersion(import.meta.dirname, MODULE);

const built: GoModule = {
  sources: import.meta.dirname,
  output: resolve(import.meta.dirname, '../../build/flannel', FLANNEL_VERSION),
  // Its oldest backend, udp.
  cgo: true,
};

/** The program; the Go client names it after its package. */
export const flanneld: string = join(built.output, 'flannel');

/** Builds it if it is missing. @returns the reason where that cannot be */
export function buildFlanneld(limitMs?: number): Promise<string | undefined> {
  return buildGo(built, [MODULE], limitMs);
}

/** Why tests that need it cannot run; `undefined` if they can. Builds nothing: `make peers` does. */
export function flanneldMissing(): string | undefined {
  return areBuilt(built, [MODULE]) ? undefined : 'flanneld not built: make peers';
}
