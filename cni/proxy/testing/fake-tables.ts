/** Tables of iptables without a kernel. */

import type { Tables } from '../iptables/kernel-tables.ts';
import type { SavedTable } from '../iptables/tables.ts';

const BUILT_IN_TARGETS = /^(?:ACCEPT|DROP|RETURN|REJECT|MARK|MASQUERADE|DNAT)$/;

/** What iptables-restore --noflush does, for whole texts; refuses what the kernel would. */
export class FakeTables implements Tables {
  readonly tables: Map<string, Map<string, string[]>> = new Map<string, Map<string, string[]>>([
    ['filter', new Map(['INPUT', 'FORWARD', 'OUTPUT'].map((name) => [name, []]))],
    ['nat', new Map(['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'].map((name) => [name, []]))],
    ['mangle', new Map()],
  ]);
  restored = 0;
  saves = 0;

  get saved(): ReadonlyMap<string, SavedTable> {
    return this.tables;
  }

  save(): Promise<Map<string, SavedTable>> {
    this.saves += 1;
    return Promise.resolve(new Map(this.tables));
  }

  async restore(text: string): Promise<void> {
    this.restored += 1;
    this.write(text);
  }

  hasChain(table: string, chain: string): boolean {
    return this.tables.get(table)?.has(chain) ?? false;
  }

  alone<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  /** @throws Error for what the kernel would refuse */
  write(text: string): void {
    let table = new Map<string, string[]>();
    for (const line of text.split('\n')) {
      const [what = '', chain = '', ...rest] = line.split(' ');
      const rules = (): string[] => {
        const found = table.get(chain);
        if (!found) throw new Error(`no chain: ${line}`);
        return found;
      };
      if (what.startsWith('*')) table = this.tables.get(what.slice(1)) ?? new Map();
      else if (what.startsWith(':')) table.set(what.slice(1), []);
      else if (what === '-A') rules().push(rest.join(' '));
      else if (what === '-I') rules().unshift(rest.slice(1).join(' '));
      else if (what === '-D') {
        const at = rules().indexOf(rest.join(' '));
        if (at < 0) throw new Error(`no such rule: ${line}`);
        rules().splice(at, 1);
      } else if (what === '-X') {
        if (rules().length > 0) throw new Error(`not empty: ${line}`);
        table.delete(chain);
      } else if (what === 'COMMIT') check(table);
    }
  }
}

function check(table: ReadonlyMap<string, readonly string[]>): void {
  for (const [chain, rules] of table)
    for (const rule of rules) {
      const target = /-j (\S+)/.exec(rule)?.[1];
      if (target && !BUILT_IN_TARGETS.test(target) && !table.has(target))
        throw new Error(`${chain} jumps to ${target}, which there is none of`);
    }
}
