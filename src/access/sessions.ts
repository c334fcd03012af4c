import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { announce } from '../changes/change.js';
import { Problem, userBanned } from '../errors.js';
import { idPattern, newId } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { inTurn } from '../postgres/turns.js';
import { toUuid, withIds } from '../stored-ids.js';
import type { Revocations } from './revocations.js';

export interface OpenSession {
  readonly sessionId: string;
  readonly userId: string;
  /** Opaque to the client: `<session>.<family>.<secret>`. */
  readonly refreshToken: string;
  /** When the session ends for good, in milliseconds since the epoch. */
  readonly expiresAt: number;
}

interface SessionsOptions {
  readonly pool: pg.Pool;
  /** Of a session, in seconds, however often it is refreshed. */
  readonly lifetime: number;
  readonly revocations: Revocations;
  /** Of the server: each refresh token is derived with it from the one before. */
  readonly secret: string;
  /** The secret before it was changed, on instances that have not yet forgotten it. */
  readonly previousSecret?: string | undefined;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

/** The lock waits for an erasure of the user that is under way, and then finds nobody. */
const OPEN = `
INSERT INTO sessions (id, user_id, family_hash, secret_hash, expires_at)
SELECT $1, id, $3, $4, now() + $5 * interval '1 second' FROM users
WHERE id = $2 AND erased_at IS NULL AND banned_at IS NULL FOR KEY SHARE
RETURNING expires_at AS "expiresAt"`;
const USER_OF = 'SELECT user_id AS id FROM sessions WHERE id = $1';
/** Of two that come with the same secret, one finds it and the other does not. */
const ROTATE = `
UPDATE sessions SET secret_hash = $4, refreshed_at = now()
WHERE id = $1 AND family_hash = $2 AND secret_hash = $3 AND revoked_at IS NULL AND expires_at > now()
  AND NOT EXISTS (SELECT FROM users WHERE id = user_id AND banned_at IS NOT NULL)
RETURNING user_id AS "userId", expires_at AS "expiresAt"`;
const BANNED_USER = 'SELECT FROM users WHERE id = $1 AND banned_at IS NOT NULL AND erased_at IS NULL';
/** The session stays as it is: it goes on when the ban is lifted. */
const BANNED_SESSION = `
SELECT FROM sessions s JOIN users u ON u.id = s.user_id AND u.banned_at IS NOT NULL AND u.erased_at IS NULL
WHERE s.id = $1 AND s.family_hash = $2 AND s.revoked_at IS NULL AND s.expires_at > now()`;
/** $4: how long a use may be repeated, in seconds. */
const ROTATED_BEFORE = `
SELECT user_id AS "userId", expires_at AS "expiresAt", secret_hash AS "secretHash",
       revoked_at IS NULL AND refreshed_at > now() - $4 * interval '1 second' AS "isRecent"
FROM sessions WHERE id = $1 AND family_hash = $2 AND secret_hash <> $3 AND expires_at > now()`;
/** Those that go on. */
const REVOKE_ALL = `
UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() RETURNING id`;
const REVOKE = 'UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL';
const PURGE =
  'DELETE FROM sessions WHERE ctid = ANY (ARRAY(SELECT ctid FROM sessions WHERE expires_at < now() LIMIT $1))';

const TOKEN = new RegExp(`^(${idPattern('ses').slice(5, -1)})\\.([\\w-]{22})\\.([\\w-]{43})$`);

/** Long enough for a client to notice that a response was lost and to ask again. */
const REPEATABLE_SECONDS = 30;

type Renewed = Pick<OpenSession, 'userId' | 'expiresAt'>;
/** A session that has a newer secret. */
interface Used extends Renewed {
  readonly secretHash: Buffer;
  readonly isRecent: boolean;
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
const random = (bytes: number): string => randomBytes(bytes).toString('base64url');

/**
 * Sessions, and the refresh tokens that keep them going. A token's *family* is the same for a session's whole life, its
 * *secret* is new at each use; only hashes of both are stored. The right family with another secret is a token that was
 * used before: somebody has a copy, so the session ends. But the response to that use may have been lost. So the secret is
 * derived from the token before, and a token that was used in the last 30 s gets the same successor again, if that one was
 * not used itself.
 *
 * Access tokens are not looked up: every instance remembers which sessions were revoked.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #key: Buffer;
  readonly #keys: readonly Buffer[];

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { secret, previousSecret } = options;
    this.#key = keyOf(secret);
    this.#keys = [this.#key, ...(previousSecret === undefined ? [] : [keyOf(previousSecret)])];
  }

  /** @throws Problem `not-found` if the user was erased, `user-banned` */
  async open(userId: string): Promise<OpenSession> {
    const sessionId = newId('ses');
    const family = random(16);
    const secret = random(32);
    const { pool, lifetime } = this.#options;
    const { rows } = await inTurn(pool, userId, () =>
      pool.query<{ expiresAt: number }>(OPEN, [
        toUuid('ses', sessionId),
        toUuid('usr', userId),
        hash(family),
        hash(secret),
        lifetime,
      ]),
    );
    const [row] = rows;
    if (row === undefined) {
      await this.#assertNotBanned(BANNED_USER, toUuid('usr', userId));
      throw new Problem('not-found', `There is no user "${userId}".`);
    }
    return { sessionId, userId, refreshToken: tokenOf(sessionId, family, secret), expiresAt: row.expiresAt };
  }

