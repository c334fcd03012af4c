import type pg from 'pg';
import type { Import } from '../../schemas/import.js';
import { type AdminAct, audit } from '../audit.js';
import { instant } from '../clock.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import { addJob } from '../jobs/job.js';
import { type Queryable, transact } from '../postgres/database.js';
import { toUuid, withIds } from '../stored-ids.js';
import { COUNT_ROWS } from './count-rows.js';
import { type Batch, FileReader } from './file-reader.js';
import { MAX_FAULTS } from './import-row.js';
import { copyRows, dropTable, makeTable } from './staging.js';

/** Imports that are not over. Each has a table of the rows that it has received. */
const MOST_AT_A_TIME = 4;
const MAX_ROWS = 20_000_000;

const SHOWN = `
id, leaderboard_id AS leaderboard, season, dry_run AS "dryRun", state, problem, begun_at AS "begunAt", ended_at AS "endedAt",
received_bytes AS "receivedBytes", received_rows AS rows, judged AS done, counted, known, faulty, new_users AS "newUsers", faults`;

interface Row extends Omit<Import, 'begunAt' | 'endedAt'> {
  readonly begunAt: number;
  readonly endedAt: number | null;
}
interface Receiving extends Row {
  readonly lines: number;
  readonly columns: readonly string[] | null;
}

/** Of several who begin at once none sees fewer than there are: any constant. */
const BEGIN_LOCK = 7_228_507;
const UNENDED = `SELECT count(*) AS unended FROM imports WHERE state IN ('receiving', 'counting')`;
/** $1 a leaderboard, $2 a season or null. */
const SEASON = `
SELECT s.season, l.frozen_at IS NOT NULL AS "isFrozen", s.closed_at IS NOT NULL OR s.ends_at <= now() AS "isOver", s.starts_at > now() AS "isAhead"
FROM leaderboards l LEFT JOIN LATERAL (
  SELECT * FROM seasons s WHERE s.leaderboard_id = l.id AND s.season > l.removed_through AND CASE WHEN $2::int IS NULL THEN s.starts_at <= now() ELSE s.season = $2 END
  ORDER BY s.season DESC LIMIT 1) s ON true
WHERE l.id = $1 AND l.removed_at IS NULL`;
const RECEIVED = `
UPDATE imports SET received_bytes = $3, received_lines = $4, columns = $5, received_rows = received_rows + $6, staged = staged + $7,
  faulty = faulty + $8, judged = judged + $8, faults = $9, changed_at = now()
WHERE id = $1 AND state = 'receiving' AND received_bytes = $2`;
const BEGIN_COUNTING = `
UPDATE imports SET state = 'counting', changed_at = now() WHERE id = $1 AND state = 'receiving' RETURNING ${SHOWN}`;
const FAIL = `
UPDATE imports SET state = 'failed', problem = $2, ended_at = now(), changed_at = now() WHERE id = $1 AND state = 'receiving'`;

export interface Wanted {
  readonly board: string;
  readonly season?: number | undefined;
  readonly dryRun: boolean;
}

/**
 * Imports of scores. A file is received into a table of its own, in batches that are each committed, so that one that was cut off is
 * continued. When all of it is there, a job counts its rows; see count-rows.ts.
 */
