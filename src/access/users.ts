import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { ScoreEvent, User } from '../../schemas/user.js';
import { type BoardKey, boardKey } from '../board-key.js';
import { announce } from '../changes/change.js';
import { Problem, userBanned } from '../errors.js';
import { newId } from '../ids.js';
import { addJob } from '../jobs/job.js';
import { type Queryable, transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import { NEWEST_OF_USER, newestOfUser, olderThan } from '../postgres/events-of-user.js';
import { rfc3339 } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { withoutNull } from '../postgres/without-null.js';
import { BOARDS_WITH_ROW, isFinal, openForCorrection } from '../seasons/corrections.js';
import { toUuid, withIds } from '../stored-ids.js';
import { displayName, guestName } from './display-name.js';
import { ERASE_USER } from './erasure.js';
import { checkPassword, hashNewPassword, hashPassword } from './passwords.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The boards that a change of a user concerns: announced to the other instances, and to be changed here after the commit. */
interface BoardsOfUser {
  readonly changeId: string;
  readonly boards: readonly BoardKey[];
}

const USER = `id, display_name AS "displayName", username, role, ${rfc3339('created_at')} AS "createdAt"`;

/** A row of a user of whom it is not known yet whether it may do what it asks for; see `unlessBanned`. */
type PerhapsBanned = User & { readonly isBanned: boolean };
const PERHAPS_BANNED = `${USER}, banned_at IS NOT NULL AS "isBanned"`;

/** A ban stays: a banned user keeps the key of its external id and its username, so that it cannot come back under them. */
const ERASE = `
UPDATE users
SET display_name = '', erased_at = now(), external_id = NULL,
    username = CASE WHEN banned_at IS NOT NULL THEN username END,
    password_hash = CASE WHEN banned_at IS NOT NULL AND username IS NOT NULL THEN '' END
WHERE id = $1 AND erased_at IS NULL`;

/** SQL: whether a user holds its external id, as far as nobody else may have it. The condition is that of the index. */
export const HOLDS_EXTERNAL_ID = '(erased_at IS NULL OR banned_at IS NOT NULL)';
export const externalKey = (externalId: string): Buffer => createHash('sha256').update(externalId).digest();

/** The condition is that of the index. */
const OF_USER = 'user_id = $1 AND version > 0';
/** Boards on which a user stands. */
export const BOARDS_OF_USER = `
SELECT leaderboard_id AS leaderboard, season FROM scores WHERE ${OF_USER} AND score IS NOT NULL`;
/** The standings of a season that is final stay as they are: there the user keeps its place, without a name. */
export const LEAVE_BOARDS = `
DELETE FROM scores s WHERE ${OF_USER} AND (score IS NULL OR NOT ${isFinal('s')})
RETURNING leaderboard_id AS leaderboard, season`;

/** The people who play: guests, accounts with a password, and those whom a game server brings. */
export class Users {
  readonly #pool: pg.Pool;
  readonly #writer: string;
  readonly #replica: Queryable;

  /**
   * @param writer names this instance in what it announces to the others
   * @param replica for reads that tolerate lag
   */
  constructor(pool: pg.Pool, writer: string, replica: Queryable = pool) {
    this.#pool = pool;
    this.#writer = writer;
    this.#replica = replica;
  }

  createGuest(name?: string): Promise<User> {
    return this.#create(name === undefined ? undefined : displayName(name), null, null);
  }

  /** @throws Problem `username-taken` */
  async register({ username, password }: Credentials, name?: string): Promise<User> {
    // Without a name of its own the username is shown, which must then be one.
    const shown = name === undefined ? displayName(username, '/username') : displayName(name);
    const hash = await hashNewPassword(password);
    return uniqueUsername(
      username,
      inTurn(this.#pool, keyOfName(username), () => this.#create(shown, username, hash)),
    );
  }

  /**
   * The user with this id in the caller's own system, made if there is none yet. Without such an id, always a new one.
   * @throws Problem `user-banned`, also if the user was erased
   */
  async provision(name: string, externalId?: string): Promise<{ user: User; created: boolean }> {
    const provide = () => this.#provision(name, externalId);
    return externalId === undefined ? provide() : inTurn(this.#pool, `external id ${externalId}`, provide);
  }

  async #provision(name: string, externalId?: string): Promise<{ user: User; created: boolean }> {
    const id = newId('usr');
    const key = externalId === undefined ? null : externalKey(externalId);
    const { rows } = await this.#pool.query<User>(
      `INSERT INTO users (id, display_name, external_id, external_key) VALUES ($1, $2, $3, $4)
       ON CONFLICT (external_key) WHERE ${HOLDS_EXTERNAL_ID} DO NOTHING RETURNING ${USER}`,
      [toUuid('usr', id), displayName(name), externalId ?? null, key],
    );
    const [created] = withIds(rows, { id: 'usr' });
    if (created !== undefined) return { user: created, created: true };
    const known = await this.#pool.query<PerhapsBanned>(
      `SELECT ${PERHAPS_BANNED} FROM users WHERE external_key = $1 AND ${HOLDS_EXTERNAL_ID}`,
      [key],
    );
    const [found] = withIds(known.rows, { id: 'usr' });
    // Erased between the two statements: its external id is free again.
    if (found === undefined) return this.#provision(name, externalId);
    return { user: unlessBanned(found), created: false };
  }

  /**
   * The same for many, in two statements. Each has its own outcome, in their order; several with the same `externalId` are one user.
   */
  async provisionMany(
    wanted: readonly { readonly displayName: string; readonly externalId: string }[],
  ): Promise<PromiseSettledResult<{ user: User; created: boolean }>[]> {
    const names = await Promise.allSettled(wanted.map(async ({ displayName: name }) => displayName(name)));
    // In one order, so that no two statements wait for each other.
    const valid = wanted
      .flatMap(({ externalId }, i) => {
        const name = names[i];
        return name?.status === 'fulfilled' ? { externalId, name: name.value } : [];
      })
      .sort((a, b) => (a.externalId < b.externalId ? -1 : 1));
    const externalIds = valid.map(({ externalId }) => externalId);
    const keys = externalIds.map(externalKey);
    const inserted = await this.#pool.query<{ id: string }>(
      `INSERT INTO users (id, display_name, external_id, external_key)
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])
       ON CONFLICT (external_key) WHERE ${HOLDS_EXTERNAL_ID} DO NOTHING RETURNING id`,
      [valid.map(() => toUuid('usr', newId('usr'))), valid.map(({ name }) => name), externalIds, keys],
    );
    const created = new Set(withIds(inserted.rows, { id: 'usr' }).map(({ id }) => id));
    const { rows } = await this.#pool.query<PerhapsBanned & { key: Buffer }>(
      `SELECT ${PERHAPS_BANNED}, external_key AS key FROM users
       WHERE external_key = ANY ($1::bytea[]) AND ${HOLDS_EXTERNAL_ID}`,
      [keys],
    );
    const known = new Map(
      withIds(rows, { id: 'usr' }).map(({ key, ...user }) => [key.toString('hex'), user] as const),
    );
    return Promise.allSettled(
      wanted.map(async ({ displayName: name, externalId }, i) => {
        if (names[i]?.status === 'rejected') throw names[i].reason;
        const found = known.get(externalKey(externalId).toString('hex'));
        // Erased between the two statements.
        if (found === undefined) return this.provision(name, externalId);
        return { user: unlessBanned(found), created: created.delete(found.id) };
      }),
    );
  }

  /** The user with these credentials, or null. A wrong password takes as long as an unknown user. */
  async authenticate({ username, password }: Credentials): Promise<User | null> {
    const { rows } = await inTurn(this.#pool, keyOfName(username), () =>
      this.#pool.query<User & { passwordHash: string }>(
        `SELECT ${USER}, password_hash AS "passwordHash" FROM users
         WHERE lower(username COLLATE "C") = lower($1 COLLATE "C") AND erased_at IS NULL`,
        // No username holds any of these: PostgreSQL takes no NUL, and makes an ASCII letter of "\u212a" or "\u0130", which
        // would be counted as other names than the one they find.
        [username.replaceAll(/[^!-~]/gu, ' ')],
      ),
    );
    const [found] = withIds(rows, { id: 'usr' });
    const verdict = await checkPassword(password, found?.passwordHash ?? null);
    if (found === undefined || verdict === 'wrong') return null;
    const { passwordHash, ...user } = found;
    if (verdict === 'outdated') await this.#rehash(user.id, password, passwordHash);
    return user;
  }

  /** Null if there is none, or it was erased. */
  async find(id: string): Promise<User | null> {
    const { rows } = await inTurn(this.#pool, id, () =>
      this.#pool.query<User>(`SELECT ${USER} FROM users WHERE id = $1 AND erased_at IS NULL`, [
        toUuid('usr', id),
      ]),
    );
    return withIds(rows, { id: 'usr' })[0] ?? null;
  }

  /** The users with these ids in the caller's own system, by these. One that is unknown or erased is left out. */
  async withExternalIds(externalIds: readonly string[]): Promise<Map<string, User>> {
    const { rows } = await this.#pool.query<User & { key: Buffer }>(
      `SELECT ${USER}, external_key AS key FROM users
       WHERE external_key = ANY ($1::bytea[]) AND ${HOLDS_EXTERNAL_ID} AND erased_at IS NULL`,
      [externalIds.map(externalKey)],
    );
    const byKey = new Map(
      withIds(rows, { id: 'usr' }).map(({ key, ...user }) => [key.toString('hex'), user]),
    );
    return new Map(
      externalIds.flatMap((externalId) => {
        const user = byKey.get(externalKey(externalId).toString('hex'));
        return user === undefined ? [] : [[externalId, user] as const];
      }),
    );
  }

  /** @throws Problem `not-found` */
  async get(id: string): Promise<User> {
    const user = await this.find(id);
    if (user === null) throw unknown(id);
    return user;
  }

  /** @throws Problem `not-found`, `user-banned`, `name-locked` */
  async rename(id: string, name: string): Promise<BoardsOfUser & { readonly user: User }> {
    // A guest may keep the name that it was given, and nobody else may have it.
    const shown = name === guestName(id) ? name : displayName(name);
    return await this.#change(id, async (client) => {
      // Waits for batches that hold the user's row, so that the boards of their scores are found.
      const renamed = 'display_name = CASE WHEN named_by IS NULL THEN $2 ELSE display_name END';
      const user = await this.#update(client, renamed, [id, shown]);
      if (user.displayName !== shown) throw nameLocked();
      const boards = boardKeys(await client.query<BoardRow>(BOARDS_OF_USER, [toUuid('usr', id)]));
      const changeId = newId('chg');
      await announce(client, {
        type: 'user-renamed',
        id: changeId,
        writer: this.#writer,
        userId: id,
        displayName: user.displayName,
        boards: boards.map(({ text }) => text),
      });
      return { user, changeId, boards };
    });
  }

  /**
   * Gives a guest a username and a password; its scores stay.
   * @throws Problem `username-taken`, `not-found`, `user-banned`, or `forbidden` if it has credentials already
   */
  async addCredentials(id: string, { username, password }: Credentials): Promise<User> {
    if ((await this.get(id)).username !== null) throw alreadyRegistered();
    const hash = await hashNewPassword(password);
    return uniqueUsername(
      username,
      // Users who want the same name wait for each other too.
      inTurn(this.#pool, keyOfName(username), () =>
        this.#change(id, async (client) => {
          const { rows } = await client.query<User>(`SELECT ${USER} FROM users WHERE id = $1 FOR UPDATE`, [
            toUuid('usr', id),
          ]);
          if (rows[0]?.username) throw alreadyRegistered();
          return await this.#update(client, 'username = $2, password_hash = $3', [id, username, hash]);
        }),
      ),
    );
  }

  /**
   * Erases what is personal and takes the user off every board, but for those of final seasons, where it has no name any more. Its events stay in the ledger, and its consumed tokens stay
   * consumed. What is left, the metadata of the events and the sessions, which have ended, is erased by the job that this asks for.
   * @param record is called in the transaction, for somebody else who erases the user
   * @throws Problem `not-found` only if somebody else erases it
   */
  async erase(id: string, record?: (client: Queryable) => Promise<unknown>): Promise<BoardsOfUser> {
    return await this.#change(id, async (client) => {
      // Waits for batches that hold the user's row; those that come later find it erased.
      const uuid = toUuid('usr', id);
      await client.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [uuid]);
      const { rowCount } = await client.query(ERASE, [uuid]);
      if (rowCount === 0 && record !== undefined) throw unknown(id);
      await record?.(client);
      await openForCorrection(client, BOARDS_WITH_ROW, [uuid], false);
      const boards = boardKeys(await client.query<BoardRow>(LEAVE_BOARDS, [uuid]));
      await addJob(client, ERASE_USER, { userId: id, before: null });
      const changeId = newId('chg');
      await announce(client, {
        type: 'user-erased',
        id: changeId,
        writer: this.#writer,
        userId: id,
        boards: boards.map(({ text }) => text),
      });
      return { changeId, boards };
    });
  }

  /** The user's score events, newest first, before the given one. */
  async history(userId: string, limit: number, before: string | null): Promise<ScoreEvent[]> {
    const { rows } = await inTurn(this.#pool, userId, () =>
      this.#replica.query<ScoreEvent>(
        `SELECT id AS "eventId", action_id AS action, points, metadata, ${rfc3339('accepted_at')} AS "acceptedAt",
                ${rfc3339('achieved_at')} AS "achievedAt", status
         FROM ${newestOfUser(`e.user_id = $1 ${before === null ? '' : `AND ${olderThan('$3::uuid')}`}`, '$2')} e
         ORDER BY ${NEWEST_OF_USER} LIMIT $2`,
        [toUuid('usr', userId), limit, ...(before === null ? [] : [toUuid('evt', before)])],
      ),
    );
    return withIds(rows, { eventId: 'evt' }).map((event) => withoutNull(event, 'achievedAt'));
  }

  #change<T>(id: string, work: (client: Queryable) => Promise<T>): Promise<T> {
    return inTurn(this.#pool, id, () => transact(this.#pool, work));
  }

  /** Unless the password was changed meanwhile. */
  async #rehash(id: string, password: string, outdated: string): Promise<void> {
    await this.#pool.query('UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash = $3', [
      toUuid('usr', id),
      await hashPassword(password),
      outdated,
    ]);
  }

  async #create(name: string | undefined, username: string | null, hash: string | null): Promise<User> {
    const id = newId('usr');
    const { rows } = await this.#pool.query<User>(
      `INSERT INTO users (id, display_name, username, password_hash) VALUES ($1, $2, $3, $4) RETURNING ${USER}`,
      [toUuid('usr', id), name ?? guestName(id), username, hash],
    );
    return one(withIds(rows, { id: 'usr' }), id);
  }

  /** @throws Problem `not-found`, `user-banned`; the transaction is then rolled back */
  async #update(
    client: Queryable,
    assignments: string,
    [id, ...values]: [id: string, ...unknown[]],
  ): Promise<User> {
    const { rows } = await client.query<PerhapsBanned>(
      `UPDATE users SET ${assignments} WHERE id = $1 AND erased_at IS NULL RETURNING ${PERHAPS_BANNED}`,
      [toUuid('usr', id), ...values],
    );
    return unlessBanned(one(withIds(rows, { id: 'usr' }), id));
  }
}

