/** Kubernetes' own programs, built from go.mod beside this file into build/kubernetes/<version>. */

import { join, resolve } from 'node:path';
import { areBuilt, buildGo, type GoModule, requiredVersion } from '../testing/go-programs.ts';

const MODULE = 'k8s.io/kubernetes';

/** E.g. `1.36.3`. */
export const KUBERNETES_VERSION: string = requiredVersion(import.meta.dirname, MODULE);

const built: GoModule = {
  sources: import.meta.dirname,
  output: resolve(import.meta.dirname, '../../build/kubernetes', KUBERNETES_VERSION),
};

export type KubernetesProgram =
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-proxy'
  | 'kube-scheduler'
  | 'kubectl'
  | 'kubelet';

/** All of them; CI builds the first only. */
export const KUBERNETES_PROGRAMS: readonly KubernetesProgram[] = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
  'kube-proxy',
];

const packagesOf = (names: readonly KubernetesProgram[]): string[] =>
  names.map((name) => `${MODULE}/cmd/${name}`);

/** Where a program is, or will be. */
export function kubernetesProgram(name: KubernetesProgram): string {
  return join(built.output, name);
}

/** Builds those that are missing. @returns the reason where that cannot be */
export function buildKubernetes(
  names: readonly KubernetesProgram[],
  limitMs?: number,
): Promise<string | undefined> {
  return buildGo(built, packagesOf(names), limitMs);
}

/** Why tests that need these programs cannot run; `undefined` if they can. Builds nothing: `make peers` does. */
export function kubernetesMissing(...names: readonly KubernetesProgram[]): string | undefined {
  return areBuilt(built, packagesOf(names)) ? undefined : `${names.join(', ')} not built: make peers`;
}
