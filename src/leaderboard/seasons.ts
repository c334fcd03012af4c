import type { Entry as EntryBody, Leaderboard } from '../../schemas/leaderboard.js';
import type { FinalPlace, Season } from '../../schemas/season.js';
import type { Unit } from '../../schemas/unit.js';
import { type BoardKey, boardKey } from '../board-key.js';
import { Problem } from '../errors.js';
import type { Queryable } from '../postgres/database.js';
import { finiteRfc3339, milliseconds, rfc3339 } from '../postgres/sql.js';
import { toUuid, withIds } from '../stored-ids.js';
import { ENTRY_ORDER, type Entry, type RankedEntry, rankedFrom, type Sort } from './entry.js';
import { rankOf, sharedRankOf } from './postgres-boards.js';
import type { BoardReader } from './projection.js';

/** A season that is over: how it sorts, and what is known of its final standings, or null until they are final. */
export interface PastSeason extends BoardKey {
  readonly sort: Sort;
  readonly unit: Unit | null;
  /** As the API writes a time. */
  readonly endsAt: string | null;
  readonly final: { readonly digest: string; readonly revision: number } | null;
}

/** The season of a leaderboard that is in force. Times are as the API writes them; null is an open start or end. */
export interface LiveSeason {
  readonly season: number;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly label: string | null;
  readonly unit: Unit | null;
}

/** The first places of a season that is final. */
export interface FinalStandings {
  readonly digest: string;
  readonly items: readonly EntryBody[];
}

/** A board as it was at a time. */
export interface BoardAsOf extends BoardKey {
  readonly sort: Sort;
  /** As the API writes a time. */
  readonly asOf: string;
  readonly unit: Unit | null;
  readonly endsAt: string | null;
  readonly reader: BoardReader;
  /** By user: how many of the events that counted then were voided since. */
  readonly voided: ReadonlyMap<string, number>;
}

/** What a season says, and what its scores are. */
export type OfUnit<T> = T & { readonly unit: Unit | null };

/** A board to be read: of the current season, of one that is over, or as it was. */
export type ReadableBoard = BoardKey | PastSeason | BoardAsOf;

const WINNERS = 3;

/** What a season says of its span: null where it is open. */
const span = (season: string): string => `
${season}.label, ${finiteRfc3339(`${season}.starts_at`)} AS "startsAt",
${finiteRfc3339(`${season}.ends_at`)} AS "endsAt"`;
/** Only of a final season is it certain that the entries do not change. */
const IS_FINAL = `s.state = 'final'`;

const ONE = `
SELECT $2::int <= l.removed_through AS "isPurged", coalesce(s.rules->>'sort', l.sort) AS sort,
       s.rules->'unit' AS unit, ${finiteRfc3339('s.ends_at')} AS "endsAt",
       CASE WHEN ${IS_FINAL} THEN json_build_object('digest', s.digest, 'revision', s.revision) END AS final
FROM leaderboards l LEFT JOIN seasons s ON s.leaderboard_id = l.id AND s.season = $2
WHERE l.id = $1`;

/** $1 a leaderboard, $2 its current season, $3 before which one, $4 how many. */
const PAGE = `
SELECT s.season, ${span('s')}, s.rules->'unit' AS unit, CASE WHEN s.state = 'open' AND s.ends_at <= now() THEN 'closing' ELSE s.state END AS state,
       CASE WHEN ${IS_FINAL} THEN s.entries END AS entries, s.revision, CASE WHEN ${IS_FINAL} THEN s.digest END AS digest,
       (SELECT coalesce(json_agg(json_build_object('userId', e.user_id, 'score', e.score, 'achievedAt', ${milliseconds('e.achieved_at')})
                                 ORDER BY e.sort_key, e.achieved_at, e.user_id), '[]')
        FROM (SELECT * FROM scores WHERE leaderboard_id = s.leaderboard_id AND season = s.season AND score IS NOT NULL
              ORDER BY ${ENTRY_ORDER} LIMIT ${WINNERS}) e) AS top
FROM seasons s JOIN leaderboards l ON l.id = s.leaderboard_id
WHERE s.leaderboard_id = $1 AND s.season <= $2 AND s.season < $3 AND s.season > l.removed_through
ORDER BY s.season DESC LIMIT $4`;

/** Final seasons in which a user has an entry; the condition on the version is that of the index. $1 a user, $2 to $4 behind which season, $5 how many. */
const OF_USER = `
WITH place AS MATERIALIZED (
  SELECT s.leaderboard_id, s.season, s.label, s.starts_at, s.ends_at, s.entries, s.rules->'unit' AS unit, f.user_id, f.score, f.sort_key, f.achieved_at
  FROM scores f
  JOIN seasons s ON s.leaderboard_id = f.leaderboard_id AND s.season = f.season AND ${IS_FINAL}
  JOIN leaderboards l ON l.id = s.leaderboard_id AND s.season > l.removed_through
  WHERE f.user_id = $1 AND f.version > 0 AND f.score IS NOT NULL
    AND (s.ends_at, s.leaderboard_id, s.season) < ($2::timestamptz, $3::text, $4::int)
  ORDER BY s.ends_at DESC, s.leaderboard_id DESC, s.season DESC LIMIT $5
)
SELECT p.leaderboard_id AS leaderboard, p.season, ${span('p')}, p.unit, p.entries, p.score, ${rfc3339('p.achieved_at')} AS "achievedAt",
       ${rankOf('p', 'p.leaderboard_id', 'p.season')} AS rank,
       ${sharedRankOf('p', 'p.leaderboard_id', 'p.season')} AS "sharedRank"
FROM place p ORDER BY p.ends_at DESC, p.leaderboard_id DESC, p.season DESC`;

