import { Readable } from 'node:stream';
import type pg from 'pg';
import type { AuditEntry } from '../../schemas/moderation.js';
import { audit } from '../audit.js';
import { now } from '../clock.js';
import { countDown } from '../deadline.js';
import { invalid, Problem } from '../errors.js';
import { CLOCK_SLACK_MS } from '../ids.js';
import { pages } from '../postgres/cursor.js';
import { firstKey } from '../postgres/partitions.js';
import { rfc3339 } from '../postgres/sql.js';
import { toUuid } from '../stored-ids.js';
import {
  ENTRIES_HEAD,
  type EntryRow,
  EVENTS,
  EVENTS_HEAD,
  type EventRow,
  entriesSql,
  entryLine,
  eventLine,
  type Format,
} from './lines.js';
import { playerParts } from './player.js';

/** Exports of this process at a time: each holds a connection and a snapshot, which keeps vacuum from what has died since. */
const AT_A_TIME = 2;
/** How long one may take, and how long its client may read nothing, in milliseconds. */
const LONGEST_MS = { administrators: 600_000, players: 60_000 };
const STALLED_MS = 20_000;

/** What is sent, and of which moment all of it is. */
export interface Export {
  readonly at: string;
  readonly stream: Readable;
}

/** $1 a leaderboard, $2 a season or null. */
const SEASON = `
SELECT s.season, s.state = 'final' AS "isFinal", s.season <= l.removed_through AS "isPurged"
FROM leaderboards l LEFT JOIN seasons s ON s.leaderboard_id = l.id AND s.season = coalesce($2, l.season) AND s.starts_at <= now()
WHERE l.id = $1 AND l.removed_at IS NULL`;

interface SeasonRow {
  readonly season: number | null;
  readonly isFinal: boolean;
  readonly isPurged: boolean;
}
interface EntriesWanted {
  readonly board: string;
  readonly season?: number | undefined;
  readonly format: Format;
  readonly after: number;
}
interface EventsWanted {
  readonly from: string;
  readonly to?: string | undefined;
  readonly board?: string | undefined;
  readonly format: Format;
  readonly after?: string | undefined;
}
/** By then a score is recorded: what is older changes no more, but for what administrators decide. */
const SETTLED_AFTER_MS = 10_000;

