import pLimit from 'p-limit';
import type { Entry as EntryBody, Leaderboard, PublicMetadata } from '../../schemas/leaderboard.js';
import type { DisplayNames } from '../access/display-names.js';
import { type BoardKey, boardKey } from '../board-key.js';
import type { Feed } from '../changes/change-feed.js';
import type { UnappliedChanges } from '../changes/unapplied-changes.js';
import { instant } from '../clock.js';
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
import {
  type BoardReader,
  type Counts,
  type Mark,
  NotReady,
  type Page,
  type Projection,
} from './projection.js';
import type { EntryMetadata, PublicKeys } from './public-metadata.js';
import type { ReadableBoard } from './seasons.js';
import type { Tombstones } from './tombstones.js';

/** Boards of one change that are written to at a time. */
const BOARDS_AT_ONCE = 32;
/** Longer than it takes until a change of a writer that has died is applied by another instance. */
const APPLIED_WITHIN_MS = 2_000;
/** Does the work of a change on one board. */
type Work = (projection: Projection) => Promise<unknown>;
const UNKNOWN_RANKS: RankChange = { previousRank: null, rank: null };

/** An entry, and the board that it is on. */
interface OfBoard extends Entry {
  readonly board: BoardKey;
  readonly sort: Sort;
}

/** Where an entry stands; its ranks are null if they are not known. */
interface Standing extends Pick<Entry, 'score' | 'achievedAt'> {
  readonly rank: number | null;
  readonly sharedRank: number | null;
  readonly total: number;
}

interface Definitions {
  /** @throws Problem `not-found` */
  leaderboard(id: string): Promise<Pick<Leaderboard, 'id' | 'season' | 'sort'>>;
  /** How one of its seasons sorts. @throws Problem `not-found` */
  sortOf(board: BoardKey): Promise<Sort>;
  /** The leaderboard, if it is known without a query. */
  knownLeaderboard(id: string): Pick<Leaderboard, 'id' | 'season' | 'sort'> | undefined;
  /** Which metadata its entries show: null if none. */
  publicKeys(leaderboard: string): Promise<PublicKeys | null>;
  /** The same, or undefined if it is not known without a query. */
  knownPublicKeys(leaderboard: string): PublicKeys | null | undefined;
}

interface LeaderboardsOptions {
  readonly catalog: Definitions;
  readonly boards: OpenBoards;
  readonly names: DisplayNames;
  readonly metadata: EntryMetadata;
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
  /** Of pages, with their names and metadata: a projection gives the same page again as long as nothing has changed. */
  readonly #states = new WeakMap<Page, { readonly state: BoardState; readonly keys: PublicKeys | null }>();

  constructor(options: LeaderboardsOptions) {
    this.#options = options;
  }

  /**
   * Takes over scores that this instance has committed.
   * @returns the ranks that each change led from and to; null where they are not known, for example for a user that was erased meanwhile
   */
  async applyAndRank(changeId: string, changes: readonly ScoredChange[]): Promise<RankChange[]> {
    const { erased } = this.#options;
    const ranks: RankChange[] = changes.map(() => UNKNOWN_RANKS);
    const unranked: { readonly index: number; readonly change: ScoredChange & { readonly sort: Sort } }[] =
      [];
    const groups = [...byBoard([...changes.entries()], ([, { board }]) => board).values()];
    await pLimit(BOARDS_AT_ONCE).map(groups, async (ofBoard) => {
      const board = ofBoard[0]?.[1].board;
      if (board === undefined) return;
      await this.#change(changeId, board, async () => {
        // A receipt needs ranks, so its boards are opened.
        const { projection } = await this.#use(board);
        // A shared board has no tombstone of a user who was erased while it was cold.
        const present = ofBoard.filter(([, change]) => !erased.covers(change));
        if (present.length === 0) return;
        const applied = await projection.apply(
          changeId,
          present.map(([, change]) => change),
        );
        const { sort } = projection.board;
        for (const [n, [index, change]] of present.entries()) {
          if (applied === null || !this.#options.feed.isCurrent)
            unranked.push({ index, change: { ...change, sort } });
          else ranks[index] = applied[n] ?? UNKNOWN_RANKS;
        }
      });
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
    const { erased } = this.#options;
    const groups = byBoard(changes, ({ board }) => board);
    const boards = [...groups.values()].flatMap(([first]) => first?.board ?? []);
    await this.#eachOpen(changeId, boards, async (projection) => {
      const ofBoard = groups.get(projection.board.key.text) ?? [];
      const present = ofBoard.filter((change) => !erased.covers(change));
      if (present.length > 0) await projection.confirm(changeId, present);
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
    await this.#eachOpen(changeId, boards, (projection) => projection.rename(changeId, userId));
  }

  /** A user with entries on these boards is erased. */
  async erase(changeId: string, userId: string, boards: readonly BoardKey[]): Promise<void> {
    this.#options.erased.add(userId, Number.POSITIVE_INFINITY);
    this.#options.names.forget(userId);
    await this.#eachOpen(changeId, boards, (projection) => projection.erase(changeId, userId));
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
        const { rank, sharedRank, score } = placement.entry;
        return { rank, sharedRank, score, total: placement.total };
      }
      const { total } = await this.#readOn(board, (reader) => reader.page(1));
      return { rank: null, sharedRank: null, score: null, total };
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
    const kept = page && this.#states.get(page);
    return kept?.keys === catalog.knownPublicKeys(known.id) ? kept?.state : undefined;
  }

