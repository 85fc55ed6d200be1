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

/** Lines of one transaction. */
class Section {
  readonly declared: string[] = [];
  readonly rules: string[] = [];
  readonly deleted: string[] = [];

  /**
   * Chains by their names, the last one first: of those that it has heard of iptables over nf_tables (1.8.9) keeps a list by
   * name, and goes through it from the beginning for each.
   */
  text(table: TableName): string {
    const declared = this.declared.sort().reverse();
    return [`*${table}`, ...declared, ...this.rules, ...this.deleted, 'COMMIT', ''].join('\n');
  }
}

/**
 * Collects what is to be told to `iptables-restore --noflush` about one table. In one transaction, or where that would be a large
 * one in several: first chains that nobody is led to yet, then those that lead to them, then what nobody is led to any more.
 */
export class TableText {
  readonly table: TableName;
  readonly #most: number;
  readonly #written: Section[] = [new Section()];
  readonly #shared = new Section();
  readonly #gone: string[] = [];
  /** Rules that are put in. */
  rules = 0;
  changes = 0;

  /** @param most rules or chains in a transaction, as near as it goes */
  constructor(table: TableName, most: number = Number.POSITIVE_INFINITY) {
    this.table = table;
    this.#most = most;
  }

  /** Makes a chain, or empties it, and gives it its rules, which lead to chains that were written since the last `cut`. */
  write(chain: string, rules: readonly RuleText[]): void {
    this.#write(this.#written.at(-1) as Section, chain, rules);
  }

  /** What follows needs nothing of what was written so far, nor the other way round. */
  cut(): void {
    const { rules, declared } = this.#written.at(-1) as Section;
    if (rules.length + declared.length >= this.#most) this.#written.push(new Section());
  }

  /** The same for a chain that leads to any others. */
  writeShared(chain: string, rules: readonly RuleText[]): void {
    this.#write(this.#shared, chain, rules);
  }

  insert(chain: string, rule: RuleText): void {
    this.#put(this.#shared, `-I ${chain} 1 ${rule}`);
    this.rules += 1;
  }

  append(chain: string, rule: RuleText): void {
    this.#put(this.#shared, `-A ${chain} ${rule}`);
    this.rules += 1;
  }

  remove(chain: string, rule: RuleText): void {
    this.#put(this.#shared, `-D ${chain} ${rule}`);
  }

  /** Empties a chain and deletes it, after all rules that jumped to it have gone. */
  delete(chain: string): void {
    this.#gone.push(chain);
    this.changes += 2;
  }

  toString(): string {
    if (this.changes === 0) return '';
    return this.#sections()
      .filter(({ declared, rules, deleted }) => declared.length + rules.length + deleted.length > 0)
      .map((section) => section.text(this.table))
      .join('');
  }

  #sections(): Section[] {
    const { changes } = this;
    const gone = [...this.#gone];
    const all = [...this.#written, this.#shared];
    if (changes <= this.#most) {
      const one = new Section();
      for (const { declared, rules } of all) {
        one.declared.push(...declared);
        one.rules.push(...rules);
      }
      one.declared.push(...gone.map(declaration));
      one.deleted.push(...gone.map(deletion));
      return [one];
    }
    // They may lead to each other: all are emptied before any is deleted.
    const emptied: Section[] = [];
    const deleted: Section[] = [];
    while (gone.length > 0) {
      const some = gone.splice(0, this.#most);
      emptied.push(Object.assign(new Section(), { declared: some.map(declaration) }));
      deleted.push(Object.assign(new Section(), { deleted: some.map(deletion) }));
    }
    return [...all, ...emptied, ...deleted];
  }

  #write(section: Section, chain: string, rules: readonly RuleText[]): void {
    section.declared.push(declaration(chain));
    this.changes += 1;
    for (const rule of rules) this.#put(section, `-A ${chain} ${rule}`);
    this.rules += rules.length;
  }

  #put(section: Section, line: string): void {
    section.rules.push(line);
    this.changes += 1;
  }
}

const declaration = (chain: string): string => `:${chain} - [0:0]`;
const deletion = (chain: string): string => `-X ${chain}`;