  /**
   * Exchanges a refresh token for the next one: for the same one, if the use is repeated in time.
   * @throws Problem `user-banned`, `refresh-token-invalid`, or `refresh-token-reused`: then the session is revoked
   */
  async refresh(refreshToken: string): Promise<OpenSession> {
    const [, suffix, family, secret] = TOKEN.exec(refreshToken) ?? [];
    if (suffix === undefined || family === undefined || secret === undefined) throw invalidToken();
    const sessionId = `ses_${suffix}`;
    const { pool } = this.#options;
    // Read without a lock first: a user may have many sessions.
    const { rows } = await inTurn(pool, sessionId, () =>
      pool.query<{ id: string }>(USER_OF, [toUuid('ses', sessionId)]),
    );
    const [user] = withIds(rows, { id: 'usr' });
    if (user === undefined) throw invalidToken();
    return await inTurn(pool, user.id, () => this.#rotate(sessionId, family, secret));
  }

  async #rotate(sessionId: string, family: string, secret: string): Promise<OpenSession> {
    const token = tokenOf(sessionId, family, secret);
    const uuid = toUuid('ses', sessionId);
    const proof = [uuid, hash(family), hash(secret)];
    const next = successor(token, this.#key);
    const { pool } = this.#options;
    const rotated = await pool.query<Renewed>(ROTATE, [...proof, hash(next)]);
    const [session] = withIds(rotated.rows, { userId: 'usr' });
    if (session !== undefined)
      return { sessionId, refreshToken: tokenOf(sessionId, family, next), ...session };
    await this.#assertNotBanned(BANNED_SESSION, uuid, hash(family));
    const before = await pool.query<Used>(ROTATED_BEFORE, [...proof, REPEATABLE_SECONDS]);
    const [used] = withIds(before.rows, { userId: 'usr' });
    if (used === undefined) throw invalidToken();
    const { userId, expiresAt, secretHash, isRecent } = used;
    const again = this.#keys
      .map((key) => successor(token, key))
      .find((candidate) => hash(candidate).equals(secretHash));
    if (isRecent && again !== undefined)
      return { sessionId, refreshToken: tokenOf(sessionId, family, again), userId, expiresAt };
    await this.#revoke(sessionId);
    throw new Problem(
      'refresh-token-reused',
      'This refresh token was used before. The session has ended: log in again.',
    );
  }

  async #assertNotBanned(find: string, ...values: unknown[]): Promise<void> {
    if ((await this.#options.pool.query(find, values)).rowCount !== 0) throw userBanned();
  }

  /** Ends a session of a user and its access tokens, at once and on every instance. */
  revoke(sessionId: string, userId: string): Promise<void> {
    return inTurn(this.#options.pool, userId, () => this.#revoke(sessionId));
  }

  /**
   * Ends all sessions of a user.
   * @param record is called in the transaction, with the number of sessions
   */
  async revokeAll(
    userId: string,
    record: (client: Queryable, sessions: number) => Promise<unknown>,
  ): Promise<void> {
    const { pool, writer, revocations } = this.#options;
    const ids = await inTurn(pool, userId, () =>
      transact(pool, async (client) => {
        const { rows } = await client.query<{ id: string }>(REVOKE_ALL, [toUuid('usr', userId)]);
        const ended = withIds(rows, { id: 'ses' }).map(({ id }) => id);
        await record(client, ended.length);
        const changes = ended.map((sessionId) => ({
          type: 'session-revoked' as const,
          id: newId('chg'),
          writer,
          sessionId,
        }));
        await announce(client, ...changes);
        return ended;
      }),
    );
    for (const id of ids) revocations.remember(id);
  }

  async #revoke(sessionId: string): Promise<void> {
    const { pool, writer, revocations } = this.#options;
    await transact(pool, async (client) => {
      await client.query(REVOKE, [toUuid('ses', sessionId)]);
      await announce(client, { type: 'session-revoked', id: newId('chg'), writer, sessionId });
    });
    revocations.remember(sessionId);
  }
}

/** Deletes sessions that are over: at most `limit` of them. @returns whether there may be more */
export async function purgeSessions(client: Queryable, limit: number): Promise<boolean> {
  return (await client.query(PURGE, [limit])).rowCount === limit;
}

const tokenOf = (sessionId: string, family: string, secret: string) =>
  `${sessionId.slice(4)}.${family}.${secret}`;

const keyOf = (secret: string) =>
  Buffer.from(hkdfSync('sha256', secret, '', 'scoreboard-api refresh tokens', 32));
/** The secret of the token that follows this one. */
const successor = (refreshToken: string, key: Buffer): string =>
  createHmac('sha256', key).update(refreshToken).digest('base64url');

const invalidToken = () => new Problem('refresh-token-invalid', 'This refresh token is unknown or expired.');
