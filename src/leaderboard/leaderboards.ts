import type { Entry } from '../../schemas/leaderboard.js';
import type { DisplayNames } from '../access/display-names.js';
import type { Catalog } from '../catalog/catalog.js';
import { Problem } from '../errors.js';
import type { BoardState, OwnStanding } from '../live/board-source.js';
import type { Queryable } from '../postgres/database.js';
import { retry } from '../retry.js';
import {
  type BoardKey,
  type Leaderboard,
  type LeaderboardReader,
  NotReady,
  type Page,
  type RankChange,
  type RankedStanding,
  type Standing,
  type StandingChange,
} from './leaderboard.js';
import { PostgresLeaderboard } from './postgres-leaderboard.js';

const UNKNOWN_RANKS: RankChange = { previousRank: null, rank: null };

/** A committed change, and the board and season that it belongs to. */
export interface EntryChange extends StandingChange {
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
  /** Makes the projection of one board, not loaded yet. */
  readonly project: (key: BoardKey) => Leaderboard;
  readonly onError: (error: unknown) => void;
}

interface Board {
  readonly projection: Leaderboard;
  /** Asked while the projection is not ready. */
  readonly truth: LeaderboardReader;
}

/** All leaderboards of the catalog: their projections, and reads that fall back on PostgreSQL while one is not ready. */
export class Leaderboards {
  readonly #options: LeaderboardsOptions;
  readonly #listeners: ((leaderboardId: string) => void)[] = [];
  readonly #closed = new AbortController();
  #boards = new Map<string, Board>();
  /** Of pages, with their names: a projection gives the same page again as long as nothing has changed. */
  readonly #states = new WeakMap<Page, BoardState>();

  constructor(options: LeaderboardsOptions) {
    this.#options = options;
  }

