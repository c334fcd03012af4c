import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UnfitDatabase } from './errors.js';
import {
  type ConcurrentStep,
  concurrentStep,
  ofPartition,
  type PagesStep,
  type PartitionsStep,
  pageOf,
  type Step,
} from './migration-steps.js';
import { LOCK_TIMEOUT_MS, patiently } from './patiently.js';

/** Where migrations in steps have stopped that are not in schemaversion yet. */
export const PROGRESS_TABLE = `
CREATE TABLE IF NOT EXISTS schemaprogress (
  version bigint PRIMARY KEY,
  action  text NOT NULL,
  name    text NOT NULL,
  md5     text NOT NULL,
  step    integer NOT NULL DEFAULT 0,
  cursor  jsonb,
  rows    bigint NOT NULL DEFAULT 0
)`;

/** How long a page may hold the locks of its rows, for which scores may wait. */
const PAGE_MS = 100;
const FIRST_PAGE_ROWS = 500;
const LARGEST_PAGE_ROWS = 20_000;
/** The part of a table after which it is vacuumed, so that further pages use the room that these have left. */
const VACUUM_SHARE = 0.1;
const FEWEST_VACUUMED_ROWS = 50_000;

export interface Migration {
  readonly version: number;
  readonly action: 'do' | 'undo';
  readonly name: string;
}

/** What a migration is at, for people. */
export interface Doing extends Migration {
  /** From 1. */
  step: number;
  steps: number;
  /** Rows done in pages. */
  rows: number;
  /** About how many rows the table of the pages has, as PostgreSQL estimates. */
  rowsInTable: number | null;
  /** The likely reason why it does not get a lock. */
  waitsFor: string | null;
}

/** The migration has yet to begin. */
export const notBegun = ({ version, action, name }: Migration): Doing => ({
  ...{ version, action, name, step: 1, steps: 1, rows: 0, rowsInTable: null, waitsFor: null },
});

interface Stopped {
  readonly step: number;
  readonly cursor: readonly string[] | null;
  readonly rows: number;
  readonly md5: string;
}

/**
 * Runs the steps of a migration, from where it has stopped. A step is noted as done in its own transaction, or after it if it has
 * none: of an index that was begun, what is there is dropped, and it is built again.
 */
export class MigrationRun {
  readonly #client: pg.Client;
  readonly #steps: readonly Step[];
  /** Kept up to date, for reports. */
  readonly #doing: Doing;
  readonly #signal: AbortSignal | undefined;

  /** @param client whose `lock_timeout` is LOCK_TIMEOUT_MS */
  constructor(client: pg.Client, steps: readonly Step[], doing: Doing, signal?: AbortSignal) {
    this.#client = client;
    this.#steps = steps;
    this.#doing = doing;
    this.#signal = signal;
  }

  async toItsEnd(): Promise<void> {
    const stopped = await this.#stopped();
    for (const [i, step] of this.#steps.entries()) {
      if (i < stopped.step) continue;
      this.#signal?.throwIfAborted();
      this.#doing.step = i + 1;
      if (step.kind === 'transaction') {
        await this.transaction(async () => {
          await this.#client.query(step.sql);
          await this.#isDone();
        });
      } else {
        if (step.kind === 'concurrently') await this.#concurrently(step);
        else if (step.kind === 'partitions') await this.#partitions(step);
        else await this.#pages(step, i === stopped.step ? stopped.cursor : null);
        await this.#isDone();
      }
    }
  }

