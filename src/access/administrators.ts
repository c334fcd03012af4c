import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { AdminRole } from '../../schemas/administrator.js';
import { audit, OPERATOR } from '../audit.js';
import { newId } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import type { Seal } from '../sealing.js';
import { StartError } from '../start-error.js';
import { fromUuid, toUuid, withIds } from '../stored-ids.js';
import { newRecoveryCodes, newSecret, uriOf } from './one-time-codes.js';
import { hashPassword } from './passwords.js';

/** SQL: the row of the administrator whose name is $1. */
export const NAMED = 'lower(name COLLATE "C") = lower($1 COLLATE "C")';
const ADD = `
INSERT INTO administrators (id, name, role, password_hash, sealed, sealed_by) VALUES ($1, $2, $3, $4, $5, $6)`;
const LOCK = `SELECT id, name FROM administrators WHERE ${NAMED} FOR UPDATE`;
const RESET = `
UPDATE administrators SET password_hash = $2, sealed = $3, sealed_by = $4, disabled_at = NULL, last_step = 0 WHERE id = $1`;
const DISABLE = 'UPDATE administrators SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1';
const ADD_CODES = 'INSERT INTO recovery_codes (administrator_id, code_hash) SELECT $1, unnest($2::bytea[])';
const LIST = `
SELECT id, name, role, floor(extract(epoch FROM created_at) * 1000)::float8 AS "createdAt",
       floor(extract(epoch FROM disabled_at) * 1000)::float8 AS "disabledAt",
       (SELECT floor(extract(epoch FROM max(used_at)) * 1000)::float8 FROM administrator_sessions WHERE administrator_id = a.id) AS "seenAt",
       (SELECT count(*)::int FROM recovery_codes WHERE administrator_id = a.id AND used_at IS NULL) AS "recoveryCodesLeft"
FROM administrators a ORDER BY id`;

/** What a person needs to log in. It is shown once, and stored nowhere. */
export interface Enrolment {
  readonly id: string;
  readonly password: string;
  readonly uri: string;
  readonly recoveryCodes: readonly string[];
}

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly role: AdminRole;
  /** Times are in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly disabledAt: number | null;
  /** Of a session that is not yet forgotten. */
  readonly seenAt: number | null;
  readonly recoveryCodesLeft: number;
}

/** People who administer, as an operator makes them. Each act has its line in the audit. */
export class Administrators {
  readonly #pool: pg.Pool;
  readonly #seal: Seal;

  constructor(pool: pg.Pool, seal: Seal) {
    this.#pool = pool;
    this.#seal = seal;
  }

  /** @throws StartError if the name is taken */
  async create(name: string, role: AdminRole): Promise<Enrolment> {
    const id = newId('adm');
    const { enrolment, hash, sealed, sealedBy, hashes } = await this.#enrol(id, name);
    try {
      return await transact(this.#pool, async (client) => {
        await client.query(ADD, [toUuid('adm', id), name, role, hash, sealed, sealedBy]);
        await client.query(ADD_CODES, [toUuid('adm', id), hashes]);
        await audit(client, OPERATOR, 'create-administrator', id, { name, role });
        return enrolment;
      });
    } catch (error) {
      if (brokenConstraint(error) !== 'administrators_name_key') throw error;
      throw new StartError(`There is an administrator "${name}" already. Choose another name.`);
    }
  }

  /**
   * Gives somebody another password, another secret for codes and other recovery codes, ends all sessions, and enables an account that was
   * disabled.
   * @throws StartError if there is no such administrator
   */
  async reset(name: string): Promise<Enrolment> {
    return await this.#change(name, async (client, id, exactName) => {
      const { enrolment, hash, sealed, sealedBy, hashes } = await this.#enrol(id, exactName);
      await client.query(RESET, [toUuid('adm', id), hash, sealed, sealedBy]);
      await client.query('DELETE FROM recovery_codes WHERE administrator_id = $1', [toUuid('adm', id)]);
      await client.query(ADD_CODES, [toUuid('adm', id), hashes]);
      await audit(client, OPERATOR, 'reset-administrator', id);
      return enrolment;
    });
  }

  /** Ends all sessions of somebody, and lets them log in no more. @returns the id @throws StartError if there is no such administrator */
  async disable(name: string): Promise<string> {
    return await this.#change(name, async (client, id) => {
      await client.query(DISABLE, [toUuid('adm', id)]);
      await audit(client, OPERATOR, 'disable-administrator', id);
      return id;
    });
  }

  /** All that were ever made, oldest first. */
  async list(): Promise<Listed[]> {
    return withIds((await this.#pool.query<Listed>(LIST)).rows, { id: 'adm' });
  }

  /** Sessions are looked up at each request: what is deleted here has ended on every instance. */
  async #change<T>(
    name: string,
    work: (client: Queryable, id: string, name: string) => Promise<T>,
  ): Promise<T> {
    return await transact(this.#pool, async (client) => {
      const { rows } = await client.query<{ id: string; name: string }>(LOCK, [name]);
      const [found] = rows;
      if (found === undefined) throw new StartError(`There is no administrator "${name}".`);
      const done = await work(client, fromUuid('adm', found.id), found.name);
      await client.query('DELETE FROM administrator_sessions WHERE administrator_id = $1', [found.id]);
      return done;
    });
  }

  async #enrol(id: string, name: string) {
    const password = randomBytes(16).toString('base64url');
    const secret = newSecret();
    const { codes, hashes } = newRecoveryCodes();
    const enrolment: Enrolment = { id, password, uri: uriOf(secret, name), recoveryCodes: codes };
    return { enrolment, hash: await hashPassword(password), ...this.#seal.seal(id, secret), hashes };
  }
}
