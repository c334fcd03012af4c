import pLimit from 'p-limit';
import type { Entry as EntryBody, Leaderboard } from '../../schemas/leaderboard.js';
import type { DisplayNames } from '../access/display-names.js';
import { type BoardKey, boardKey } from '../board-key.js';
import type { Feed } from '../changes/change-feed.js';
import type { UnappliedChanges } from '../changes/unapplied-changes.js';
import { withDeadline } from '../deadline.js';
import { isNotFound } from '../errors.js';
import type { Queryable } from '../postgres/database.js';
import type { BoardState, EntryState, UserRank } from './board-state.js';
import {
  type BoardChange,
  byBoard,
  type Entry,
  type RankChange,
  type RankedEntry,
  type ScoredChange,
  type Sort,
} from './entry.js';
import type { OpenBoard, OpenBoards } from './open-boards.js';
import { countEntries, countRanks, PostgresBoard } from './postgres-boards.js';
import { type BoardReader, NotReady, type Page, type Projection } from './projection.js';
import type { ReadableBoard } from './seasons.js';
import type { Tombstones } from './tombstones.js';

/** Boards of one change that are written to at a time. */
const BOARDS_AT_ONCE = 32;
/** Longer than it takes until a change of a writer that has died is applied by another instance. */
const APPLIED_WITHIN_MS = 2_000;
/** The projection to write a change to, or undefined if none is needed. */
type ProjectionOf = (board: BoardKey) => Promise<Projection | undefined>;
const UNKNOWN_RANKS: RankChange = { previousRank: null, rank: null };

interface Definitions {
  /** @throws Problem `not-found` */
  leaderboard(id: string): Promise<Pick<Leaderboard, 'id' | 'season' | 'sort'>>;
  /** How one of its seasons sorts. @throws Problem `not-found` */
  sortOf(board: BoardKey): Promise<Sort>;
  /** The leaderboard, if it is known without a query. */
  knownLeaderboard(id: string): Pick<Leaderboard, 'id' | 'season' | 'sort'> | undefined;
}

interface LeaderboardsOptions {
  readonly catalog: Definitions;
  readonly boards: OpenBoards;
  readonly names: DisplayNames;
  readonly database: Queryable;
  /** The users whom this process knows to be erased. */
  readonly erased: Tombstones;
  readonly unapplied: UnappliedChanges;
  /** Says whether projections have every change of the other instances. While they have not, PostgreSQL is read. */
  readonly feed: Feed;
  readonly onError: (error: unknown) => void;
}

/**
 * All leaderboards: reads, which fall back on PostgreSQL while a projection is not ready, and the changes that this instance has
 * committed. Every read throws Problem `not-found` if there is no such leaderboard.
 */
export class Leaderboards {
  readonly #options: LeaderboardsOptions;
  /** Of pages, with their names: a projection gives the same page again as long as nothing has changed. */
  readonly #states = new WeakMap<Page, BoardState>();

