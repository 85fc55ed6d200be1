import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MS } from './constants.ts';
import { mountFlags } from './mount-options.ts';
import { mountAt, mountOf, parseMountInfo, unescapeOctal } from './mountinfo.ts';

/** Of a Debian 13 machine; the second with a bind mount's root and a name with a blank. */
const TEXT = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 22 254:0 /srv/pool\\040a/data /var/lib/kubelet/pods/x\\134y ro,nosuid shared:1 master:7 - ext4 /dev/vda rw
91 90 0:44 / /var/lib/kubelet/pods/x\\134y rw - btrfs /dev/loop3 rw,space_cache=v2,subvolid=5
`;

/** As the kernel does: fs/proc_namespace.c, mangle(): " \\t\\n\\\\#". */
function mangle(text: string): string {
  return text.replaceAll(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

describe('mountinfo', () => {
  test('lines as the kernel writes them', () => {
    const mounts = parseMountInfo(TEXT);
    expect(mounts).toHaveLength(3);
    expect(mounts[1]).toEqual({
      id: 90,
      parent: 22,
      device: '254:0',
      root: '/srv/pool a/data',
      target: '/var/lib/kubelet/pods/x\\y',
      options: ['ro', 'nosuid'],
      propagation: ['shared:1', 'master:7'],
      fsType: 'ext4',
      source: '/dev/vda',
      superOptions: ['rw'],
    });
    expect(mounts[2]?.propagation).toEqual([]);
  });

  test('of two mounts at one path the last is seen; below it, it counts too', () => {
    const mounts = parseMountInfo(TEXT);
    expect(mountAt(mounts, '/var/lib/kubelet/pods/x\\y')?.id).toBe(91);
    expect(mountOf(mounts, '/var/lib/kubelet/pods/x\\y/deeper/still')?.id).toBe(91);
    expect(mountOf(mounts, '/var/lib')?.id).toBe(22);
    expect(mountOf(mounts, '/')?.id).toBe(22);
    expect(mountOf([], '/a')).toBeUndefined();
  });

  test('whatever the paths are, they are read as they were written', () => {
    const path = fc.string({ unit: 'grapheme' }).map((text) => `/${text.replaceAll('\0', '')}`);
    const word = fc.constantFrom('ext4', 'fuse.x', 'rw', '-x', 'tmpfs');
    const entry = fc.record({
      id: fc.nat(),
      parent: fc.nat(),
      root: path,
      target: path,
      options: fc.array(word, { minLength: 1 }),
      propagation: fc.array(fc.integer({ min: 1, max: 99 }).map((n) => `shared:${n}`)),
      fsType: word,
      source: path,
      superOptions: fc.array(word, { minLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const text = entries
          .map(({ id, parent, root, target, options, propagation, fsType, source, superOptions }) =>
            [
              id,
              parent,
              '8:1',
              mangle(root),
              mangle(target),
              options,
              ...propagation,
              '-',
              fsType,
              mangle(source),
              superOptions,
            ].join(' '),
          )
          .join('\n');
        expect(parseMountInfo(text)).toEqual(entries.map((each) => ({ ...each, device: '8:1' })));
      }),
    );
  });

  test('any text at all is read without a throw', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseMountInfo(text)));
    expect(unescapeOctal('\\04\\9\\')).toBe('\\04\\9\\');
  });
});

test('mount options: flags, what takes them away, and what is the file system’s own', () => {
  expect(mountFlags(['ro', 'noatime', 'rw', 'nosuid', 'discard', 'commit=5'])).toEqual({
    flags: MS.NOATIME | MS.NOSUID,
    data: ['discard', 'commit=5'],
  });
  expect(mountFlags(['constructor', 'defaults'])).toEqual({ flags: 0, data: ['constructor'] });
});
