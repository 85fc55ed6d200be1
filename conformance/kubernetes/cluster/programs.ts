/** What a whole cluster needs on this machine. */
import { getuid } from 'node:process';
import type { Runtime } from '../../containerd/runtimes.ts';
import { inUserNamespace } from '../../testing/netns.ts';
import { controlPlaneMissing } from '../control-plane.ts';
import { kubernetesMissing } from '../programs.ts';
import { cgroupsMissing } from './cgroup.ts';

/** Why there can be none here; undefined if there can. @param runtimes those that can be had, see `runtimesToTest` */
export function clusterMissing(runtimes: readonly Runtime[]): string | undefined {
  if (getuid?.() !== 0 || inUserNamespace()) return 'needs root';
  if (runtimes.length === 0) return 'no containerd';
  return (
    controlPlaneMissing() ??
    kubernetesMissing('kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl', 'kube-proxy') ??
    cgroupsMissing()
  );
}