  /** A receipt needs ranks, so its boards are opened. */
  readonly #open: ProjectionOf = async (board) => (await this.#use(board)).projection;
  /** A user may have entries on tens of thousands of boards. Those that nobody reads here cost next to nothing. */
  readonly #toWrite: ProjectionOf = async (key) => {
    const { boards, catalog } = this.#options;
    if (!boards.isWritten(key)) return undefined;
    return boards.toWrite({ key, sort: await catalog.sortOf(key) });
  };

  constructor(options: LeaderboardsOptions) {
    this.#options = options;
  }

  /**
   * Takes over scores that this instance has committed.
   * @returns the ranks that each change led from and to; null where they are not known
   */
  async applyAndRank(changeId: string, changes: readonly ScoredChange[]): Promise<RankChange[]> {
    const ranks: RankChange[] = changes.map(() => UNKNOWN_RANKS);
    const unranked: { readonly index: number; readonly change: ScoredChange & { readonly sort: Sort } }[] =
      [];
    await this.#eachBoard(changeId, changes, this.#open, async (projection, ofBoard) => {
      const applied = await projection.apply(
        changeId,
        ofBoard.map(([, change]) => change),
      );
      const { sort } = projection.board;
      for (const [n, [index, change]] of ofBoard.entries()) {
        if (applied === null || !this.#options.feed.isCurrent)
          unranked.push({ index, change: { ...change, sort } });
        else ranks[index] = applied[n] ?? UNKNOWN_RANKS;
      }
    });
    if (unranked.length > 0) {
      const counted = await countRanks(
        this.#options.database,
        unranked.map(({ change }) => change),
      );
      for (const [n, { index }] of unranked.entries()) ranks[index] = counted[n] ?? UNKNOWN_RANKS;
    }
    return ranks;
  }

  /** Takes over corrections that this instance has committed. */
  async apply(changeId: string, changes: readonly BoardChange[]): Promise<void> {
    await this.#eachBoard(changeId, changes, this.#toWrite, async (projection, ofBoard) => {
      await projection.apply(
        changeId,
        ofBoard.map(([, change]) => change),
      );
    });
  }

  /** The display name of a user with entries on these boards has changed. */
  async rename(
    changeId: string,
    userId: string,
    displayName: string,
    boards: readonly BoardKey[],
  ): Promise<void> {
    this.#options.names.set(userId, displayName);
    await this.#each(changeId, boards, this.#toWrite, (projection) => projection.rename(changeId, userId));
  }

  /** A user with entries on these boards is erased. */
  async erase(changeId: string, userId: string, boards: readonly BoardKey[]): Promise<void> {
    this.#options.erased.add(userId, Number.POSITIVE_INFINITY);
    this.#options.names.forget(userId);
    await this.#each(changeId, boards, this.#toWrite, (projection) => projection.erase(changeId, userId));
  }

  /** The board of a leaderboard's current season. */
  async board(leaderboardId: string): Promise<BoardKey> {
    const { id, season } = await this.#options.catalog.leaderboard(leaderboardId);
    return boardKey(id, season);
  }

  /** Reads for streams: none shows less than an earlier one has shown. */
  readonly live = {
    page: async (board: BoardKey, limit: number): Promise<BoardState> =>
      this.#state(board, await this.#readOn(board, (reader) => reader.page(limit))),
    /** No display name is read. */
    userRank: async (board: BoardKey, userId: string): Promise<UserRank> => {
      const placement = await this.#readOn(board, (reader) => reader.placement(userId));
      if (placement !== null) {
        return { rank: placement.entry.rank, score: placement.entry.score, total: placement.total };
      }
      const { total } = await this.#readOn(board, (reader) => reader.page(1));
      return { rank: null, score: null, total };
    },
  };

  /**
   * The first page as `page` gave it before, the same object, if nothing has changed since. Undefined also where that is not
   * known for certain: then `page` is to be asked.
   */
  unchangedPage(leaderboardId: string, limit: number): BoardState | undefined {
    const { boards, catalog, feed } = this.#options;
    const known = feed.isCurrent ? catalog.knownLeaderboard(leaderboardId) : undefined;
    if (known === undefined) return undefined;
    const { projection } = boards.use({ key: boardKey(known.id, known.season), sort: known.sort });
    const page = projection.keptPage(limit);
    return page && this.#states.get(page);
  }

  async page(board: ReadableBoard, limit: number, after?: Entry): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.page(limit, after)));
  }

  /** How many entries each of these boards has. */
  async totals(boards: readonly BoardKey[]): Promise<number[]> {
    const { boards: open, feed } = this.#options;
    const totals = await Promise.all(
      boards.map((board) =>
        (feed.isCurrent ? open.peek(board) : undefined)?.page(1).then(
          ({ total }) => total,
          () => undefined,
        ),
      ),
    );
    const cold = boards.filter((_, i) => totals[i] === undefined);
    const counted = (await countEntries(this.#options.database, cold)).values();
    return totals.map((total) => total ?? counted.next().value ?? 0);
  }

  /** One user's entry, or null if it has none. */
  async entry(board: ReadableBoard, userId: string): Promise<EntryState | null> {
    const placement = await this.#read(board, (reader) => reader.placement(userId));
    if (placement === null) return null;
    const { total, entry: found, above } = placement;
    const [entry] = await this.withNames([found]);
    return entry === undefined ? null : { entry, total, scoreAbove: above?.score ?? null };
  }

  async around(board: ReadableBoard, userId: string, radius: number): Promise<BoardState | null> {
    const page = await this.#read(board, (reader) => reader.around(userId, radius));
    return page && this.#state(board, page);
  }

  async many(board: ReadableBoard, userIds: readonly string[]): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.many(userIds)));
  }

  async #read<T>(board: ReadableBoard, read: (reader: BoardReader) => Promise<T>): Promise<T> {
    if ('final' in board && board.final !== null) {
      const { digest, revision } = board.final;
      const final = { epoch: digest, version: revision };
      return await read(new PostgresBoard({ key: board, sort: board.sort }, this.#options.database, final));
    }
    const open = await this.#use(board);
    const found = await this.#readProjection(open, read);
    return found === undefined ? await read(open.truth) : found.answer;
  }

  /**
   * Reads what comes after an earlier answer. PostgreSQL may have shown a change that has not arrived at the projection yet, and
   * their versions cannot be compared. So the projection answers again when it has all that was committed by then.
   */
  async #readOn<T>(board: BoardKey, read: (reader: BoardReader) => Promise<T>): Promise<T> {
    const open = await this.#use(board);
    const hasCaughtUp = !open.projection.isReady || (await this.#catchUp(open));
    const found = hasCaughtUp ? await this.#readProjection(open, read) : undefined;
    if (found !== undefined) return found.answer;
    try {
      return await read(open.truth);
    } finally {
      open.shownUntil = performance.now();
    }
  }

  /** False if that takes too long. */
  async #catchUp(open: OpenBoard): Promise<boolean> {
    const { feed, unapplied } = this.#options;
    while (feed.isCurrent && open.caughtUpTo < open.shownUntil) {
      const { shownUntil } = open;
      try {
        await feed.heardAll(shownUntil);
        await withDeadline(unapplied.settled(), APPLIED_WITHIN_MS, 'Changes are not applied in time');
      } catch {
        return false;
      }
      open.caughtUpTo = Math.max(open.caughtUpTo, shownUntil);
    }
    return true;
  }

  async #use(board: ReadableBoard): Promise<OpenBoard> {
    const sort = 'sort' in board ? board.sort : await this.#options.catalog.sortOf(board);
    return this.#options.boards.use({ key: board, sort });
  }

  /** Nothing if the projection cannot be read: PostgreSQL is to be read instead. */
  async #readProjection<T>(
    { projection }: OpenBoard,
    read: (reader: BoardReader) => Promise<T>,
  ): Promise<{ readonly answer: T } | undefined> {
    if (!this.#options.feed.isCurrent) return undefined;
    try {
      return { answer: await read(projection) };
    } catch (error) {
      if (!(error instanceof NotReady)) this.#options.onError(error);
      return undefined;
    }
  }

  async #state(board: BoardKey, page: Page): Promise<BoardState> {
    const known = this.#states.get(page);
    if (known !== undefined) return known;
    const { epoch, version, total, entries } = page;
    const state = { board, epoch, version, total, items: await this.withNames(entries) };
    this.#states.set(page, state);
    return state;
  }

  /** Entries as the API shows them. */
  async withNames(entries: readonly RankedEntry[]): Promise<EntryBody[]> {
    const names = await this.#options.names.of(entries.map(({ userId }) => userId));
    return entries.map(({ rank, userId, score, achievedAt }) => ({
      rank,
      userId,
      // A user without a name was erased this very moment, and is about to leave the board.
      displayName: names.get(userId) ?? 'Erased player',
      score,
      achievedAt: new Date(achievedAt).toISOString(),
    }));
  }

  /** Groups changes by board, each with its index. */
  async #eachBoard<C extends BoardChange>(
    changeId: string,
    changes: readonly C[],
    projectionOf: ProjectionOf,
    work: (
      projection: Projection,
      ofBoard: readonly (readonly [index: number, change: C])[],
    ) => Promise<void>,
  ): Promise<void> {
    const groups = byBoard([...changes.entries()], ([, { board }]) => board);
    const boards = [...groups.values()].flatMap(([first]) => first?.[1].board ?? []);
    await this.#each(changeId, boards, projectionOf, (projection) =>
      work(projection, groups.get(projection.board.key.text) ?? []),
    );
  }

  /** Does the work on these boards, some at a time, and announces them. */
  async #each(
    changeId: string,
    boards: readonly BoardKey[],
    projectionOf: ProjectionOf,
    work: (projection: Projection) => Promise<void>,
  ): Promise<void> {
    const limit = pLimit(BOARDS_AT_ONCE);
    await limit.map(boards, (board) => this.#change(changeId, board, projectionOf, work));
  }

  async #change(
    changeId: string,
    board: BoardKey,
    projectionOf: ProjectionOf,
    work: (projection: Projection) => Promise<void>,
  ): Promise<void> {
    const { boards, unapplied } = this.#options;
    try {
      const projection = await projectionOf(board);
      if (projection !== undefined) await work(projection);
      unapplied.applied(board.text, changeId);
    } catch (error) {
      // A projection that is not ready is loaded from PostgreSQL, where the change is. A deleted leaderboard needs nothing.
      if (!(error instanceof NotReady) && !isNotFound(error)) throw error;
    } finally {
      boards.announce(board);
    }
  }
}
