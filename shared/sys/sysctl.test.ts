import { readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { coverWithTmpfs, freshNetns, run } from '../../conformance/testing/netns.ts';
import { createNetns, deleteNetns, inNetns, openNetns } from './netns.ts';
import { readSysctl, useOwnSysctls, writeSysctl } from './sysctl.ts';

const available = freshNetns();
const key = 'net/ipv4/conf/lo/arp_notify';

describe.skipIf(!available)('parameters', () => {
  test('are set to an empty value', () => {
    const ports = 'net/ipv4/ip_local_reserved_ports';
    writeSysctl(ports, '8080');
    writeSysctl(ports, '');
    expect(run('cat', `/proc/sys/${ports}`)).toBe('\n');
  });
});

/** Descriptors of file systems' roots; what the tests' own children have open comes and goes. */
function roots(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === '/';
    } catch {
      // The one that this directory is read by.
      return false;
    }
  }).length;
}

/** Runs `work` with parameters looked up in a procfs of one's own. */
function own<T>(work: () => T): T {
  using _view = useOwnSysctls();
  return work();
}

describe.skipIf(!available)('parameters looked up in a procfs of one’s own', () => {
  test('are those of the namespace that the thread is in, whichever the first look was from', () => {
    coverWithTmpfs('/run');
    const path = '/run/netns/other';
    createNetns(path);
    using other = openNetns(path);
    const seen = own(() => {
      inNetns(other, () => writeSysctl(key, '1'));
      return [readSysctl(key), inNetns(other, () => readSysctl(key))];
    });
    expect(seen).toEqual(['0', '1']);
    expect(inNetns(other, () => readSysctl(key))).toBe('1');
    deleteNetns(path);
  });

  test('are the usual ones, with the usual names in errors', () => {
    own(() => writeSysctl(key, '1'));
    expect(readSysctl(key)).toBe('1');
    expect(run('cat', `/proc/sys/${key}`)).toBe('1\n');
    const missing = 'net/ipv4/conf/none/arp_notify';
    expect(own(() => readSysctl(missing))).toBeUndefined();
    expect(() => own(() => writeSysctl(missing, '1'))).toThrow(`/proc/sys/${missing}`);
    // And the way there is the usual one again.
    expect(() => writeSysctl(key, 'x')).toThrow(`/proc/sys/${key}`);
    expect(readSysctl(key)).toBe('1');
  });

  test('leave no mount and no descriptor', () => {
    const before = run('cat', '/proc/self/mountinfo');
    const open = roots();
    own(() => {
      readSysctl(key);
      expect(run('cat', '/proc/self/mountinfo')).toBe(before);
      expect(roots()).toBe(open + 1);
    });
    expect(roots()).toBe(open);
  });
});