  /** Called with the id of a board when something that its readers see may have changed. */
  onChange(listener: (leaderboardId: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Tells whoever listens that a board has changed. */
  announce(leaderboardId: string): void {
    for (const listener of this.#listeners) listener(leaderboardId);
  }

  /** Follows the catalog: a board that is new, or sorts otherwise, or is in a new season, gets a projection of its own. */
  follow(): void {
    const boards = new Map<string, Board>();
    for (const { id, season, sort } of this.#options.catalog.leaderboards) {
      const known = this.#boards.get(id);
      const key = known?.projection.key;
      if (known !== undefined && key?.season === season && key.sort === sort) boards.set(id, known);
      else boards.set(id, this.#open({ id, season, sort }));
    }
    this.#boards = boards;
  }

  /** Loads every board again: changes may have been missed. */
  reload(): void {
    for (const { projection } of this.#boards.values()) void this.#load(projection);
  }

  close(): void {
    this.#closed.abort();
  }

  /** Takes over what the ledger has committed, in order. The answer has one element a change. */
  async apply(changes: readonly EntryChange[]): Promise<RankChange[]> {
    const ranks: RankChange[] = changes.map(() => UNKNOWN_RANKS);
    await this.#each(async (projection) => {
      const { id, season } = projection.key;
      const indexes = [...changes.keys()].filter(
        (i) => changes[i]?.leaderboardId === id && changes[i]?.season === season,
      );
      if (indexes.length === 0) return;
      const applied = await projection
        .apply(indexes.flatMap((i) => changes[i] ?? []))
        .finally(() => this.announce(id));
      for (const [n, i] of indexes.entries()) ranks[i] = applied[n] ?? UNKNOWN_RANKS;
    });
    return ranks;
  }

  async erase(userId: string): Promise<void> {
    this.#options.names.forget(userId);
    await this.#each((projection) =>
      projection.erase(userId).finally(() => this.announce(projection.key.id)),
    );
  }

  /** The user's display name has changed: what readers see is new, though no score is. */
  async rename(userId: string, displayName: string): Promise<void> {
    this.#options.names.set(userId, displayName);
    await this.#each((projection) => projection.touch().finally(() => this.announce(projection.key.id)));
  }

  /** @throws Problem `not-found` if there is no such board; so do all reads below */
  async page(leaderboardId: string, limit: number, after?: Standing): Promise<BoardState> {
    return this.#state(leaderboardId, await this.#read(leaderboardId, (reader) => reader.page(limit, after)));
  }

  async total(leaderboardId: string): Promise<number> {
    return (await this.#read(leaderboardId, (reader) => reader.page(1))).total;
  }

  /** One user's entry, or null if it has none. */
  async entry(leaderboardId: string, userId: string): Promise<EntryView | null> {
    const placement = await this.#read(leaderboardId, (reader) => reader.placement(userId));
    if (placement === null) return null;
    const { total, standing, above } = placement;
    const [entry] = await this.#entries([standing]);
    return entry === undefined ? null : { entry, total, scoreAbove: above?.score ?? null };
  }

  async around(leaderboardId: string, userId: string, radius: number): Promise<BoardState | null> {
    const page = await this.#read(leaderboardId, (reader) => reader.around(userId, radius));
    return page && this.#state(leaderboardId, page);
  }

  async many(leaderboardId: string, userIds: readonly string[]): Promise<BoardState> {
    return this.#state(leaderboardId, await this.#read(leaderboardId, (reader) => reader.many(userIds)));
  }

  /** The board's top, for the live stream. */
  top(leaderboardId: string, limit: number): Promise<BoardState> {
    return this.page(leaderboardId, limit);
  }

  /** A user's own place, for the live stream: no display name is looked up. */
  async standing(leaderboardId: string, userId: string): Promise<OwnStanding> {
    const placement = await this.#read(leaderboardId, (reader) => reader.placement(userId));
    if (placement === null) return { rank: null, score: null, total: await this.total(leaderboardId) };
    return { rank: placement.standing.rank, score: placement.standing.score, total: placement.total };
  }

  /** The epoch of each board's projection, or null if PostgreSQL is read in its place. */
  async epochs(): Promise<{ id: string; epoch: string | null }[]> {
    return Promise.all(
      [...this.#boards].map(async ([id, { projection }]) => ({
        id,
        epoch: await projection.page(1).then(
          ({ epoch }) => epoch,
          () => null,
        ),
      })),
    );
  }

  #board(leaderboardId: string): Board {
    const board = this.#boards.get(leaderboardId);
    if (board === undefined) throw new Problem('not-found', `There is no leaderboard "${leaderboardId}".`);
    return board;
  }

  async #read<T>(leaderboardId: string, read: (reader: LeaderboardReader) => Promise<T>): Promise<T> {
    const { projection, truth } = this.#board(leaderboardId);
    try {
      return await read(projection);
    } catch (error) {
      if (!(error instanceof NotReady)) this.#options.onError(error);
      return await read(truth);
    }
  }

  async #state(leaderboardId: string, page: Page): Promise<BoardState> {
    const known = this.#states.get(page);
    if (known !== undefined) return known;
    const { epoch, version, total, standings } = page;
    const { season } = this.#board(leaderboardId).projection.key;
    const items = await this.#entries(standings);
    const state = { leaderboard: leaderboardId, season, epoch, version, total, items };
    this.#states.set(page, state);
    return state;
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

  #open(key: BoardKey): Board {
    const projection = this.#options.project(key);
    void this.#load(projection);
    return { projection, truth: new PostgresLeaderboard(key, this.#options.database) };
  }

  /** On every projection at once. One that is not ready takes nothing: it is loaded from PostgreSQL, where everything is. */
  async #each(work: (projection: Leaderboard) => Promise<void>): Promise<void> {
    await Promise.all(
      [...this.#boards.values()].map(async ({ projection }) => {
        try {
          await work(projection);
        } catch (error) {
          if (!(error instanceof NotReady)) throw error;
        }
      }),
    );
  }

  #load(projection: Leaderboard): Promise<void> {
    return retry(
      async () => {
        await projection.load();
        this.announce(projection.key.id);
      },
      this.#closed.signal,
      this.#options.onError,
    );
  }
}
