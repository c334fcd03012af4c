import { createHash, createHmac, randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { AdminLogin, AdminRole, AdminSession } from '../../schemas/administrator.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { rfc3339 } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { type Seal, type Sealed, Unreadable } from '../sealing.js';
import { toUuid, withIds } from '../stored-ids.js';
import { NAMED } from './administrators.js';
import type { LoginAttempts } from './login-attempts.js';
import { newSecret, type Proof, proofOf } from './one-time-codes.js';
import { checkPassword } from './passwords.js';
import { BUNDLES } from './scopes.js';

const LONGEST_S = 12 * 3_600;
const IDLE_S = 30 * 60;
/** The use of a session is written down no more often. */
const NOTED_EVERY_S = 60;
const TOKEN = /^[\w-]{43}$/;

const FIND = `
SELECT id, password_hash AS "passwordHash", sealed, sealed_by AS "sealedBy" FROM administrators
WHERE ${NAMED} AND disabled_at IS NULL`;
/** Waits for a reset or another login of the same administrator. $2 the hash of the password that was right. */
const LOCK =
  'SELECT FROM administrators WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR UPDATE';
const USE_STEP = 'UPDATE administrators SET last_step = $2 WHERE id = $1 AND last_step < $2';
const USE_RECOVERY_CODE = `
UPDATE recovery_codes SET used_at = now() WHERE administrator_id = $1 AND code_hash = $2 AND used_at IS NULL`;
const OPEN = `
INSERT INTO administrator_sessions (secret_hash, administrator_id, expires_at)
VALUES ($1, $2, now() + ${LONGEST_S} * interval '1 second')`;
const IN_FORCE = `expires_at > now() AND s.used_at > now() - ${IDLE_S} * interval '1 second'`;
const GET = `
SELECT a.id, a.name, a.role, ${rfc3339('s.expires_at')} AS "expiresAt",
       s.used_at < now() - ${NOTED_EVERY_S} * interval '1 second' AS "isToBeNoted",
       (SELECT count(*)::int FROM recovery_codes c WHERE c.administrator_id = a.id AND c.used_at IS NULL) AS "recoveryCodesLeft"
FROM administrator_sessions s JOIN administrators a ON a.id = s.administrator_id
WHERE s.secret_hash = $1 AND ${IN_FORCE} AND a.disabled_at IS NULL`;
const NOTE = 'UPDATE administrator_sessions SET used_at = now() WHERE secret_hash = $1';
const END = 'DELETE FROM administrator_sessions WHERE secret_hash = $1';
const PURGE = `
DELETE FROM administrator_sessions WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM administrator_sessions s WHERE NOT (${IN_FORCE}) LIMIT $1))`;

interface Found extends Sealed {
  readonly id: string;
  readonly passwordHash: string;
}

interface AdminSessionsOptions {
  readonly pool: pg.Pool;
  readonly seal: Seal;
  readonly attempts: LoginAttempts;
  readonly onUnreadable: (error: Unreadable) => void;
}

/**
 * Sessions of people who administer. They are few, so each request looks its session up: what has ended has ended on every
 * instance. Of the token only a hash is stored, and the CSRF token is derived from it.
 */
export class AdminSessions {
  readonly #options: AdminSessionsOptions;
  /** In place of one who is unknown, so that the answer takes as long. */
  readonly #nobody: Sealed & { readonly id: string };

  constructor(options: AdminSessionsOptions) {
    this.#options = options;
    const id = newId('adm');
    this.#nobody = { id, ...options.seal.seal(id, newSecret()) };
  }

  /**
   * Opens a session for the right password with a code that was not used before.
   * @param network see networkOf()
   * @returns the token of the session
   * @throws Problem `invalid-credentials`, whatever was wrong, or `rate-limited` if there were too many tries for this name
   */
  async logIn({ name, password, code }: AdminLogin, network: string): Promise<string> {
    const { attempts, pool } = this.#options;
    // Not the name of a user: those hold no space.
    const account = `administrator ${name}`;
    await attempts.begin(account, network);
    // No name holds any other characters, of which PostgreSQL takes some for letters: see Users.authenticate().
    const named = name.replaceAll(/[^!-~]/gu, ' ');
    const { rows } = await inTurn(pool, account, () => pool.query<Found>(FIND, [named]));
    const [found] = withIds(rows, { id: 'adm' });
    const verdict = await checkPassword(password, found?.passwordHash ?? null);
    const proof = this.#proofOf(found ?? this.#nobody, code);
    if (found === undefined || verdict === 'wrong' || proof === null) throw wrong();
    const { id } = found;
    const token = randomBytes(32).toString('base64url');
    await inTurn(pool, account, () =>
      transact(pool, async (client) => {
        const uuid = toUuid('adm', id);
        const { rowCount } = await client.query(LOCK, [uuid, found.passwordHash]);
        if (rowCount !== 1 || !(await isFirstUse(client, uuid, proof))) throw wrong();
        await client.query(OPEN, [hashOf(token), uuid]);
      }),
    );
    await attempts.succeeded(account, network);
    return token;
  }

  /** Whose session this is, or null if it has ended. It counts as used. */
  async find(token: string): Promise<AdminSession | null> {
    if (!TOKEN.test(token)) return null;
    const { pool } = this.#options;
    const hash = hashOf(token);
    const { rows } = await pool.query<
      Pick<AdminSession, 'id' | 'name' | 'expiresAt' | 'recoveryCodesLeft'> & {
        role: AdminRole;
        isToBeNoted: boolean;
      }
    >(GET, [hash]);
    const [found] = withIds(rows, { id: 'adm' });
    if (found === undefined) return null;
    const { isToBeNoted, ...session } = found;
    if (isToBeNoted) await pool.query(NOTE, [hash]);
    return {
      ...session,
      scopes: [...BUNDLES[session.role]],
      csrfToken: csrfTokenOf(token),
      idleSeconds: IDLE_S,
    };
  }

  /** Null too where the secret cannot be read. */
  #proofOf({ id, ...sealed }: Sealed & { readonly id: string }, code: string): Proof | null {
    const { seal, onUnreadable } = this.#options;
    try {
      return proofOf(code, seal.open(id, sealed));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      onUnreadable(error);
      return null;
    }
  }

  async end(token: string): Promise<void> {
    await this.#options.pool.query(END, [hashOf(token)]);
  }
}

/** Deletes sessions that are over: at most `limit` of them. @returns whether there may be more */
export async function purgeAdminSessions(client: Queryable, limit: number): Promise<boolean> {
  return (await client.query(PURGE, [limit])).rowCount === limit;
}

/** Whether nobody has used it: of two at the same time, one waits for the row and then finds it used. */
async function isFirstUse(client: Queryable, uuid: string | null, proof: Proof): Promise<boolean> {
  const { rowCount } =
    proof.kind === 'code'
      ? await client.query(USE_STEP, [uuid, proof.step])
      : await client.query(USE_RECOVERY_CODE, [uuid, proof.hash]);
  return rowCount === 1;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Known to pages that can read the answers of the service, and so not to those of others. */
const csrfTokenOf = (token: string): string =>
  createHmac('sha256', token).update('scoreboard-api csrf').digest('base64url');

const wrong = () =>
  new Problem('invalid-credentials', 'Unknown name, wrong password, or wrong or used code.');