const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '30s'`;
/** The first query takes the snapshot. */
const MOMENT = `SELECT ${rfc3339('clock_timestamp()')} AS at`;

/**
 * Exports, each of one snapshot of the database. A page of rows is in memory at a time: the next one is read when the client has taken
 * the last. One that does not read is cut off, so that no snapshot is held for long; a chunked answer that was cut off shows that it was.
 */
export class Exports {
  readonly #pool: pg.Pool;
  readonly #stalledMs: number;
  /** Those of players are counted apart, so that they leave room for administrators. */
  readonly #running = { administrators: 0, players: 0 };

  constructor(pool: pg.Pool, stalledMs = STALLED_MS) {
    this.#pool = pool;
    this.#stalledMs = stalledMs;
  }

  /**
   * The entries of a season, by default the current one, behind a rank.
   * @throws Problem `not-found`, `season-not-found`, `season-purged`, `validation-failed`, `rate-limited`
   */
  async entries(
    { board: leaderboard, season: wanted, format, after }: EntriesWanted,
    actor: string,
  ): Promise<Export> {
    const { rows } = await this.#pool.query<SeasonRow>(SEASON, [leaderboard, wanted ?? null]);
    const [found] = rows;
    if (found === undefined) throw new Problem('not-found', `There is no leaderboard "${leaderboard}".`);
    const { season, isFinal, isPurged } = found;
    if (season === null)
      throw new Problem('season-not-found', `"${leaderboard}" has no such season, or it has not begun.`);
    if (isPurged)
      throw new Problem('season-purged', `The entries of season ${season} of "${leaderboard}" are deleted.`);
    if (after > 0 && !isFinal)
      throw invalid('/after', 'needs a season that is final: the entries of others change');
    const details = { season, format, after };
    return this.#begin(this.#act(actor, 'export-entries', leaderboard, details), (client) =>
      this.#lines<EntryRow>(
        client,
        format === 'csv' && after === 0 ? ENTRIES_HEAD : '',
        entriesSql,
        [leaderboard, season, after],
        (row) => entryLine(row, format),
      ),
    );
  }

  /** Events that were accepted in a span of time, in the order of their ids, behind one of them. */
  async events({ from, to, board, format, after }: EventsWanted, actor: string): Promise<Export> {
    const [since, until] = [Date.parse(from), to === undefined ? now() - SETTLED_AFTER_MS : Date.parse(to)];
    const values = [
      since,
      until,
      firstKey('evt', since - CLOCK_SLACK_MS),
      firstKey('evt', until + CLOCK_SLACK_MS),
      after === undefined ? firstKey('evt', 0) : toUuid('evt', after),
      board ?? null,
    ];
    const details = { from, to, board, format, after };
    const head = format === 'csv' && after === undefined ? EVENTS_HEAD : '';
    return this.#begin(this.#act(actor, 'export-events', 'events', details), (client) =>
      this.#lines<EventRow>(client, head, EVENTS, values, (row) => eventLine(row, format)),
    );
  }

  /**
   * Everything about a player, as one JSON document.
   * @param admin who asks for it, unless it is the player
   * @throws Problem `not-found`, `rate-limited`
   */
  async player(id: string, admin: string | null): Promise<Export> {
    return this.#begin(
      admin === null ? async () => {} : this.#act(admin, 'export-user', id),
      (client, at) => playerParts(client, id, at, admin !== null),
      admin === null ? 'players' : 'administrators',
    );
  }

  async *#lines<Row extends object>(
    client: pg.ClientBase,
    head: string,
    sql: string,
    values: readonly unknown[],
    lineOf: (row: Row) => string,
  ): AsyncGenerator<string> {
    if (head !== '') yield head;
    for await (const page of pages<Row>(client, 'exported', sql, [...values]))
      yield page.map(lineOf).join('');
  }

  /** Puts it down that an export was begun. */
  #act(
    actor: string,
    action: AuditEntry['action'],
    target: string,
    details?: object,
  ): () => Promise<unknown> {
    return () => audit(this.#pool, { actor, reason: null }, action, target, details);
  }

  /** @param onBegun called when it is certain that it is not refused */
  async #begin(
    onBegun: () => Promise<unknown>,
    parts: (client: pg.ClientBase, at: string) => AsyncGenerator<string>,
    of: keyof typeof LONGEST_MS = 'administrators',
  ): Promise<Export> {
    if (this.#running[of] >= AT_A_TIME)
      throw new Problem('rate-limited', `${AT_A_TIME} exports are under way. Try again in 10 s.`, {
        retryAfter: 10,
      });
    this.#running[of]++;
    let client: pg.PoolClient | undefined;
    const end = (isWhole: boolean) => {
      this.#running[of]--;
      // A connection that is closed ends its snapshot.
      client?.release(!isWhole);
    };
    try {
      client = await this.#pool.connect();
      await client.query(BEGIN);
      const { rows } = await client.query<{ at: string }>(MOMENT);
      const at = rows[0]?.at ?? '';
      const items = parts(client, at);
      // What fails before the first part is told as a problem.
      const first = await items.next();
      await onBegun();
      return { at, stream: this.#stream(client, first, items, LONGEST_MS[of], end) };
    } catch (error) {
      end(false);
      throw error;
    }
  }

  #stream(
    client: pg.ClientBase,
    first: IteratorResult<string, void>,
    rest: AsyncGenerator<string>,
    longestMs: number,
    end: (isWhole: boolean) => void,
  ): Readable {
    const stalledMs = this.#stalledMs;
    let isWhole = false;
    let hasEnded = false;
    const endOnce = () => {
      if (!hasEnded) end(isWhole);
      hasEnded = true;
    };
    async function* watched(): AsyncGenerator<string> {
      const inTime = countDown(longestMs, () => stream.destroy(new Error('An export has taken too long')));
      try {
        for (let next = first; next.done !== true; next = await rest.next()) {
          const isRead = countDown(stalledMs, () =>
            stream.destroy(new Error('The client of an export does not read')),
          );
          try {
            yield next.value;
          } finally {
            isRead();
          }
        }
        await client.query('COMMIT');
        isWhole = true;
      } finally {
        inTime();
        endOnce();
      }
    }
    const stream = Readable.from(watched(), { objectMode: false });
    stream.once('close', endOnce);
    // The route that sends it reports that it was cut off.
    stream.on('error', () => {});
    // Begins now: what nobody reads at all is cut off as well.
    stream.read(0);
    return stream;
  }
}