/** As the index compares names. */
const keyOfName = (username: string): string => `username ${username.toLowerCase()}`;

interface BoardRow {
  readonly leaderboard: string;
  readonly season: number;
}

const boardKeys = ({ rows }: { readonly rows: readonly BoardRow[] }): BoardKey[] =>
  rows.map(({ leaderboard, season }) => boardKey(leaderboard, season));

/** @throws Problem `not-found` if no row has come back */
function one<T extends User>([user]: T[], id: string): T {
  if (user === undefined) throw unknown(id);
  return user;
}

/** @throws Problem `user-banned` */
function unlessBanned({ isBanned, ...user }: PerhapsBanned): User {
  if (isBanned) throw userBanned();
  return user;
}

const unknown = (id: string) => new Problem('not-found', `There is no user "${id}".`);

const nameLocked = () =>
  new Problem('name-locked', 'An administrator has given this name: it cannot be changed.');

const alreadyRegistered = () =>
  new Problem('forbidden', 'This account already has a username and a password.');

async function uniqueUsername(username: string, write: Promise<User>): Promise<User> {
  try {
    return await write;
  } catch (error) {
    if (brokenConstraint(error) !== 'users_username_key') throw error;
    throw new Problem('username-taken', `The username "${username}" is taken.`);
  }
}
