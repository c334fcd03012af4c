import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { announce } from '../changes/change.js';
import { newId } from '../ids.js';
import { transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import { StartError } from '../start-error.js';
import { toUuid, withIds } from '../stored-ids.js';

export interface ServiceAccount {
  readonly id: string;
  readonly name: string;
  readonly role: 'server' | 'admin';
}

const hash = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Accounts of programs: game servers and administrators' tools. */
export class ServiceAccounts {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * @returns the secret, which is stored nowhere
   * @throws StartError if the name is taken
   */
  async create(name: string, role: ServiceAccount['role']): Promise<{ id: string; secret: string }> {
    const id = newId('svc');
    const secret = randomBytes(32).toString('base64url');
    try {
      await this.#pool.query(
        'INSERT INTO service_accounts (id, name, role, secret_hash) VALUES ($1, $2, $3, $4)',
        [toUuid('svc', id), name, role, hash(secret)],
      );
    } catch (error) {
      if (brokenConstraint(error) !== 'service_accounts_name_key') throw error;
      throw new StartError(`There is a service account "${name}" already. Choose another name.`);
    }
    return { id, secret };
  }

  /** The account with this id and secret, or null. */
  async authenticate(id: string, secret: string): Promise<ServiceAccount | null> {
    const { rows } = await this.#pool.query<ServiceAccount>(
      'SELECT id, name, role FROM service_accounts WHERE id = $1 AND secret_hash = $2 AND revoked_at IS NULL',
      [toUuid('svc', id), hash(secret)],
    );
    return withIds(rows, { id: 'svc' })[0] ?? null;
  }

  /** All that were ever made, oldest first. Times are in milliseconds since the epoch. */
  async list(): Promise<(ServiceAccount & { createdAt: number; revokedAt: number | null })[]> {
    const { rows } = await this.#pool.query<ServiceAccount & { createdAt: number; revokedAt: number | null }>(
      `SELECT id, name, role, ${ms('created_at')} AS "createdAt", ${ms('revoked_at')} AS "revokedAt"
       FROM service_accounts ORDER BY id`,
    );
    return withIds(rows, { id: 'svc' });
  }

  /**
   * Ends an account and its access tokens, at once and on every instance. Doing it again does no harm.
   * @returns its id
   * @throws StartError if there is no such account
   */
  async revoke(name: string): Promise<string> {
    return await transact(this.#pool, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        'UPDATE service_accounts SET revoked_at = coalesce(revoked_at, now()) WHERE name = $1 RETURNING id',
        [name],
      );
      const [account] = withIds(rows, { id: 'svc' });
      if (account === undefined) throw new StartError(`There is no service account "${name}".`);
      // Not an instance: each of them is to take note.
      const header = { id: newId('chg'), writer: 'service-account' };
      await announce(client, { type: 'service-account-revoked', ...header, accountId: account.id });
      return account.id;
    });
  }
}

/** Independent of the parsers of the connection: operators' scripts have none of ours. */
const ms = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::float8`;
