import type { DisplayNames } from '../access/display-names.js';
import { type BoardKey, parseBoardKey } from '../board-key.js';
import type { Change } from '../changes/change.js';
import type { UnappliedChanges } from '../changes/unapplied-changes.js';
import { isNotFound } from '../errors.js';
import type { EntryChange } from './entry.js';
import type { OpenBoards } from './open-boards.js';
import type { Projection } from './projection.js';
import type { Tombstones } from './tombstones.js';

/** What a change does to one board. */
export type BoardWork =
  | { readonly type: 'entries'; readonly entries: readonly EntryChange[] }
  | { readonly type: 'rename' | 'erase'; readonly userId: string };

/** Applies a change of a writer that may have failed to. Several instances may be asked to: one does it. */
type Confirm = (board: BoardKey, changeId: string, work: BoardWork) => Promise<void>;

interface ReceivedChangesOptions {
  readonly instance: string;
  readonly boards: OpenBoards;
  readonly names: DisplayNames;
  readonly erased: Tombstones;
  readonly unapplied: UnappliedChanges;
  /** Null where each instance holds projections of its own. */
  readonly confirm: Confirm | null;
  readonly onError: (error: unknown) => void;
}

/**
 * Changes that arrive from PostgreSQL. Where each instance holds its own projections, it applies the changes of the others; where
 * they share them in Redis, the writer applies a change for all. Either way a change is applied by somebody if its writer does
 * not report it as applied: the writer may have died, or may never have received the answer to its own commit.
 */
export class ReceivedChanges {
  readonly #options: ReceivedChangesOptions;

  constructor(options: ReceivedChangesOptions) {
    this.#options = options;
  }

  receive(change: Change): void {
    const { names, erased } = this.#options;
    if (change.type === 'scores') {
      const entries = change.entries.map(([userId, score, achievedAt, version]) => {
        return { userId, score, achievedAt, version };
      });
      this.#toBoards(change, [change.board], { type: 'entries', entries });
    } else if (change.type === 'user-renamed') {
      names.set(change.userId, change.displayName);
      this.#toBoards(change, change.boards, { type: 'rename', userId: change.userId });
    } else if (change.type === 'user-erased') {
      erased.add(change.userId, Number.POSITIVE_INFINITY);
      names.forget(change.userId);
      this.#toBoards(change, change.boards, { type: 'erase', userId: change.userId });
    }
  }

  /** Changes were missed: everything that they keep current is read again. */
  resync(): void {
    this.#options.names.forgetAll();
    this.#options.boards.reloadAll();
  }

  #toBoards({ id, writer }: Change, texts: readonly string[], work: BoardWork): void {
    const { instance, boards, unapplied, confirm, onError } = this.#options;
    for (const text of texts) {
      const board = parseBoardKey(text);
      if (board === null) {
        onError(new Error(`Not a board: ${text.slice(0, 100)}`));
        continue;
      }
      if (confirm === null && writer !== instance) {
        void this.#applyHere(board, id, work).catch(onError);
        continue;
      }
      const isExpected = unapplied.expect(text, id, () =>
        confirm === null ? this.#applyOwn(board, id, work) : this.#confirm(confirm, board, id, work),
      );
      // Too many are waiting, so nobody applies changes any more: this board must be compared with PostgreSQL.
      if (!isExpected) boards.reload(board);
      // As the writer we have announced it, or shall when it is overdue.
      if (writer === instance) continue;
      // Nobody else announces the change to readers of a board that is not in Redis, who read PostgreSQL. The writer may have
      // announced a name before this instance knew it.
      if (work.type !== 'entries' || boards.peek(board)?.isReady !== true) boards.announce(board);
    }
  }

  async #confirm(confirm: Confirm, board: BoardKey, id: string, work: BoardWork): Promise<void> {
    const { boards, onError } = this.#options;
    try {
      await confirm(board, id, work);
    } catch (error) {
      // A deleted leaderboard needs nothing.
      if (isNotFound(error)) return;
      boards.reload(board);
      onError(error);
    } finally {
      boards.announce(board);
    }
  }

  /** A cold board needs nothing: when it is opened, it is loaded with the change. */
  async #applyHere(board: BoardKey, id: string, work: BoardWork): Promise<void> {
    const { boards } = this.#options;
    const projection = boards.peek(board);
    try {
      if (projection !== undefined) await applyTo(projection, id, work);
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
      if (projection !== undefined) await applyTo(projection, id, work);
      if (before === null || before !== (await positionOf(projection))) boards.announce(board);
    } catch (error) {
      boards.announce(board);
      onError(error);
    }
  }
}

/** What tells one state of a board from another; null while readers do not read the projection. */
async function positionOf(projection: Projection | undefined): Promise<string | null> {
  if (projection?.isReady !== true) return null;
  const { epoch, version } = await projection.page(1);
  return `${epoch}-${version}`;
}

async function applyTo(projection: Projection, id: string, work: BoardWork): Promise<void> {
  if (work.type === 'entries') await projection.apply(id, work.entries);
  else await projection[work.type](id, work.userId);
}
