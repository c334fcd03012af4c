import pLimit from 'p-limit';
import type { DisplayNames } from '../access/display-names.js';
import { type BoardKey, parseBoardKey } from '../board-key.js';
import type { Change } from '../changes/change.js';
import type { UnappliedChanges } from '../changes/unapplied-changes.js';
import { isNotFound } from '../errors.js';
import type { EntryChange, Sort } from './entry.js';
import type { OpenBoards } from './open-boards.js';
import { NotReady, type Projection } from './projection.js';
import type { Tombstones } from './tombstones.js';

/** What a change does to one board. */
type BoardWork =
  | { readonly type: 'entries'; readonly entries: readonly EntryChange[] }
  | { readonly type: 'rename' | 'erase'; readonly userId: string };

interface ReceivedChangesOptions {
  readonly instance: string;
  readonly boards: OpenBoards;
  readonly names: DisplayNames;
  readonly erased: Tombstones;
  readonly unapplied: UnappliedChanges;
  /** How a board sorts now, where instances share projections; null where each holds its own. @throws Problem `not-found` */
  readonly sharedSortOf: ((board: BoardKey) => Promise<Sort>) | null;
  readonly onError: (error: unknown) => void;
}

/** Shared projections that are written to at a time. */
const BOARDS_AT_ONCE = 32;

/**
 * Changes that arrive from PostgreSQL, taken over on the boards that are open here. A cold one is announced, for changes of our own
 * too, and needs nothing else: it is loaded with the change when it is opened. Where instances share projections in Redis, the writer
 * of scores applies them for all; of other changes, which may be about thousands of boards, each instance that has a board open tries
 * to apply them, and one does. A change is also applied by somebody else if its writer does not report it as applied: the writer may
 * have died, or may never have received the answer to its own commit.
 */
export class ReceivedChanges {
  readonly #options: ReceivedChangesOptions;
  readonly #limit = pLimit(BOARDS_AT_ONCE);

  constructor(options: ReceivedChangesOptions) {
    this.#options = options;
  }

  receive(change: Change): void {
    const { names, erased } = this.#options;
    if (change.type === 'scores') {
      this.#toBoard(change, change.board, { type: 'entries', entries: change.entries.map(entryOf) });
    } else if (change.type === 'corrections') {
      const boards = new Map<string, EntryChange[]>();
      for (const entry of change.entries) {
        const [, , , , board] = entry;
        const ofBoard = boards.get(board) ?? [];
        ofBoard.push(entryOf(entry));
        boards.set(board, ofBoard);
      }
      for (const [board, entries] of boards) this.#toBoard(change, board, { type: 'entries', entries });
    } else if (change.type === 'imported') {
      const board = parseBoardKey(change.board);
      if (board === null) return;
      this.#options.boards.reload(board);
      this.#options.boards.announce(board);
    } else if (change.type === 'user-renamed') {
      names.set(change.userId, change.displayName);
      for (const board of change.boards)
        this.#toBoard(change, board, { type: 'rename', userId: change.userId });
    } else if (change.type === 'user-erased') {
      erased.add(change.userId, Number.POSITIVE_INFINITY);
      names.forget(change.userId);
      for (const board of change.boards)
        this.#toBoard(change, board, { type: 'erase', userId: change.userId });
    }
  }

  /** Changes were missed: everything that they keep current is read again. */
  resync(): void {
    this.#options.names.forgetAll();
    this.#options.boards.reloadAll();
  }

  #toBoard({ id, writer, type }: Change, text: string, work: BoardWork): void {
    const { instance, boards, unapplied, sharedSortOf, onError } = this.#options;
    const board = parseBoardKey(text);
    if (board === null) {
      onError(new Error(`Not a board: ${text.slice(0, 100)}`));
      return;
    }
    const isOurs = writer === instance;
    const projection = boards.peek(board);
    if (projection === undefined) {
      boards.announce(board);
      return;
    }
    if (!isOurs && (sharedSortOf === null || type !== 'scores')) {
      void this.#apply(board, id, work);
      return;
    }
    const isExpected = unapplied.expect(text, id, () =>
      sharedSortOf === null ? this.#applyOwn(board, id, work) : this.#apply(board, id, work),
    );
    // Too many are waiting, so nobody applies changes any more: this board must be compared with PostgreSQL.
    if (!isExpected) boards.reload(board);
    // Nobody else announces the change to readers of a board that is not in Redis, who read PostgreSQL. As the writer we have
    // announced it, or shall when it is overdue.
    if (!isOurs && !projection.isReady) boards.announce(board);
  }

  async #apply(board: BoardKey, id: string, work: BoardWork): Promise<void> {
    const { boards, sharedSortOf, onError } = this.#options;
    try {
      if (sharedSortOf === null) await this.#applyTo(boards.peek(board), id, work);
      else
        await this.#limit(async () => {
          const sort = await sharedSortOf(board);
          const projection = boards.peek(board);
          // Nobody reads one that sorts otherwise than its board does now: it is opened again when it is used.
          if (projection?.board.sort === sort) await this.#applyTo(projection, id, work);
        });
    } catch (error) {
      // A deleted leaderboard needs nothing.
      if (isNotFound(error)) return;
      boards.reload(board);
      if (!(error instanceof NotReady)) onError(error);
    } finally {
      boards.announce(board);
    }
  }

  /** What the board has already is not announced again: it would make the next frame wait. */
  async #applyOwn(board: BoardKey, id: string, work: BoardWork): Promise<void> {
    const { boards, onError } = this.#options;
    try {
      const projection = boards.peek(board);
      const before = await positionOf(projection);
      await this.#applyTo(projection, id, work);
      if (before === null || before !== (await positionOf(projection))) boards.announce(board);
    } catch (error) {
      boards.announce(board);
      onError(error);
    }
  }

  async #applyTo(projection: Projection | undefined, id: string, work: BoardWork): Promise<void> {
    if (projection === undefined) return;
    if (work.type !== 'entries') {
      await projection[work.type](id, work.userId);
      return;
    }
    // Redis may have lost its tombstones meanwhile.
    const { erased } = this.#options;
    const present = work.entries.filter((entry) => !erased.covers(entry));
    if (present.length > 0) await projection.confirm(id, present);
  }
}

const entryOf = ([userId, score, achievedAt, version]: readonly [
  string,
  number | null,
  number,
  number,
  ...unknown[],
]): EntryChange => ({ userId, score, achievedAt, version });

/** What tells one state of a board from another; null while readers do not read the projection. */
async function positionOf(projection: Projection | undefined): Promise<string | null> {
  if (projection?.isReady !== true) return null;
  const { epoch, version } = await projection.page(1);
  return `${epoch}-${version}`;
}
