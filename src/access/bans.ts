import type { FeedState } from '../changes/change-feed.js';
import type { Queryable } from '../postgres/database.js';
import { toUuid, withIds } from '../stored-ids.js';

const BANNED = 'SELECT id FROM users WHERE banned_at IS NOT NULL';

const IS_BANNED = `${BANNED} AND id = $1`;

/** Who is banned, erased or not, as every instance knows it within a second. What must be right to the moment asks PostgreSQL instead. */
export class Bans {
  readonly #database: Queryable;
  readonly #feed: FeedState;
  #banned = new Set<string>();
  /** What has changed while the users are being read, in the order of the changes. */
  #changed: Map<string, boolean> | null = null;
  #changes = 0;
  readonly #listeners: ((userId: string) => void)[] = [];

  constructor(database: Queryable, feed: FeedState) {
    this.#database = database;
    this.#feed = feed;
  }

  /** Called with each user who was not banned, as far as this instance knew. */
  onBan(listener: (userId: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads who is banned: at the start, and after changes may have been missed. */
  async load(): Promise<void> {
    const changed = new Map<string, boolean>();
    this.#changed = changed;
    try {
      const { rows } = await this.#database.query<{ id: string }>(BANNED);
      const before = this.#banned;
      this.#banned = new Set(withIds(rows, { id: 'usr' }).map(({ id }) => id));
      for (const userId of this.#banned) if (!before.has(userId)) this.#tell(userId);
    } finally {
      if (this.#changed === changed) this.#changed = null;
    }
    for (const [userId, banned] of changed) this.#take(userId, banned);
  }

  /** PostgreSQL is asked only while bans by other instances may not have been heard. */
  async has(userId: string): Promise<boolean> {
    if (this.#feed.isCurrent) return this.#banned.has(userId);
    return await this.#isBanned(userId);
  }

  /** Takes over a change that was announced: they come in the order in which they were committed. */
  hear(userId: string, banned: boolean): void {
    this.#changes++;
    this.#changed?.set(userId, banned);
    this.#take(userId, banned);
  }

  /**
   * Takes over what this instance has committed, without waiting until it is heard. Another instance may have changed it again,
   * so it is read, and what was heard meanwhile is newer.
   */
  async refresh(userId: string): Promise<void> {
    const changes = this.#changes;
    const isBanned = await this.#isBanned(userId);
    if (changes === this.#changes) this.#take(userId, isBanned);
  }

  async #isBanned(userId: string): Promise<boolean> {
    return (await this.#database.query(IS_BANNED, [toUuid('usr', userId)])).rowCount !== 0;
  }

  #take(userId: string, banned: boolean): void {
    const isNew = banned && !this.#banned.has(userId);
    if (banned) this.#banned.add(userId);
    else this.#banned.delete(userId);
    if (isNew) this.#tell(userId);
  }

  #tell(userId: string): void {
    for (const listener of this.#listeners) listener(userId);
  }
}
