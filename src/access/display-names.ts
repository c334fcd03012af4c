import { LRUCache } from 'lru-cache';
import type { FeedState } from '../changes/change-feed.js';
import type { Queryable } from '../postgres/database.js';
import { toUuids, withIds } from '../stored-ids.js';

const NAMES = 'SELECT id, display_name AS "displayName" FROM users WHERE id = ANY ($1::uuid[])';

/** The display names of users, with a cache of the most recent ones. */
export class DisplayNames {
  readonly #replica: Queryable;
  readonly #primary: Queryable;
  readonly #feed: FeedState;
  readonly #names = new LRUCache<string, string>({ max: 50_000, ttl: 60_000 });
  /** Grows with each change, so that a name that was read before a change is not cached after it. */
  #forgotten = 0;

  /** @param feed says whether every change of a name was heard */
  constructor(replica: Queryable, primary = replica, feed: FeedState = { isCurrent: true }) {
    this.#feed = feed;
    this.#replica = replica;
    this.#primary = primary;
  }

  /** The names of these users: one query, and a second for users that the replica does not know yet. */
  async of(userIds: readonly string[]): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    // A name that another instance has changed may not have been heard, nor be on the replica.
    if (!this.#feed.isCurrent) {
      await this.#read(this.#primary, userIds, names);
      return names;
    }
    for (const id of userIds) {
      const name = this.#names.get(id);
      if (name !== undefined) names.set(id, name);
    }
    for (const database of new Set([this.#replica, this.#primary])) {
      const unknown = userIds.filter((id) => !names.has(id));
      if (unknown.length > 0) await this.#read(database, unknown, names);
    }
    return names;
  }

  async #read(database: Queryable, unknown: readonly string[], names: Map<string, string>): Promise<void> {
    const forgotten = this.#forgotten;
    const { rows } = await database.query<{ id: string; displayName: string }>(NAMES, [
      toUuids('usr', unknown),
    ]);
    for (const { id, displayName } of withIds(rows, { id: 'usr' })) {
      names.set(id, displayName);
      if (forgotten === this.#forgotten) this.#names.set(id, displayName);
    }
  }

  /** Takes over a changed name, which the replica may not have for a while. */
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
