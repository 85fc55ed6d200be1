import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mountFlagProblem, splitFlags } from './mount-flags.ts';

describe('mount options', () => {
  test.each([
    [[]],
    [['noatime']],
    [['noatime,nodiratime', 'commit=30']],
    [['nosuid', 'nodev', 'noexec', 'ro']],
    [['data=ordered']],
    [['logbsize=256k']],
    [['compress=zstd:3']],
    [['errors=remount-ro']],
  ])('%j', (flags) => {
    expect(mountFlagProblem(flags)).toBeUndefined();
  });

  // What would show something else than the volume, give its room away, or bring the node down.
  test.each([
    'discard',
    'discard=async',
    'loop',
    'loop=/dev/loop0',
    'offset=4096',
    'bind',
    'rbind',
    'remount',
    'move',
    'shared',
    'errors=panic',
    'subvol=/',
    'subvolid=5',
    'device=/dev/sda',
    'logdev=/dev/sda',
    'rtdev=/dev/sda',
    'journal_path=/dev/sda',
    'journal_dev=1',
    'nouuid',
    'norecovery',
    'noload',
    'X-mount.mkdir',
    'x-mount.idmap=/proc/1/ns/user',
    'context=system_u:object_r:x',
    'helper=/bin/sh',
    'uhelper=x',
    'user',
    'users',
    'nofail',
    'commit=-1',
    'commit=30x',
    'data=ordered;rm',
    'noatime ',
    'NOATIME',
    '',
    ',',
    'noatime,',
    'noatime,,nodev',
    'noatime\n',
    'noatime\0',
  ])('not %j', (flag) => {
    expect(mountFlagProblem([flag])).toBeTypeOf('string');
    expect(mountFlagProblem(['noatime', flag])).toBeTypeOf('string');
    expect(mountFlagProblem([`noatime,${flag}`])).toBeTypeOf('string');
  });

  test('property: what is refused is not repeated where it may be a secret', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8 }), (secret) => {
        const problem = mountFlagProblem([`password=${secret}`, secret]);
        expect(problem).toBeTypeOf('string');
        expect(problem).not.toContain(`=${secret}`);
      }),
    );
  });

  test('one option each', () => {
    expect(splitFlags(['noatime,nodev', 'defaults', 'ro'])).toEqual(['noatime', 'nodev', 'ro']);
    expect(splitFlags(['defaults'])).toEqual([]);
  });
});
