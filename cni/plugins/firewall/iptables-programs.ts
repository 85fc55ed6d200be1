/** The table filter of the node's iptables, by its own programs. */

import { findIptables, restoreTable, saveTable } from '../common/iptables/programs.ts';

const families = { 4: { program: 'iptables' }, 6: { program: 'ip6tables' } } as const;

/** Whether the node has iptables for a family. */
export function hasIptables(family: 4 | 6): boolean {
  return findIptables(families[family], 'restore', 'host') !== undefined;
}

/** What the table filter holds, as iptables-save prints it; undefined without the program. */
export function saveFilter(family: 4 | 6): Promise<string | undefined> {
  return saveTable(families[family], 'filter', 'host');
}

/** Makes all changes of the table filter, or none. @throws CniError code 50 without the program, 5 where it fails */
export function restoreFilter(family: 4 | 6, lines: readonly string[]): Promise<void> {
  return restoreTable(families[family], 'filter', 'host', lines);
}
