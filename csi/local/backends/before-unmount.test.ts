import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { freshNetns } from '../../../conformance/testing/netns.ts';
import { readText } from '../../../shared/sys/file.ts';
import { unmount } from '../../../shared/sys/mount.ts';
import { beforeUnmount, heldBack } from './before-unmount.ts';
import { MIB, WORK } from './contract.ts';
import { LoopBackend } from './loop.ts';
import { writeOut } from './still.ts';
import { TestPool } from './testing/pool.ts';

const available = freshNetns();

test('what the machine holds back', () => {
  const text =
    'MemTotal: 24634312 kB\nDirty:              1024 kB\nWriteback:             8 kB\nWritebackTmp: 4 kB\n';
  expect(heldBack(text)).toBe(1032 * 1024);
  expect(heldBack(readText('/proc/meminfo'))).toBeGreaterThanOrEqual(0);
});

test.skipIf(!available)(
  'is written out before a volume is unmounted, and a volume that is gone is no failure',
  async () => {
    using pool = new TestPool('ext4');
    const backend = new LoopBackend();
    const shape = { size: 64 * MIB, thin: false, access: 'mount', fsType: 'ext4' } as const;
    const [place, target] = [pool.place('v'), pool.target('a')];
    await backend.create(place, shape, WORK);
    await backend.mount(place, shape, target, { readOnly: false, flags: [] }, WORK);
    writeFileSync(`${target}/file`, new Uint8Array(32 * MIB));
    await writeOut(target);
    await beforeUnmount(target);
    unmount(target);
    await pool.clear(backend);
    await beforeUnmount('/nowhere');
  },
);
