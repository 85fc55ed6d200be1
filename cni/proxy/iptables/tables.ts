/** Chains and rules as text, in the very form that `iptables-save` prints, so that both can be compared. Pure. */

export type TableName = 'filter' | 'nat' | 'mangle';

export const TABLE_NAMES: readonly TableName[] = ['filter', 'nat', 'mangle'];

/** A rule without `-A` and its chain: `-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DROP`. */
export type RuleText = string;

/** One rule of a chain that many ports share. */
export interface SharedRule {
  readonly table: 'filter' | 'nat';
  readonly chain: string;
  readonly rule: RuleText;
}

/** A table as it was saved: its chains, and their rules. */
export type SavedTable = ReadonlyMap<string, readonly RuleText[]>;

/** @param saved what `iptables-save` printed, without counters */
export function parseSaved(saved: string): Map<string, SavedTable> {
  const tables = new Map<string, SavedTable>();
  let table = new Map<string, RuleText[]>();
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      table = new Map();
      tables.set(line.slice(1).trim(), table);
    } else if (line.startsWith(':')) table.set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3);
      const chain = end < 0 ? line.slice(3) : line.slice(3, end);
      table.get(chain)?.push(end < 0 ? '' : line.slice(end + 1).trimEnd());
    }
  }
  return tables;
}

/** Collects what is to be told to `iptables-restore --noflush` about one table. */
export class TableText {
  readonly table: TableName;
  readonly #declared: string[] = [];
  readonly #rules: string[] = [];
  readonly #deleted: string[] = [];
  #removed = 0;

  constructor(table: TableName) {
    this.table = table;
  }

  get changes(): number {
    return this.#declared.length + this.#rules.length + this.#deleted.length;
  }

  /** Rules that are put in. */
  get rules(): number {
    return this.#rules.length - this.#removed;
  }

  /** Makes a chain, or empties it, and gives it its rules. */
  write(chain: string, rules: readonly RuleText[]): void {
    this.#declared.push(`:${chain} - [0:0]`);
    for (const rule of rules) this.#rules.push(`-A ${chain} ${rule}`);
  }

  insert(chain: string, rule: RuleText): void {
    this.#rules.push(`-I ${chain} 1 ${rule}`);
  }

  append(chain: string, rule: RuleText): void {
    this.#rules.push(`-A ${chain} ${rule}`);
  }

  remove(chain: string, rule: RuleText): void {
    this.#rules.push(`-D ${chain} ${rule}`);
    this.#removed += 1;
  }

  /** Empties a chain and deletes it, after all rules that jumped to it have gone. */
  delete(chain: string): void {
    this.#declared.push(`:${chain} - [0:0]`);
    this.#deleted.push(`-X ${chain}`);
  }

  toString(): string {
    if (this.changes === 0) return '';
    return [`*${this.table}`, ...this.#declared, ...this.#rules, ...this.#deleted, 'COMMIT', ''].join('\n');
  }
}