  /** Runs `work` in a transaction, again and again until it gets its locks. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    const onRefused = (by: string) => {
      this.#doing.waitsFor = by;
    };
    const result = await patiently(this.#client, work, { signal: this.#signal, onRefused });
    this.#doing.waitsFor = null;
    return result;
  }

  async #stopped(): Promise<Stopped> {
    const { version, action, name } = this.#doing;
    const md5 = createHash('md5').update(JSON.stringify(this.#steps)).digest('hex');
    await this.#client.query(
      'INSERT INTO schemaprogress (version, action, name, md5) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [version, action, name, md5],
    );
    const { rows } = await this.#client.query<Stopped>('SELECT * FROM schemaprogress WHERE version = $1', [
      version,
    ]);
    const [stopped] = rows;
    if (stopped?.md5 !== md5)
      throw new UnfitDatabase(
        `Migration ${version} (${name}) is half done, and has another text now. Let the version that has begun it end it.`,
      );
    this.#doing.steps = this.#steps.length;
    this.#doing.rows = stopped.rows;
    return stopped;
  }

  async #isDone(): Promise<void> {
    await this.#client.query(
      'UPDATE schemaprogress SET step = step + 1, cursor = NULL WHERE version = $1 AND step = $2 - 1',
      [this.#doing.version, this.#doing.step],
    );
  }

  /** It waits for all transactions that are older than it, but nobody waits for it: so it may take its time. */
  async #concurrently({ sql, creates }: ConcurrentStep): Promise<void> {
    const { rows } = await this.#client.query<{ indisvalid: boolean }>(
      'SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)',
      [creates],
    );
    const isValid = rows[0]?.indisvalid;
    if (isValid === true) return;
    await this.#client.query('SET lock_timeout = 0');
    if (isValid === false) await this.#client.query(`DROP INDEX CONCURRENTLY ${creates}`);
    await this.#client.query(sql);
    await this.#client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  }

  /** One that is made meanwhile is empty: its index is built with that of the table. */
  async #partitions(step: PartitionsStep): Promise<void> {
    const { rows } = await this.#client.query<{ name: string }>(
      'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = to_regclass($1) ORDER BY 1',
      [step.table],
    );
    for (const { name } of rows) {
      this.#signal?.throwIfAborted();
      await this.#concurrently(concurrentStep(ofPartition(step, name)));
    }
  }

  /** Pages are as large as takes PAGE_MS, and each is followed by a pause as long: half of the time is for scores. */
  async #pages(step: PagesStep, after: readonly string[] | null): Promise<void> {
    const rowsInTable = await this.#rowsIn(step.table);
    this.#doing.rowsInTable = rowsInTable;
    let unvacuumed = 0;
    let limit = FIRST_PAGE_ROWS;
    for (let cursor = after; ; ) {
      let started = performance.now();
      const page = await this.transaction(async () => {
        started = performance.now();
        const found = await this.#page(step, cursor, limit);
        const isLast = found === undefined || found.rows < limit;
        // If it does not get its locks, the next try is for fewer rows.
        limit = Math.max(1, Math.floor(limit / 2));
        return { rows: found?.rows ?? 0, last: found?.last ?? cursor, isLast };
      });
      const tookMs = performance.now() - started;
      cursor = page.last;
      this.#doing.rows += page.rows;
      if (page.isLast) return;
      unvacuumed += page.rows;
      if (unvacuumed > Math.max(FEWEST_VACUUMED_ROWS, rowsInTable * VACUUM_SHARE)) {
        unvacuumed = 0;
        // TRUNCATE would lock the table.
        await this.#client.query(`VACUUM (SKIP_LOCKED, TRUNCATE off) ${step.table}`);
      }
      limit = Math.min(LARGEST_PAGE_ROWS, Math.ceil((page.rows * PAGE_MS) / tookMs));
      await sleep(tookMs, undefined, { signal: this.#signal });
    }
  }

  /** @returns undefined if there are no rows after the cursor */
  async #page(step: PagesStep, cursor: readonly string[] | null, limit: number) {
    const { table, key } = step;
    const columns = key.join(', ');
    const after = cursor && literal(cursor);
    const { rows } = await this.#client.query<{ last: string[]; rows: number }>(
      `SELECT ARRAY[${key.map((column) => `${column}::text`).join(', ')}] AS last, nth AS rows
       FROM (SELECT ${columns}, row_number() OVER (ORDER BY ${columns}) AS nth FROM ${table}
             ${after === null ? '' : `WHERE (${columns}) > ${after}`} ORDER BY ${columns} LIMIT ${limit}) p
       ORDER BY nth DESC LIMIT 1`,
    );
    const [page] = rows;
    if (page === undefined) return undefined;
    await this.#client.query(pageOf(step, after, literal(page.last)));
    await this.#client.query('UPDATE schemaprogress SET cursor = $2, rows = rows + $3 WHERE version = $1', [
      this.#doing.version,
      JSON.stringify(page.last),
      page.rows,
    ]);
    return page;
  }

  async #rowsIn(table: string): Promise<number> {
    const { rows } = await this.#client.query<{ estimate: number }>(
      'SELECT greatest(reltuples, 0)::bigint AS estimate FROM pg_class WHERE oid = to_regclass($1)',
      [table],
    );
    return rows[0]?.estimate ?? 0;
  }
}

/** A row of values, as SQL. Each gets the type of the column that it is compared with. */
const literal = (values: readonly string[]): string => `(${values.map(pg.escapeLiteral).join(', ')})`;
