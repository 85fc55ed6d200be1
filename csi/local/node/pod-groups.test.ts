import { describe, expect, test } from 'vitest';
import { podGroups, writesFor } from './pod-groups.ts';

describe("a pod's control group", () => {
  test('with both drivers and in all three classes', () => {
    expect(podGroups('0e5b7c9d-1f7f')).toEqual([
      'kubepods/pod0e5b7c9d-1f7f',
      'kubepods/burstable/pod0e5b7c9d-1f7f',
      'kubepods/besteffort/pod0e5b7c9d-1f7f',
      'kubepods.slice/kubepods-pod0e5b7c9d_1f7f.slice',
      'kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0e5b7c9d_1f7f.slice',
      'kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0e5b7c9d_1f7f.slice',
    ]);
  });

  test.each(['', '.', '..', '/', '/../..', 'a/b', '../../../etc', 'a\0', 'a b', 'x'.repeat(200)])(
    'none of %j, which is no uid',
    (uid) => {
      expect(podGroups(uid)).toEqual([]);
    },
  );

  test('limits in the words of either version, and no limit takes the former away', () => {
    expect(writesFor(true, '7:3', { readIOPS: 100, writeBPS: 5 })).toEqual([
      { file: 'io.max', text: '7:3 rbps=max wbps=5 riops=100 wiops=max' },
    ]);
    expect(writesFor(true, '7:3', {})).toEqual([
      { file: 'io.max', text: '7:3 rbps=max wbps=max riops=max wiops=max' },
    ]);
    expect(writesFor(false, '7:3', { readIOPS: 100 })).toEqual([
      { file: 'blkio.throttle.read_bps_device', text: '7:3 0' },
      { file: 'blkio.throttle.write_bps_device', text: '7:3 0' },
      { file: 'blkio.throttle.read_iops_device', text: '7:3 100' },
      { file: 'blkio.throttle.write_iops_device', text: '7:3 0' },
    ]);
  });
});