  async page(board: ReadableBoard, limit: number, after?: Entry): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.page(limit, after)));
  }

  /** Up to `limit` entries from the place `start` on, 0 for the first. */
  async slice(board: ReadableBoard, start: number, limit: number): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.slice(start, limit)));
  }

  /** The last `before` entries before a mark and the first `behind` behind it. */
  async near(board: ReadableBoard, mark: Mark, before: number, behind: number): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.near(mark, before, behind)));
  }

  /** How many entries have each of these scores or a better one. */
  countThrough(board: ReadableBoard, scores: readonly number[]): Promise<Counts> {
    return this.#read(board, (reader) => reader.countThrough(scores));
  }

  /**
   * Where entries stand that PostgreSQL has shown: as the projections have them by now, or null if an entry is gone. A rank is null
   * where too many entries would have to be counted.
   */
  async standings(entries: readonly OfBoard[]): Promise<(Standing | null)[]> {
    const { boards, database } = this.#options;
    const known = await Promise.all(
      entries.map(async ({ board, sort, userId }) => {
        const open = boards.use({ key: board, sort });
        return await this.#readProjection(open, (reader) => reader.placement(userId));
      }),
    );
    const cold = entries.filter((_, i) => known[i] === undefined);
    const [ranks, totals] = await Promise.all([
      countRanks(
        database,
        cold.flatMap((entry) => {
          const change = { ...entry, version: 0, previous: null };
          // Before all entries of its score: what stands there shares no rank with it.
          return [change, { ...change, achievedAt: 0 }];
        }),
      ),
      countEntries(
        database,
        cold.map(({ board }) => board),
      ),
    ]);
    let n = 0;
    return entries.map(({ score, achievedAt }, i) => {
      const read = known[i];
      if (read === undefined) {
        const [of, ofScore] = ranks.slice(2 * n, 2 * n + 2);
        const [rank, sharedRank] = [of?.rank ?? null, ofScore?.rank ?? null];
        return { rank, sharedRank, total: totals[n++] ?? 0, score, achievedAt };
      }
      return read.answer && { ...read.answer.entry, total: read.answer.total };
    });
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
    const found = await this.#read(board, (reader) => reader.placement(userId));
    if (found === null) return null;
    const { total, above, best } = found;
    const [entry] = await this.#entries(board, [found.entry], await this.#keysOf(board));
    if (entry === undefined) return null;
    return { entry, total, scoreAbove: above?.score ?? null, scoreFirst: above && best };
  }

  async around(board: ReadableBoard, userId: string, radius: number): Promise<BoardState | null> {
    const page = await this.#read(board, (reader) => reader.around(userId, radius));
    return page && this.#state(board, page);
  }

  async many(board: ReadableBoard, userIds: readonly string[]): Promise<BoardState> {
    return this.#state(board, await this.#read(board, (reader) => reader.many(userIds)));
  }

  async #read<T>(board: ReadableBoard, read: (reader: BoardReader) => Promise<T>): Promise<T> {
    if ('reader' in board) return await read(board.reader);
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

  async #state(found: ReadableBoard, page: Page): Promise<BoardState> {
    const keys = await this.#keysOf(found);
    const known = this.#states.get(page);
    if (known?.keys === keys) return known.state;
    const { epoch, version, total, entries } = page;
    // One that was amended since it was looked up is not final: what was read is of no revision that has a digest.
    const isAmended = 'final' in found && found.final !== null && found.final.digest !== epoch;
    const board = isAmended ? { ...found, final: null } : found;
    const state = { board, epoch, version, total, items: await this.#entries(board, entries, keys) };
    this.#states.set(page, { state, keys });
    return state;
  }

  #keysOf({ leaderboard }: BoardKey): PublicKeys | null | Promise<PublicKeys | null> {
    const known = this.#options.catalog.knownPublicKeys(leaderboard);
    return known === undefined ? this.#options.catalog.publicKeys(leaderboard) : known;
  }

  async #entries(
    board: ReadableBoard,
    entries: readonly RankedEntry[],
    keys: PublicKeys | null,
  ): Promise<EntryBody[]> {
    const metadata = keys === null ? undefined : this.#options.metadata.of(board, entries, keys);
    return voidedSince(board, await this.withNames(entries, await metadata));
  }

  /** Entries as the API shows them. @param metadata what is public of it, by user */
  async withNames(
    entries: readonly RankedEntry[],
    metadata?: ReadonlyMap<string, PublicMetadata>,
  ): Promise<EntryBody[]> {
    const names = await this.#options.names.of(entries.map(({ userId }) => userId));
    return entries.map(({ rank, sharedRank, userId, score, achievedAt }) => {
      const displayName = names.get(userId);
      // A user without a name was erased this very moment, and is about to leave the board.
      const shown = displayName === undefined ? undefined : metadata?.get(userId);
      return {
        rank,
        sharedRank,
        userId,
        displayName: displayName ?? 'Erased player',
        score,
        achievedAt: instant(achievedAt),
        ...(shown && { metadata: shown }),
      };
    });
  }

  /**
   * Does the work on those of these boards that are open here, and announces them. A user may have entries on tens of thousands of
   * boards: nothing is remembered of the others, which are announced when the change comes back from PostgreSQL, and loaded with it
   * when they are opened. What fails is reported, and made up for when the change comes back.
   */
  async #eachOpen(changeId: string, boards: readonly BoardKey[], work: Work): Promise<void> {
    const { boards: all, catalog, onError } = this.#options;
    const isOpen = (board: BoardKey) => all.peek(board) !== undefined;
    await pLimit(BOARDS_AT_ONCE).map(boards.filter(isOpen), async (board) => {
      const ofBoard = async () => {
        const sort = await catalog.sortOf(board);
        const projection = all.peek(board);
        // One that sorts otherwise is read by nobody: it is opened again when the board is used.
        if (projection?.board.sort === sort) await work(projection);
      };
      await this.#change(changeId, board, ofBoard).catch(onError);
    });
  }

  async #change(changeId: string, board: BoardKey, work: () => Promise<void>): Promise<void> {
    const { boards, unapplied } = this.#options;
    try {
      await work();
      unapplied.applied(board.text, changeId);
    } catch (error) {
      // A projection that is not ready is loaded from PostgreSQL, where the change is. A deleted leaderboard needs nothing.
      if (!(error instanceof NotReady) && !isNotFound(error)) throw error;
    } finally {
      boards.announce(board);
    }
  }
}

/** Entries of a board as it was say how many of the events that counted then were voided since. */
function voidedSince(board: ReadableBoard, entries: EntryBody[]): EntryBody[] {
  if (!('voided' in board) || board.voided.size === 0) return entries;
  return entries.map((entry) => {
    const voided = board.voided.get(entry.userId);
    return voided === undefined ? entry : { ...entry, voidedSince: voided };
  });
}
