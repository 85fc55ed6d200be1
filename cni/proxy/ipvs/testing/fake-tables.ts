import type { Tables } from '../../iptables/kernel-tables.ts';
import type { SavedTable } from '../../iptables/tables.ts';

/** What iptables-restore --noflush does, for whole texts; refuses what the kernel would. */
export class FakeTables implements Tables {
  readonly tables: Map<string, Map<string, string[]>> = new Map<string, Map<string, string[]>>([
    ['filter', new Map(['INPUT', 'FORWARD', 'OUTPUT'].map((name) => [name, []]))],
    ['nat', new Map(['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'].map((name) => [name, []]))],
    ['mangle', new Map()],
  ]);
  restored = 0;

  save(): Promise<Map<string, SavedTable>> {
    return Promise.resolve(new Map(this.tables));
  }

  async restore(text: string): Promise<void> {
    this.restored += 1;
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
      }
    }
  }
}
