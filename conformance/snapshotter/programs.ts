/** The controller of snapshots that a cluster runs beside every driver, and the kinds that it brings along. */

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { areBuilt, buildGo, type GoModule, requiredVersion } from '../testing/go-programs.ts';

const MODULE = 'github.com/kubernetes-csi/external-snapshotter/v8';
const PACKAGE = `${MODULE}/cmd/snapshot-controller`;

export const SNAPSHOTTER_VERSION: string = requiredVersion(import.meta.dirname, MODULE);

const built: GoModule = {
  sources: import.meta.dirname,
  output: resolve(import.meta.dirname, '../../build/snapshotter', SNAPSHOTTER_VERSION),
};

/** Where it is, or will be. */
export const SNAPSHOT_CONTROLLER: string = join(built.output, 'snapshot-controller');

/** Builds it if it is missing: two minutes. @returns the reason where that cannot be */
export function buildSnapshotController(): Promise<string | undefined> {
  return buildGo(built, [PACKAGE]);
}

/** Why it cannot be run; `undefined` if it can. */
export function snapshotControllerMissing(): string | undefined {
  return areBuilt(built, [PACKAGE]) ? undefined : 'snapshot-controller is not built';
}

/** The files with its kinds, as Go has fetched them with its module. */
export function snapshotKinds(): readonly string[] {
  const listed = Bun.spawnSync(
    ['go', 'list', '-m', '-f', '{{.Dir}}', 'github.com/kubernetes-csi/external-snapshotter/client/v8'],
    { cwd: import.meta.dirname },
  );
  const directory = join(listed.stdout.toString().trim(), 'config/crd');
  if (!existsSync(directory)) throw new Error('the kinds of snapshots are not where Go keeps modules');
  return readdirSync(directory)
    .filter((name) => name.includes('snapshot.storage.k8s.io_'))
    .map((name) => join(directory, name));
}
