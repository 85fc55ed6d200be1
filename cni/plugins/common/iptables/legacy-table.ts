import { readStart } from '../../../../shared/sys/file.ts';

/** Whether legacy iptables has this table in this namespace; never so where the kernel has none. */
export function hasLegacyTable(family: 4 | 6, table: 'filter' | 'nat'): boolean {
  const names = new Uint8Array(256);
  const length = readStart(`/proc/thread-self/net/ip${family === 4 ? '' : '6'}_tables_names`, names);
  return length > 0 && new TextDecoder().decode(names.subarray(0, length)).split('\n').includes(table);
}
