import type { Database, SQLQueryBindings, Statement } from 'bun:sqlite';

/** Bytes on disk do not say what was written there. */
export class RowDamagedError extends Error {
  override readonly name = 'RowDamagedError';
}

/** An object as it lies in the store: `body` is its JSON without the resourceVersion. */
export interface Row {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The sequence of its last change; for a tombstone that of its deletion. */
  readonly seq: number;
  /** The sequence at which it came to be. */
  readonly created: number;
  readonly body: string;
}

interface StoredRow extends Row {
  readonly sum: number;
}

/** A change as watches read it: the object now, or as it last was. */
export interface ChangeRow extends Row {
  readonly deleted: boolean;
}

/** The store's one row of bookkeeping. */
export interface State {
  readonly epoch: string;
  readonly sequence: number;
  readonly floor: number;
  readonly createdMs: number;
  readonly rebuiltMs: number | null;
  readonly rebuiltReason: string | null;
}

const columns = 'kind, namespace, name, seq, created, sum, body';

/** Every statement on the tables, prepared once. Owns no database: dispose of it before closing that. */
export class Tables implements Disposable {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database) {
    this.#db = db;
  }

  begin(mode: 'DEFERRED' | 'IMMEDIATE'): void {
    this.#run(`BEGIN ${mode}`);
  }

  commit(): void {
    this.#run('COMMIT');
  }

  /** Ends the transaction if there is one: SQLite has already done so after a full disk or an I/O error. */
  rollback(): void {
    if (this.#db.inTransaction) this.#run('ROLLBACK');
  }

  state(): State {
    const row = this.#get(
      'SELECT epoch, sequence, floor, created_ms AS createdMs, rebuilt_ms AS rebuiltMs, ' +
        'rebuilt_reason AS rebuiltReason FROM state WHERE id = 1',
    );
    if (row === undefined) throw new RowDamagedError('the state row is gone');
    return row as unknown as State;
  }

  setState(state: State): void {
    this.#run(
      'UPDATE state SET epoch = ?, sequence = ?, floor = ?, created_ms = ?, rebuilt_ms = ?, rebuilt_reason = ?',
      state.epoch,
      state.sequence,
      state.floor,
      state.createdMs,
      state.rebuiltMs,
      state.rebuiltReason,
    );
  }

  setSequence(sequence: number): void {
    this.#run('UPDATE state SET sequence = ?', sequence);
  }

  setFloor(floor: number): void {
    this.#run('UPDATE state SET floor = ?', floor);
  }

  get(kind: string, namespace: string, name: string): Row | undefined {
    const sql = `SELECT ${columns} FROM objects WHERE kind = ? AND namespace = ? AND name = ?`;
    const row = this.#get(sql, kind, namespace, name);
    return row === undefined ? undefined : verified(row as unknown as StoredRow);
  }

  list(kind: string, namespace?: string): Row[] {
    const where = namespace === undefined ? 'kind = ?' : 'kind = ? AND namespace = ?';
    const sql = `SELECT ${columns} FROM objects WHERE ${where} ORDER BY namespace, name`;
    const rows = namespace === undefined ? this.#all(sql, kind) : this.#all(sql, kind, namespace);
    return (rows as unknown as StoredRow[]).map(verified);
  }

  /** Every object, one at a time, so that a large store does not have to fit in memory. */
  *everything(): Generator<Row> {
    const sql = `SELECT ${columns} FROM objects ORDER BY seq`;
    for (const row of this.#prepare(sql).iterate()) yield verified(row as unknown as StoredRow);
  }

  /** Inserts the object, or replaces the one of the same name. */
  put(row: Row): void {
    this.#run(
      `INSERT INTO objects (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?) ` +
        'ON CONFLICT (kind, namespace, name) DO UPDATE SET ' +
        'seq = excluded.seq, created = excluded.created, sum = excluded.sum, body = excluded.body',
      row.kind,
      row.namespace,
      row.name,
      row.seq,
      row.created,
      sumOf(row),
      row.body,
    );
  }

  delete(kind: string, namespace: string, name: string): void {
    this.#run('DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?', kind, namespace, name);
  }

  addTombstone(row: Row): void {
    this.#run(
      `INSERT INTO tombstones (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      row.kind,
      row.namespace,
      row.name,
      row.seq,
      row.created,
      sumOf(row),
      row.body,
    );
  }

  /**
   * What changed after `from`, deletions included, by sequence and at most `limit`. Deletions of what was created
   * after `told` are left out: whoever asks never knew it.
   */
  changes(kinds: readonly string[], from: number, told: number, limit: number): ChangeRow[] {
    const sql =
      `SELECT ${columns}, 0 AS deleted FROM objects ` +
      'WHERE seq > ?1 AND kind IN (SELECT value FROM json_each(?2)) UNION ALL ' +
      `SELECT ${columns}, 1 FROM tombstones ` +
      'WHERE seq > ?1 AND created <= ?3 AND kind IN (SELECT value FROM json_each(?2)) ORDER BY seq LIMIT ?4';
    const rows = this.#all(sql, from, JSON.stringify(kinds), told, limit);
    return (rows as unknown as (StoredRow & { deleted: number })[]).map((row) => ({
      ...verified(row),
      deleted: row.deleted === 1,
    }));
  }

  /** The sequence of the newest deletion that may be forgotten when `keep` of them stay; `undefined`: none. */
  tombstoneToForget(keep: number): number | undefined {
    const row = this.#get('SELECT seq FROM tombstones ORDER BY seq DESC LIMIT 1 OFFSET ?', keep);
    return row === undefined ? undefined : Number(row['seq']);
  }

  /** Forgets deletions up to and including `seq`. */
  forgetTombstones(seq: number): void {
    this.#run('DELETE FROM tombstones WHERE seq <= ?', seq);
  }

  /** Writes the whole database to a new file, from one snapshot and without its free pages. */
  copyTo(path: string): void {
    this.#run('VACUUM INTO ?', path);
  }

  deleteEverything(): void {
    this.#run('DELETE FROM objects');
    this.#run('DELETE FROM tombstones');
  }

  /** The highest sequence number that any row carries. */
  highestSequence(): number {
    const row = this.#get(
      'SELECT max(coalesce((SELECT max(seq) FROM objects), 0), coalesce((SELECT max(seq) FROM tombstones), 0)) AS seq',
    );
    return Number(row?.['seq'] ?? 0);
  }

  [Symbol.dispose](): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: SQLQueryBindings[]): void {
    this.#prepare(sql).run(...values);
  }

  #get(sql: string, ...values: SQLQueryBindings[]): Record<string, unknown> | undefined {
    return (this.#prepare(sql).get(...values) as Record<string, unknown> | null) ?? undefined;
  }

  #all(sql: string, ...values: SQLQueryBindings[]): Record<string, unknown>[] {
    return this.#prepare(sql).all(...values) as Record<string, unknown>[];
  }
}

function sumOf(row: Row): number {
  return Bun.hash.crc32(
    `${row.kind}\0${row.namespace}\0${row.name}\0${row.seq}\0${row.created}\0${row.body}`,
  );
}

function verified(row: StoredRow): Row {
  if (sumOf(row) === row.sum) return row;
  throw new RowDamagedError(`${row.kind} ${row.namespace}/${row.name} is not what was written`);
}
