import { readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../conformance/testing/netns.ts';
import { LegacyTables } from './legacy-tables.ts';

const LISTS = { 4: '/net/ip_tables_names', 6: '/net/ip6_tables_names' } as const;

/** What a descriptor of ours is open on; empty for the one that was open while they were listed. */
function listed(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

describe.skipIf(!freshNetns())('legacy iptables, read without its program', () => {
  test.each([
    [4, 'iptables-legacy', '10.96.0.1'],
    [6, 'ip6tables-legacy', 'fd00:96::1'],
  ] as const)('IPv%i: which chains somebody made', (family, program, address) => {
    using tables = new LegacyTables();
    expect(tables.chains(family, 'nat')).toBeUndefined();
    run(program, '-t', 'nat', '-S');
    expect(tables.chains(family, 'nat')).toEqual(new Set());
    run(program, '-t', 'nat', '-N', 'KUBE-SERVICES');
    run(program, '-t', 'nat', '-N', 'ERROR-OF-NOBODY');
    run(program, '-t', 'nat', '-A', 'KUBE-SERVICES', '-d', address, '-j', 'ERROR-OF-NOBODY');
    expect(tables.chains(family, 'nat')).toEqual(new Set(['KUBE-SERVICES', 'ERROR-OF-NOBODY']));
    run(program, '-t', 'nat', '-F');
    run(program, '-t', 'nat', '-X');
    expect(tables.chains(family, 'nat')).toEqual(new Set());
    expect(tables.chains(family, 'mangle')).toBeUndefined();
    // The list of tables was opened once.
    const open = readdirSync('/proc/self/fd').filter((fd) => listed(fd).endsWith(LISTS[family]));
    expect(open).toHaveLength(1);
  });
});
