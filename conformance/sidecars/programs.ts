/** The standard sidecars, built from go.mod beside this file into build/csi-sidecars. */

import { join, resolve } from 'node:path';
import { areBuilt, buildGo, type GoModule } from '../testing/go-programs.ts';

const PACKAGES = {
  'csi-provisioner': 'github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner',
  'csi-resizer': 'github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer',
  'csi-snapshotter': 'github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter',
} as const;

export type Sidecar = keyof typeof PACKAGES;

const built: GoModule = {
  sources: import.meta.dirname,
  output: resolve(import.meta.dirname, '../../build/csi-sidecars'),
};

export function sidecar(name: Sidecar): string {
  return join(built.output, name);
}

/** Builds them if they are missing. @returns the reason where that cannot be */
export function buildSidecars(limitMs?: number): Promise<string | undefined> {
  return buildGo(built, Object.values(PACKAGES), limitMs);
}

/** Why tests that need them cannot run; `undefined` if they can. Builds nothing: peers.ts does, with --all. */
export function sidecarsMissing(): string | undefined {
  return areBuilt(built, Object.values(PACKAGES)) ? undefined : 'they are not built: peers.ts --all does';
}
