import { setTimeout as delay } from 'node:timers/promises';
import type { Entry } from '../../schemas/leaderboard.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Queryable } from '../database.js';
import { Problem } from '../errors.js';
import type { DisplayNames } from '../identity/display-names.js';
import type { BoardState, OwnStanding } from '../live/board-source.js';
import type {
  BoardKey,
  Leaderboard,
  LeaderboardReader,
  RankChange,
  RankedStanding,
  Standing,
  VersionedStanding,
} from './leaderboard.js';
import { PostgresLeaderboard } from './postgres-leaderboard.js';

const REBUILD_RETRY_MS = 1_000;
const UNKNOWN_RANKS: RankChange = { previousRank: null, rank: null };

/** A committed standing, and the board and season that it belongs to. */
export interface EntryChange extends VersionedStanding {
  readonly leaderboardId: string;
  readonly season: number;
}

export interface EntryView {
  readonly entry: Entry;
  readonly total: number;
  /** The score of the entry just above, or null for the first. */
  readonly scoreAbove: number | null;
}

interface LeaderboardsOptions {
  readonly catalog: Catalog;
  readonly names: DisplayNames;
  readonly database: Queryable;
  /** Makes the projection of one board, empty and not ready. */
  readonly project: (key: BoardKey) => Leaderboard;
  readonly onError: (error: unknown) => void;
}

/** All leaderboards of the catalog: their projections, and reads that fall back on PostgreSQL while one is not ready. */
export class Leaderboards {
  readonly #options: LeaderboardsOptions;
  readonly #listeners: ((leaderboardId: string) => void)[] = [];
  readonly #closed = new AbortController();
  #boards = new Map<string, Leaderboard>();

  constructor(options: LeaderboardsOptions) {
    this.#options = options;
  }

  /** Called with the id of a board when something that its readers see may have changed. */
  onChange(listener: (leaderboardId: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Follows the catalog: a board that is new, or sorts otherwise, or is in a new season, gets a projection of its own. */
  follow(): void {
    const boards = new Map<string, Leaderboard>();
    for (const { id, season, sort } of this.#options.catalog.leaderboards) {
      const known = this.#boards.get(id);
      const same = known !== undefined && known.key.season === season && known.key.sort === sort;
      const board = same ? known : this.#options.project({ id, season, sort });
      boards.set(id, board);
      if (!same) void this.#rebuild(board);
    }
    this.#boards = boards;
  }

  /** Reads every board again: changes may have been missed. */
  rebuild(): void {
    for (const board of this.#boards.values()) void this.#rebuild(board);
  }

  close(): void {
    this.#closed.abort();
  }

  /** Takes over what the ledger has committed, in order. The answer has one element a change. */
  async apply(changes: readonly EntryChange[]): Promise<RankChange[]> {
    const ranks: RankChange[] = changes.map(() => UNKNOWN_RANKS);
    for (const board of this.#boards.values()) {
      const { id, season } = board.key;
      const indexes = [...changes.keys()].filter(
        (i) => changes[i]?.leaderboardId === id && changes[i]?.season === season,
      );
      if (indexes.length === 0) continue;
      const applied = await board.apply(indexes.flatMap((i) => changes[i] ?? []));
      for (const [n, i] of indexes.entries()) ranks[i] = applied[n] ?? UNKNOWN_RANKS;
      this.#announce(id);
    }
    return ranks;
  }

  async erase(userId: string): Promise<void> {
    this.#options.names.forget(userId);
    for (const board of this.#boards.values()) {
      await board.erase(userId);
      this.#announce(board.key.id);
    }
  }

  /** The user's display name has changed: what readers see is new, though no score is. */
  rename(userId: string): void {
    this.#options.names.forget(userId);
    for (const board of this.#boards.values()) {
      board.touch();
      this.#announce(board.key.id);
    }
  }

  /** @throws Problem `not-found` if there is no such board; so do all reads below */
  async page(leaderboardId: string, limit: number, after?: Standing): Promise<BoardState> {
    const { view, reader } = this.#open(leaderboardId);
    const { total, standings } = await reader.page(limit, after);
    return { ...view, total, items: await this.#entries(standings) };
  }

  async total(leaderboardId: string): Promise<number> {
    return (await this.#open(leaderboardId).reader.page(1)).total;
  }

  /** One user's entry, or null if it has none. */
  async entry(leaderboardId: string, userId: string): Promise<EntryView | null> {
    const placement = await this.#open(leaderboardId).reader.placement(userId);
    if (placement === null) return null;
    const { total, standing, above } = placement;
    const [entry] = await this.#entries([standing]);
    return entry === undefined ? null : { entry, total, scoreAbove: above?.score ?? null };
  }

  async around(leaderboardId: string, userId: string, radius: number): Promise<BoardState | null> {
    const { view, reader } = this.#open(leaderboardId);
    const page = await reader.around(userId, radius);
    return page && { ...view, total: page.total, items: await this.#entries(page.standings) };
  }

  async many(leaderboardId: string, userIds: readonly string[]): Promise<BoardState> {
    const { view, reader } = this.#open(leaderboardId);
    const { total, standings } = await reader.many(userIds);
    return { ...view, total, items: await this.#entries(standings) };
  }

  /** The board's top, for the live stream. */
  top(leaderboardId: string, limit: number): Promise<BoardState> {
    return this.page(leaderboardId, limit);
  }

  /** A user's own place, for the live stream: no display name is looked up. */
  async standing(leaderboardId: string, userId: string): Promise<OwnStanding> {
    const { reader } = this.#open(leaderboardId);
    const placement = await reader.placement(userId);
    if (placement === null) return { rank: null, score: null, total: await this.total(leaderboardId) };
    return { rank: placement.standing.rank, score: placement.standing.score, total: placement.total };
  }

  /** The version is taken before the read: what is read is at least as new as it says. */
  #open(leaderboardId: string): { view: Omit<BoardState, 'total' | 'items'>; reader: LeaderboardReader } {
    const board = this.#boards.get(leaderboardId);
    if (board === undefined) throw new Problem('not-found', `There is no leaderboard "${leaderboardId}".`);
    const { key, epoch, version } = board;
    return {
      view: { leaderboard: leaderboardId, season: key.season, epoch, version },
      reader: board.ready ? board : new PostgresLeaderboard(key, this.#options.database),
    };
  }

  async #entries(standings: readonly RankedStanding[]): Promise<Entry[]> {
    const names = await this.#options.names.of(standings.map(({ userId }) => userId));
    return standings.map(({ rank, userId, score, achievedAt }) => ({
      rank,
      userId,
      // Without a name the user was erased this very moment, and is about to leave the board.
      displayName: names.get(userId) ?? 'Erased player',
      score,
      achievedAt: new Date(achievedAt).toISOString(),
    }));
  }

  async #rebuild(board: Leaderboard): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await board.rebuild();
        return this.#announce(board.key.id);
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        this.#options.onError(error);
        await delay(REBUILD_RETRY_MS, undefined, { signal: this.#closed.signal }).catch(() => {});
      }
    }
  }

  #announce(leaderboardId: string): void {
    for (const listener of this.#listeners) listener(leaderboardId);
  }
}