export class Imports {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @throws Problem `not-found`, `season-not-found`, `board-frozen`, `season-ended`, `rate-limited` */
  begin({ board, season, dryRun }: Wanted, act: AdminAct): Promise<Import> {
    return transact(this.#pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [BEGIN_LOCK]);
      const unended = await client.query<{ unended: number }>(UNENDED);
      if ((unended.rows[0]?.unended ?? 0) >= MOST_AT_A_TIME)
        throw new Problem(
          'rate-limited',
          `There are ${MOST_AT_A_TIME} imports that are not over. One that was cut off is given up after a day.`,
          { retryAfter: 60 },
        );
      const number = await openSeason(client, board, season);
      const id = newId('imp');
      await client.query(
        'INSERT INTO imports (id, leaderboard_id, season, dry_run) VALUES ($1, $2, $3, $4)',
        [toUuid('imp', id), board, number, dryRun],
      );
      await audit(client, act, 'import-scores', board, { importId: id, season: number, dryRun });
      await makeTable(client, id);
      return shown(await find<Row>(client, id, SHOWN));
    });
  }

  /** @throws Problem `not-found` */
  async get(id: string): Promise<Import> {
    return shown(await find<Row>(this.#pool, id, SHOWN));
  }

  /** The newest before the given one. */
  async list(limit: number, before: string | null): Promise<Import[]> {
    const { rows } = await this.#pool.query<Row>(
      `SELECT ${SHOWN} FROM imports WHERE $2::uuid IS NULL OR id < $2 ORDER BY id DESC LIMIT $1`,
      [limit, before === null ? null : toUuid('imp', before)],
    );
    return withIds(rows, { id: 'imp' }).map(shown);
  }

  /**
   * Receives a file, or the rest of one, and asks for its rows to be counted.
   * @param offset where in the file the chunks begin
   * @param resumed who goes on with an import, maybe of somebody else; null if it was begun just now
   * @throws Problem `not-found`, `import-not-resumable`, `file-refused`; what the chunks throw leaves the import to be resumed
   */
  async receive(
    id: string,
    offset: number,
    chunks: AsyncIterable<Buffer>,
    resumed: AdminAct | null = null,
  ): Promise<Import> {
    const found = await find<Receiving>(this.#pool, id, `${SHOWN}, received_lines AS lines, columns`);
    if (found.state !== 'receiving' || found.receivedBytes !== offset)
      throw notResumable(
        found.state === 'receiving'
          ? `It has ${found.receivedBytes} bytes: send what follows.`
          : `It is ${found.state}.`,
      );
    const { leaderboard: board, season, dryRun, begunAt, lines, columns } = found;
    if (resumed !== null)
      await audit(this.#pool, resumed, 'import-scores', board, { importId: id, season, dryRun, offset });
    const reader = new FileReader({ board, until: begunAt, from: { bytes: offset, lines, columns } });
    let received: Pick<Row, 'receivedBytes' | 'rows' | 'faults'> = found;
    try {
      for await (const batch of reader.read(chunks)) {
        const { rows, faulty } = batch;
        await this.#keep(id, instant(begunAt), batch, received);
        received = {
          receivedBytes: batch.bytes,
          rows: received.rows + rows.length + faulty,
          faults: [...received.faults, ...batch.faults].slice(0, MAX_FAULTS),
        };
        if (received.rows > MAX_ROWS)
          throw new Problem(
            'file-refused',
            `The file has more than ${MAX_ROWS} rows. Divide it: rows that were counted do not count twice.`,
          );
      }
    } catch (error) {
      if (error instanceof Problem && error.code === 'file-refused') await this.#refuse(id, error.code);
      throw error;
    }
    // As it is before anybody counts.
    const complete = await transact(this.#pool, async (client) => {
      const { rows } = await client.query<Row>(BEGIN_COUNTING, [toUuid('imp', id)]);
      if (rows.length > 0) await addJob(client, COUNT_ROWS, { id });
      return rows[0];
    });
    return complete === undefined ? this.get(id) : shown({ ...complete, id });
  }

  #keep(
    id: string,
    begunAt: string,
    batch: Batch,
    before: Pick<Row, 'receivedBytes' | 'faults'>,
  ): Promise<void> {
    const { rows, faulty, faults, bytes, lines, columns } = batch;
    return transact(this.#pool, async (client) => {
      const { rowCount } = await client.query(RECEIVED, [
        toUuid('imp', id),
        before.receivedBytes,
        bytes,
        lines,
        columns,
        rows.length + faulty,
        rows.length,
        faulty,
        JSON.stringify([...before.faults, ...faults].slice(0, MAX_FAULTS)),
      ]);
      if (rowCount === 0) throw notResumable('Somebody else sends its file.');
      if (rows.length > 0) await copyRows(client, id, rows, begunAt);
    });
  }

  #refuse(id: string, code: string): Promise<void> {
    return transact(this.#pool, async (client) => {
      if ((await client.query(FAIL, [toUuid('imp', id), code])).rowCount === 1) await dropTable(client, id);
    });
  }
}

async function openSeason(client: Queryable, board: string, wanted: number | undefined): Promise<number> {
  const { rows } = await client.query<{
    season: number | null;
    isFrozen: boolean;
    isOver: boolean;
    isAhead: boolean;
  }>(SEASON, [board, wanted ?? null]);
  const [found] = rows;
  if (found === undefined) throw new Problem('not-found', `There is no leaderboard "${board}".`);
  if (found.season === null || found.isAhead)
    throw new Problem('season-not-found', `"${board}" has no such season, or it has not begun.`);
  if (found.isFrozen) throw new Problem('board-frozen', `"${board}" is frozen. Unfreeze it first.`);
  if (found.isOver)
    throw new Problem('season-ended', `Season ${found.season} of "${board}" is over: it takes no scores.`);
  return found.season;
}

async function find<R extends Row>(client: Queryable, id: string, columns: string): Promise<R> {
  const { rows } = await client.query<R>(`SELECT ${columns} FROM imports WHERE id = $1`, [toUuid('imp', id)]);
  const [found] = rows;
  if (found === undefined) throw new Problem('not-found', `There is no import "${id}".`);
  return { ...found, id };
}

const shown = ({ begunAt, endedAt, ...row }: Row): Import => ({
  ...row,
  begunAt: instant(begunAt),
  endedAt: endedAt === null ? null : instant(endedAt),
});

const notResumable = (detail: string) => new Problem('import-not-resumable', detail);

const ABANDONED = `
SELECT id FROM imports WHERE state = 'receiving' AND changed_at < now() - interval '1 day' ORDER BY changed_at LIMIT 1 FOR UPDATE SKIP LOCKED`;

/** Gives up an import whose file has not come for a day. @returns whether there may be more */
export async function giveUpImports(client: Queryable): Promise<boolean> {
  const { rows } = await client.query<{ id: string }>(ABANDONED);
  const [abandoned] = withIds(rows, { id: 'imp' });
  if (abandoned === undefined) return false;
  await client.query(FAIL, [toUuid('imp', abandoned.id), 'import-not-resumable']);
  await dropTable(client, abandoned.id);
  return true;
}
