import { describe, expect, test } from 'vitest';
import { coverWithTmpfs, freshNetns, run } from '../../conformance/testing/netns.ts';
import { createNetns, deleteNetns, inNetns, openNetns } from './netns.ts';
import { readSysctl, withOwnSysctls, writeSysctl } from './sysctl.ts';

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

describe.skipIf(!available)('parameters looked up in a procfs of one’s own', () => {
  test('are those of the namespace that the thread is in', () => {
    coverWithTmpfs('/run');
    const path = '/run/netns/other';
    createNetns(path);
    using other = openNetns(path);
    inNetns(other, () => withOwnSysctls(() => writeSysctl(key, '1')));
    expect(inNetns(other, () => readSysctl(key))).toBe('1');
    expect(withOwnSysctls(() => readSysctl(key))).toBe('0');
    deleteNetns(path);
  });

  test('are the usual ones, with the usual names in errors', () => {
    withOwnSysctls(() => writeSysctl(key, '1'));
    expect(readSysctl(key)).toBe('1');
    expect(run('cat', `/proc/sys/${key}`)).toBe('1\n');
    const missing = 'net/ipv4/conf/none/arp_notify';
    expect(withOwnSysctls(() => readSysctl(missing))).toBeUndefined();
    expect(() => withOwnSysctls(() => writeSysctl(missing, '1'))).toThrow(`/proc/sys/${missing}`);
    // And the way there is the usual one again.
    expect(() => writeSysctl(key, 'x')).toThrow(`/proc/sys/${key}`);
    expect(readSysctl(key)).toBe('1');
  });

  test('leave no mount', () => {
    const before = run('cat', '/proc/self/mountinfo');
    withOwnSysctls(() => {
      expect(run('cat', '/proc/self/mountinfo')).toBe(before);
    });
    expect(run('cat', '/proc/self/mountinfo')).toBe(before);
  });
});