/** The season that is in force by the clock, whether or not the leaderboard's page is turned. $1 a leaderboard. */
const LIVE = `
SELECT l.season, ${span('s')}, s.rules->'unit' AS unit
FROM (SELECT id, season + (next_starts_at <= clock_timestamp())::int AS season FROM leaderboards
      WHERE id = $1 AND removed_at IS NULL) l
LEFT JOIN seasons s ON s.leaderboard_id = l.id AND s.season = l.season`;

interface SeasonsOptions {
  readonly catalog: {
    /** @throws Problem `not-found` */
    leaderboard(id: string): Promise<Pick<Leaderboard, 'id' | 'season'>>;
  };
  readonly leaderboards: {
    totals(boards: readonly BoardKey[]): Promise<number[]>;
    page(
      board: ReadableBoard,
      limit: number,
    ): Promise<{ readonly board: ReadableBoard; readonly items: EntryBody[] }>;
    withNames(entries: readonly RankedEntry[]): Promise<EntryBody[]>;
  };
  readonly database: Queryable;
}

/** The seasons of leaderboards, those that are over above all. */
export class Seasons {
  readonly #options: SeasonsOptions;

  constructor(options: SeasonsOptions) {
    this.#options = options;
  }

  /**
   * The board of a season, by default of the current one.
   * @throws Problem `not-found` if there is no such leaderboard, `season-not-found`, `season-purged`
   */
  async board(leaderboard: string, season?: number): Promise<ReadableBoard> {
    const { id, season: current } = await this.#options.catalog.leaderboard(leaderboard);
    if (season === undefined) return boardKey(id, current);
    const key = boardKey(id, season);
    const { rows } = await this.#options.database.query<
      { isPurged: boolean } & Pick<PastSeason, 'sort' | 'unit' | 'endsAt' | 'final'>
    >(ONE, [id, key.season]);
    const [found] = rows;
    if (key.season > current || found === undefined)
      throw new Problem('season-not-found', `The leaderboard "${id}" has no season ${key.season} yet.`);
    const { isPurged, sort, unit, endsAt, final } = found;
    if (isPurged) throw seasonPurged(key);
    // The current one may be final: the next one has not begun yet.
    return key.season === current && final === null ? key : { ...key, sort, unit, endsAt, final };
  }

  /** What streams read of seasons: see BoardSource. */
  readonly live = {
    season: async (leaderboard: string): Promise<LiveSeason> => {
      const { rows } = await this.#options.database.query<LiveSeason>(LIVE, [leaderboard]);
      const [season] = rows;
      if (season === undefined) throw new Problem('not-found', `There is no leaderboard "${leaderboard}".`);
      return season;
    },
    final: async ({ leaderboard, season }: BoardKey, limit: number): Promise<FinalStandings | null> => {
      const found = await this.board(leaderboard, season);
      if (!('final' in found) || found.final === null) return null;
      const { board, items } = await this.#options.leaderboards.page(found, limit);
      return 'final' in board && board.final !== null ? { digest: board.final.digest, items } : null;
    },
  };

  /** The seasons of a leaderboard that have begun, newest first, before the given one. @throws Problem `not-found` */
  async page(leaderboard: string, limit: number, before: string | null): Promise<OfUnit<Season>[]> {
    const { catalog, leaderboards, database } = this.#options;
    const { id, season: current } = await catalog.leaderboard(leaderboard);
    type Row = Omit<OfUnit<Season>, 'entries' | 'top'> & {
      entries: number | null;
      top: Entry[];
    };
    const values = [id, current, before ?? current + 1, limit];
    const { rows } = await database.query<Row>(PAGE, values);
    const changing = rows.filter(({ entries }) => entries === null);
    const totals = await leaderboards.totals(changing.map(({ season }) => boardKey(id, season)));
    const totalOf = new Map(changing.map(({ season }, i) => [season, totals[i] ?? 0]));
    const winners = rows.flatMap(({ top }) => rankedFrom(1, 1, withIds(top, { userId: 'usr' })));
    const shown = (await leaderboards.withNames(winners)).values();
    return rows.map((row) => ({
      ...row,
      entries: row.entries ?? totalOf.get(row.season) ?? 0,
      top: row.top.flatMap(() => shown.next().value ?? []),
    }));
  }

  /** The final places of a user, newest first. @param after the end of a season, its leaderboard and its number */
  async placesOf(userId: string, limit: number, after: string | null): Promise<OfUnit<FinalPlace>[]> {
    const [endedAt = 'infinity', leaderboard = '', season = '0'] = after?.split(' ') ?? [];
    const values = [toUuid('usr', userId), endedAt, leaderboard, season, limit];
    return (await this.#options.database.query<OfUnit<FinalPlace>>(OF_USER, values)).rows;
  }
}

export const seasonPurged = ({ leaderboard, season }: BoardKey): Problem =>
  new Problem('season-purged', `The entries of season ${season} of "${leaderboard}" are deleted.`);
