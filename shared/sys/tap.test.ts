import { describe, expect, test } from 'vitest';
import { kernelHas } from '../../conformance/testing/kernel-features.ts';
import { freshNetns, ipJson } from '../../conformance/testing/netns.ts';
import { isErrno } from './errno.ts';
import { currentNetns } from './netns.ts';
import { Tap } from './tap.ts';

const ready = freshNetns() && kernelHas('tap');

function taps(): string[] {
  return ipJson<{ ifname: string }[]>('link', 'show', 'type', 'tun').map(({ ifname }) => ifname);
}

describe.skipIf(!ready)('TAP devices', () => {
  const spec = { name: 'tap0', multiQueue: false, owner: undefined, group: undefined };

  test('go with what made them, unless they are kept', () => {
    using netns = currentNetns();
    {
      using _tap = Tap.create(netns, spec);
      expect(taps()).toEqual(['tap0']);
    }
    expect(taps()).toEqual([]);
    {
      using tap = Tap.create(netns, spec);
      tap.keep();
    }
    expect(taps()).toEqual(['tap0']);
  });

  test('one that is there is not attached to', () => {
    using netns = currentNetns();
    try {
      using _tap = Tap.create(netns, spec);
      expect.unreachable();
    } catch (error) {
      expect(isErrno(error, 'EBUSY')).toBe(true);
    }
  });

  test('an owner that there is not', () => {
    using netns = currentNetns();
    const create = (): Tap => Tap.create(netns, { ...spec, name: 'tap1', owner: 2 ** 32 - 1 });
    expect(create).toThrow(/EINVAL/);
    expect(taps()).toEqual(['tap0']);
  });
});
