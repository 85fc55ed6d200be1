/** Where the kubelet keeps a pod's control group, and what limits look like there. Pure. */

import type { IoLimits } from '../io-limits.ts';

/** Of the kubelet's quality-of-service classes; guaranteed pods are right below `kubepods`. */
const CLASSES = ['', 'burstable', 'besteffort'] as const;

/** A pod's uid as Kubernetes makes them, or a static pod's hash: nothing that leads elsewhere as part of a path. */
const UID = /^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/;

/**
 * Paths below the mount of control groups at which the kubelet has a pod's, with either cgroup driver; none where the uid is none.
 *
 * Source: kubernetes, pkg/kubelet/cm (pod_container_manager_linux.go, cgroup_manager_linux.go).
 */
export function podGroups(uid: string): readonly string[] {
  if (!UID.test(uid)) return [];
  const dashed = uid.replaceAll('-', '_');
  const cgroupfs = CLASSES.map((each) => ['kubepods', ...(each ? [each] : []), `pod${uid}`].join('/'));
  const systemd = CLASSES.map((each) => {
    const slice = each ? `kubepods-${each}` : 'kubepods';
    return ['kubepods.slice', ...(each ? [`${slice}.slice`] : []), `${slice}-pod${dashed}.slice`].join('/');
  });
  return [...cgroupfs, ...systemd];
}

export interface GroupWrite {
  readonly file: string;
  readonly text: string;
}

/**
 * @param device `7:3`
 * @param limits what is not there is lifted
 */
export function writesFor(isUnified: boolean, device: string, limits: IoLimits): readonly GroupWrite[] {
  const { readBPS, writeBPS, readIOPS, writeIOPS } = limits;
  if (isUnified) {
    // Documentation/admin-guide/cgroup-v2.rst, io.max.
    const parts = Object.entries({ rbps: readBPS, wbps: writeBPS, riops: readIOPS, wiops: writeIOPS });
    return [
      {
        file: 'io.max',
        text: `${device} ${parts.map(([key, value]) => `${key}=${value ?? 'max'}`).join(' ')}`,
      },
    ];
  }
  // Documentation/admin-guide/cgroup-v1/blkio-controller.rst: 0 lifts a limit.
  return Object.entries({
    'blkio.throttle.read_bps_device': readBPS,
    'blkio.throttle.write_bps_device': writeBPS,
    'blkio.throttle.read_iops_device': readIOPS,
    'blkio.throttle.write_iops_device': writeIOPS,
  }).map(([file, value]) => ({ file, text: `${device} ${value ?? 0}` }));
}
