import { createHash, randomBytes } from 'node:crypto';
import { brokenConstraint, type Queryable } from '../database.js';
import { newId } from '../ids.js';
import { StartError } from '../start-error.js';

export interface ServiceAccount {
  readonly id: string;
  readonly name: string;
  readonly role: 'server' | 'admin';
}

const hash = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Accounts of programs: game servers and administrators' tools. */
export class ServiceAccounts {
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /**
   * @returns the secret, which is stored nowhere
   * @throws StartError if the name is taken
   */
  async create(name: string, role: ServiceAccount['role']): Promise<{ id: string; secret: string }> {
    const id = newId('svc');
    const secret = randomBytes(32).toString('base64url');
    try {
      await this.#database.query(
        'INSERT INTO service_accounts (id, name, role, secret_hash) VALUES ($1, $2, $3, $4)',
        [id, name, role, hash(secret)],
      );
    } catch (error) {
      if (brokenConstraint(error) !== 'service_accounts_name_key') throw error;
      throw new StartError(`There is a service account "${name}" already. Choose another name.`);
    }
    return { id, secret };
  }

  /** The account with this id and secret, or null. */
  async authenticate(id: string, secret: string): Promise<ServiceAccount | null> {
    const { rows } = await this.#database.query<ServiceAccount>(
      'SELECT id, name, role FROM service_accounts WHERE id = $1 AND secret_hash = $2',
      // No id holds a NUL, and PostgreSQL takes none.
      [id.replaceAll('\0', ' '), hash(secret)],
    );
    return rows[0] ?? null;
  }
}
