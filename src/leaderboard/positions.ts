import type pg from 'pg';
import type { Entry as EntryBody, Leaderboard } from '../../schemas/leaderboard.js';
import type { Histogram, UserEntry } from '../../schemas/position.js';
import type { Unit } from '../../schemas/unit.js';
import { type BoardKey, boardKey } from '../board-key.js';
import { instant } from '../clock.js';
import { invalid } from '../errors.js';
import { finiteRfc3339, milliseconds } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { toUuid } from '../stored-ids.js';
import type { BoardState } from './board-state.js';
import type { Entry, Sort } from './entry.js';
import { binsOf, boundsOf, entriesIn } from './histogram.js';
import type { Leaderboards } from './leaderboards.js';
import { rankAt } from './percentile.js';
import type { Mark } from './projection.js';
import type { ReadableBoard } from './seasons.js';

/** What a page is to show: it begins at a rank, lies around a score, or goes on from an entry, between two scores or not. */
export interface PageQuery {
  readonly limit: number;
  readonly rank?: number;
  readonly score?: number;
  readonly minScore?: number;
  readonly maxScore?: number;
  /** With `back` the page lies before the entry. */
  readonly from?: Entry & { readonly back?: boolean };
}

/** A page, and whether there are pages before and after it. */
export interface PositionedPage {
  readonly state: BoardState;
  readonly hasPrevious: boolean;
  readonly hasNext: boolean;
}

/** Current entries of a user; the condition on the version is that of the index. $1 a user, $2 behind which leaderboard, $3 how many. */
const OF_USER = `
SELECT l.id AS leaderboard, l.title, l.unit, l.season, l.sort, ${finiteRfc3339('l.season_ends_at')} AS "seasonEndsAt", s.score,
       ${milliseconds('s.achieved_at')} AS "achievedAt"
FROM scores s JOIN leaderboards l ON l.id = s.leaderboard_id AND l.season = s.season AND l.removed_at IS NULL AND NOT l.hidden
WHERE s.user_id = $1 AND s.version > 0 AND s.score IS NOT NULL AND l.id > $2
ORDER BY l.id LIMIT $3`;

/** An entry of a user, and what the scores of its board are. */
export interface EntryOfUser extends UserEntry {
  readonly unit: Unit | null;
}

interface PositionsOptions {
  readonly leaderboards: Leaderboards;
  readonly catalog: { sortOf(board: BoardKey): Promise<Sort> };
  readonly database: pg.Pool;
}

