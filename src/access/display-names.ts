import type { FeedState } from '../changes/change-feed.js';
import type { Queryable } from '../postgres/database.js';
import { toUuids, withIds } from '../stored-ids.js';
import { KeptNames } from './kept-names.js';

const NAMES =
  'SELECT id, display_name AS "displayName" FROM users WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL';

/** A million names of up to 16 characters. */
const MAX_BYTES = 98_000_000;

/**
 * The display names of users. Those that were used last are kept as long as every change of a name is heard. They come from the
 * primary: a replica may lag, and what it tells would be kept long after it has caught up.
 */
export class DisplayNames {
  readonly #database: Queryable;
  readonly #feed: FeedState;
  readonly #names = new KeptNames(MAX_BYTES);
  /** Grows with each change, so that a name that was read before a change is not kept after it. */
  #forgotten = 0;

  /** @param feed says whether every change of a name was heard */
  constructor(database: Queryable, feed: FeedState = { isCurrent: true }) {
    this.#feed = feed;
    this.#database = database;
  }

  /** Whether some more names can be kept without dropping others. */
  get hasRoom(): boolean {
    return this.#names.hasRoom;
  }

  /** The names of these users, of whom those are left out who were erased. One query at most. */
  async of(userIds: readonly string[]): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    const unknown: string[] = [];
    for (const id of userIds) {
      // A name that another instance has changed may not have been heard.
      const name = this.#feed.isCurrent ? this.#names.get(id) : undefined;
      if (name === undefined) unknown.push(id);
      else names.set(id, name);
    }
    if (unknown.length > 0) await this.#read(unknown, names);
    return names;
  }

  async #read(unknown: readonly string[], names: Map<string, string>): Promise<void> {
    const forgotten = this.#forgotten;
    const { rows } = await this.#database.query<{ id: string; displayName: string }>(NAMES, [
      toUuids('usr', unknown),
    ]);
    for (const { id, displayName } of withIds(rows, { id: 'usr' })) {
      names.set(id, displayName);
      if (forgotten === this.#forgotten) this.#names.set(id, displayName);
    }
  }

  /** Takes over a changed name. */
  set(userId: string, displayName: string): void {
    this.#forgotten++;
    this.#names.set(userId, displayName);
  }

  forget(userId: string): void {
    this.#forgotten++;
    this.#names.delete(userId);
  }

  forgetAll(): void {
    this.#forgotten++;
    this.#names.clear();
  }
}
