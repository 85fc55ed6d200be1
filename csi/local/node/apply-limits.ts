/** Limits of a VolumeAttributesClass, in the control groups of the pods that use the volume. */

import { existsSync } from 'node:fs';
import { errorText } from '../../../shared/log/format.ts';
import { readText, writeFile } from '../../../shared/sys/file.ts';
import type { LocalParts, Volume } from '../parts.ts';
import { podGroups, writesFor } from './pod-groups.ts';

/** Where control groups are mounted. */
const CGROUPS = '/sys/fs/cgroup';

/**
 * Says to the kernel what each pod that has the volume may read and write. A pod whose group cannot be found is told in the log: its
 * volume works without limits, which is better than not at all.
 */
export function applyLimits({ uses, log }: LocalParts, { record, place, backend }: Volume): void {
  const device = backend.device(place);
  if (device === undefined) return;
  const pods = uses.of(record.id).published.flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
  for (const pod of pods) {
    try {
      const number = readText(`/sys/block/${device.slice('/dev/'.length)}/dev`).trim();
      const isUnified = existsSync(`${CGROUPS}/cgroup.controllers`);
      const root = isUnified ? CGROUPS : `${CGROUPS}/blkio`;
      const group = podGroups(pod).find((path) => existsSync(`${root}/${path}`));
      if (group === undefined) {
        if (Object.keys(record.limits).length > 0)
          log.warn('a pod has no control group for its limits', { volume: record.id, pod });
        continue;
      }
      for (const { file, text } of writesFor(isUnified, number, record.limits))
        writeFile(`${root}/${group}/${file}`, text);
    } catch (error) {
      log.warn('limits cannot be set', { volume: record.id, pod, error: errorText(error) });
    }
  }
}
