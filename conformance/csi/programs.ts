/** csi-sanity, built from go.mod beside this file into build/csi/<version>. */

import { join, resolve } from 'node:path';
import { areBuilt, buildGo, type GoModule, requiredVersion } from '../testing/go-programs.ts';

const MODULE = 'github.com/kubernetes-csi/csi-test/v5';
const PACKAGE = `${MODULE}/cmd/csi-sanity`;

/** E.g. `5.6.0`. */
export const SANITY_VERSION: string = requiredVersion(import.meta.dirname, MODULE);

const built: GoModule = {
  sources: import.meta.dirname,
  output: resolve(import.meta.dirname, '../../build/csi', SANITY_VERSION),
};

export const csiSanity: string = join(built.output, 'csi-sanity');

/** Builds it if it is missing: from nothing it takes 50 s of processor time. @returns the reason where that cannot be */
export function buildSanity(limitMs?: number): Promise<string | undefined> {
  return buildGo(built, [PACKAGE], limitMs);
}

/** Why tests that need it cannot run; `undefined` if they can. Builds nothing: `make peers` does. */
export function sanityMissing(): string | undefined {
  return areBuilt(built, [PACKAGE]) ? undefined : `csi-sanity ${SANITY_VERSION} not built: make peers`;
}