/** Reads of boards by rank and score, and of the boards of one user. */
export class Positions {
  readonly #options: PositionsOptions;

  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  /** @throws Problem `validation-failed` if the query contradicts itself */
  async page(board: ReadableBoard, query: PageQuery): Promise<PositionedPage> {
    check(query);
    const { limit, rank, score, from } = query;
    const { leaderboards } = this.#options;
    if (rank !== undefined) return whole(await leaderboards.slice(board, rank - 1, limit));
    if (score !== undefined) {
      const better = Math.floor(limit / 2);
      return whole(await leaderboards.near(board, { above: score }, better, limit - better));
    }
    const { isIn, best } = rangeOf(await this.#sortOf(board), query);
    if (from?.back) {
      // One more shows whether there is another page.
      const found = await leaderboards.near(board, { before: from }, limit + 1, 0);
      const inRange = found.items.filter(isIn);
      const state = { ...found, items: inRange.slice(-limit) };
      return { state, hasPrevious: inRange.length > limit, hasNext: whole(state).hasNext };
    }
    const start: Mark = from === undefined ? { above: best } : { after: from };
    const found = await leaderboards.near(board, start, 0, limit + 1);
    const inRange = found.items.filter(isIn);
    const state = { ...found, items: inRange.slice(0, limit) };
    const hasPrevious = from !== undefined && whole(state).hasPrevious;
    return { state, hasPrevious, hasNext: inRange.length > limit };
  }

  /** The ranks of a user that would reach a score now, and the entries of the board. */
  async rankOf(
    board: ReadableBoard,
    score: number,
  ): Promise<{ rank: number; sharedRank: number; total: number }> {
    const better = score + ((await this.#sortOf(board)) === 'desc' ? 1 : -1);
    // There is no better score than the last integer.
    const scores = Number.isSafeInteger(better) ? [score, better] : [score];
    const { total, counts } = await this.#options.leaderboards.countThrough(board, scores);
    const [through = 0, above = 0] = counts;
    return { rank: through + 1, sharedRank: above + 1, total };
  }

  /** The entry at a rank, else the last of those at a percentile or above it, and the entries of the board. Null if there is none. */
  async entryAt(
    board: ReadableBoard,
    { rank, percentile = 0 }: { readonly rank?: number; readonly percentile?: number },
  ): Promise<{ entry: EntryBody; total: number } | null> {
    const { leaderboards } = this.#options;
    if (rank !== undefined) return only(await leaderboards.slice(board, rank - 1, 1));
    const counted = await leaderboards.countThrough(board, []);
    const found = await leaderboards.slice(board, rankAt(percentile, counted.total) - 1, 1);
    // Users may have joined in between.
    if (found.total === counted.total) return only(found);
    return only(await leaderboards.slice(board, rankAt(percentile, found.total) - 1, 1));
  }

  /** How many entries have which scores, in at most so many bins. */
  async histogram(board: ReadableBoard, most: number): Promise<Pick<Histogram, 'total' | 'bins'>> {
    const { leaderboards } = this.#options;
    const sort = await this.#sortOf(board);
    const [top, bottom] = await Promise.all([
      leaderboards.slice(board, 0, 1),
      leaderboards.near(board, { below: WORST[sort] }, 1, 0),
    ]);
    const [first] = top.items;
    const [last] = bottom.items;
    if (first === undefined || last === undefined) return { total: 0, bins: [] };
    const bins = binsOf(Math.min(first.score, last.score), Math.max(first.score, last.score), most);
    const counted = await leaderboards.countThrough(board, boundsOf(sort, bins));
    const entries = entriesIn(sort, counted);
    return { total: counted.total, bins: bins.map((bin, i) => ({ ...bin, entries: entries[i] ?? 0 })) };
  }

  /** The entries of a user in current seasons, by leaderboard, behind the given one. Without hidden leaderboards. */
  async ofUser(userId: string, limit: number, after: string | null): Promise<EntryOfUser[]> {
    const { database, leaderboards } = this.#options;
    type Row = Pick<Leaderboard, 'title' | 'season' | 'sort' | 'seasonEndsAt'> &
      Pick<Entry, 'score' | 'achievedAt'> & { leaderboard: string; unit: Unit | null };
    const { rows } = await inTurn(database, userId, () =>
      database.query<Row>(OF_USER, [toUuid('usr', userId), after ?? '', limit]),
    );
    const standings = await leaderboards.standings(
      rows.map(({ leaderboard, season, sort, score, achievedAt }) => ({
        board: boardKey(leaderboard, season),
        sort,
        userId,
        score,
        achievedAt,
      })),
    );
    return rows.flatMap(({ leaderboard, title, unit, season, seasonEndsAt }, i) => {
      const standing = standings[i];
      if (!standing) return [];
      const { rank, sharedRank, total, score, achievedAt } = standing;
      return {
        leaderboard,
        title,
        unit,
        season,
        seasonEndsAt,
        rank,
        sharedRank,
        total,
        score,
        achievedAt: instant(achievedAt),
      };
    });
  }

  #sortOf(board: ReadableBoard): Promise<Sort> | Sort {
    return 'sort' in board ? board.sort : this.#options.catalog.sortOf(board);
  }
}

/** The score behind all others. */
const WORST = { desc: Number.MIN_SAFE_INTEGER, asc: Number.MAX_SAFE_INTEGER };

/** What a page may ask for at once. */
function check({ rank, score, minScore, maxScore, from }: PageQuery): void {
  const places = { rank, score, cursor: from };
  const [name, other] = Object.entries(places).flatMap(([name, place]) => (place === undefined ? [] : name));
  if (other !== undefined) throw invalid(`/${other}`, `must not come with ${name}`);
  const isRanged = minScore !== undefined || maxScore !== undefined;
  if (isRanged && (rank ?? score) !== undefined)
    throw invalid(`/${name}`, 'must not come with minScore or maxScore');
  if (minScore !== undefined && maxScore !== undefined && minScore > maxScore)
    throw invalid('/maxScore', 'must not be below minScore');
}

/** Which entries are between two scores, and the best score of these. */
function rangeOf(
  sort: Sort,
  { minScore = Number.MIN_SAFE_INTEGER, maxScore = Number.MAX_SAFE_INTEGER }: PageQuery,
): { best: number; isIn: (entry: EntryBody) => boolean } {
  return {
    best: sort === 'desc' ? maxScore : minScore,
    isIn: ({ score }) => minScore <= score && score <= maxScore,
  };
}

/** A page of the whole board, whose ranks say what is around it. */
function whole(state: BoardState): PositionedPage {
  const { items, total } = state;
  const [first] = items;
  return {
    state,
    hasPrevious: first !== undefined && first.rank > 1,
    hasNext: (items.at(-1)?.rank ?? total) < total,
  };
}

const only = ({ items: [entry], total }: BoardState): { entry: EntryBody; total: number } | null =>
  entry === undefined ? null : { entry, total };
