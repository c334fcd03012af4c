import { LRUCache } from 'lru-cache';
import type { Queryable } from '../database.js';

const NAMES = 'SELECT id, display_name AS "displayName" FROM users WHERE id = ANY ($1::text[])';

/** The display names of users, kept for those who were asked about lately. */
export class DisplayNames {
  readonly #database: Queryable;
  readonly #names = new LRUCache<string, string>({ max: 50_000 });
  /** Counts what was forgotten, so that a name read before it changed is not kept after. */
  #forgotten = 0;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** The names of these users; at most one query. */
  async of(userIds: readonly string[]): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    const unknown: string[] = [];
    for (const id of userIds) {
      const name = this.#names.get(id);
      if (name === undefined) unknown.push(id);
      else names.set(id, name);
    }
    if (unknown.length > 0) {
      const forgotten = this.#forgotten;
      const { rows } = await this.#database.query<{ id: string; displayName: string }>(NAMES, [unknown]);
      for (const { id, displayName } of rows) {
        if (forgotten === this.#forgotten) this.#names.set(id, displayName);
        names.set(id, displayName);
      }
    }
    return names;
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
