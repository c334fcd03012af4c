import { setTimeout as delay } from 'node:timers/promises';
import type { FeedState } from '../changes/change-feed.js';
import { Backoff } from '../loop.js';
import type { Queryable } from '../postgres/database.js';
import { isDatabaseUnavailable } from '../postgres/errors.js';
import { fromUuid, toUuids } from '../stored-ids.js';

/** How long a caller is let wait for a PostgreSQL that is away for a moment, in milliseconds: scores wait for it too. */
const PATIENCE_MS = 3_000;

/** $1 seconds. */
const REVOKED = `
SELECT 'ses' AS kind, id FROM sessions WHERE revoked_at > now() - $1 * interval '1 second'
UNION ALL
SELECT 'usr', id FROM users WHERE erased_at > now() - $1 * interval '1 second'
UNION ALL
SELECT 'svc', id FROM service_accounts WHERE revoked_at > now() - $1 * interval '1 second'`;
/** $1 sessions, $2 users, $3 service accounts: what is none of a kind is null. */
const ARE_REVOKED = `
SELECT FROM sessions WHERE id = ANY ($1::uuid[]) AND revoked_at IS NOT NULL
UNION ALL
SELECT FROM users WHERE id = ANY ($2::uuid[]) AND erased_at IS NOT NULL
UNION ALL
SELECT FROM service_accounts WHERE id = ANY ($3::uuid[]) AND revoked_at IS NOT NULL`;

/**
 * The sessions and service accounts that were revoked recently, and the users who were erased, each kept until the last access
 * token that names it has expired.
 */
export class Revocations {
  readonly #lifetime: number;
  readonly #database: Queryable;
  readonly #feed: FeedState;
  /** Id → when it may be forgotten, on the clock of `performance.now()`, oldest first. */
  readonly #until = new Map<string, number>();

  /** @param lifetime of an access token, in seconds */
  constructor(lifetime: number, database: Queryable, feed: FeedState) {
    this.#lifetime = lifetime;
    this.#database = database;
    this.#feed = feed;
  }

  /** Reads what was revoked recently: at the start, and after changes may have been missed. */
  async load(): Promise<void> {
    const { rows } = await this.#database.query<{ kind: 'ses' | 'usr' | 'svc'; id: string }>(REVOKED, [
      this.#lifetime,
    ]);
    for (const { kind, id } of rows) this.remember(fromUuid(kind, id));
  }

  /**
   * Whether one of these was revoked: at once, or, while revocations by other instances may not have been heard, from PostgreSQL.
   * @throws what PostgreSQL fails with
   */
  hasAny(ids: readonly string[]): boolean | Promise<boolean> {
    if (this.#remembers(ids)) return true;
    return this.#feed.isCurrent ? false : this.#ask(ids);
  }

  #remembers(ids: readonly string[]): boolean {
    return ids.some((id) => this.#until.has(id));
  }

  async #ask(ids: readonly string[]): Promise<boolean> {
    const backoff = new Backoff();
    for (
      const giveUpAt = performance.now() + PATIENCE_MS;
      !this.#feed.isCurrent;
      await delay(backoff.next())
    ) {
      try {
        const { rowCount } = await this.#database.query(ARE_REVOKED, [
          toUuids('ses', ids),
          toUuids('usr', ids),
          toUuids('svc', ids),
        ]);
        return rowCount !== 0;
      } catch (error) {
        if (!isDatabaseUnavailable(error) || performance.now() > giveUpAt) throw error;
      }
    }
    return this.#remembers(ids);
  }

  /** Takes note of a session or service account that this or another instance has revoked, or of a user it has erased. */
  remember(id: string): void {
    // All its access tokens are older than the first revocation, so a second one does not prolong anything.
    if (this.#until.has(id)) return;
    const now = performance.now();
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    this.#until.set(id, now + this.#lifetime * 1000);
  }
}
