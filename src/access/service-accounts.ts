import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Scope } from '../../schemas/scope.js';
import type {
  Rotation,
  ServiceAccount,
  ServiceAccountRole,
  ServiceAccountSecret,
} from '../../schemas/service-account.js';
import { type AdminAct, audit, OPERATOR } from '../audit.js';
import { announce } from '../changes/change.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import { rfc3339 } from '../postgres/sql.js';
import { toUuid, withIds } from '../stored-ids.js';
import type { AccessClaims } from './access-tokens.js';
import { BUNDLES, known } from './scopes.js';

/** Either a role, or scopes of its own. */
export type Powers = { readonly role: ServiceAccountRole } | { readonly scopes: readonly Scope[] };

/** An act, and what its author may do: nobody gives, or takes hold of, what it has not. */
export interface AuthorizedAct extends AdminAct {
  readonly scopes: readonly Scope[];
}

const MEMBERS = `
id, name, role, scopes, ${rfc3339('created_at')} AS "createdAt", ${rfc3339('last_used_at')} AS "lastUsedAt",
${rfc3339('CASE WHEN previous_secret_until > now() AND revoked_at IS NULL THEN previous_secret_until END')} AS "previousSecretUntil",
${rfc3339('revoked_at')} AS "revokedAt"`;
const ADD = `
INSERT INTO service_accounts (id, name, role, scopes, secret_hash) VALUES ($1, $2, $3, $4, $5) RETURNING ${MEMBERS}`;
const AUTHENTICATE = `
SELECT ${MEMBERS} FROM service_accounts
WHERE id = $1 AND revoked_at IS NULL
  AND (secret_hash = $2 OR (previous_secret_hash = $2 AND previous_secret_until > now()))`;
const PAGE = `SELECT ${MEMBERS} FROM service_accounts WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`;
const ONE = `SELECT ${MEMBERS} FROM service_accounts WHERE id = $1`;
const NAMED = `SELECT ${MEMBERS} FROM service_accounts WHERE name = $1`;
const ROTATE = `
UPDATE service_accounts
SET previous_secret_hash = CASE WHEN $3 > 0 THEN secret_hash END, secret_hash = $2,
    previous_secret_until = CASE WHEN $3 > 0 THEN now() + $3 * interval '1 second' END
WHERE id = $1 RETURNING ${MEMBERS}`;
const REVOKE = `
UPDATE service_accounts SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING ${MEMBERS}`;
const NOTE_USE = `
UPDATE service_accounts SET last_used_at = now()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;

/** The use of an account is written down no more often, in milliseconds. */
const NOTED_EVERY_MS = 60_000;

const hash = (secret: string): Buffer => createHash('sha256').update(secret).digest();
const newSecret = (): string => randomBytes(32).toString('base64url');

/** Accounts of programs: game servers and administrators' tools. Each act is one transaction with its line in the audit. */
export class ServiceAccounts {
  readonly #pool: pg.Pool;
  /** When the use of an account was last written down, on the clock of `performance.now()`. There are few accounts. */
  readonly #noted = new Map<string, number>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * @returns the account with its secret, of which only a hash is stored
   * @throws Problem `name-taken`, `forbidden`
   */
  async create(
    name: string,
    powers: ServiceAccountRole | Powers,
    act: AuthorizedAct = OF_OPERATOR,
  ): Promise<ServiceAccountSecret> {
    const given = typeof powers === 'string' ? { role: powers } : powers;
    const [role, scopes] = 'role' in given ? [given.role, null] : [null, known(given.scopes)];
    assertCovers(act, scopes ?? BUNDLES[role ?? 'player']);
    const id = newId('svc');
    const secret = newSecret();
    try {
      return await transact(this.#pool, async (client) => {
        const values = [toUuid('svc', id), name, role, scopes, hash(secret)];
        const { rows } = await client.query<Row>(ADD, values);
        await audit(client, act, 'create-service-account', id, { name, ...given });
        return { ...one(rows, id), secret };
      });
    } catch (error) {
      if (brokenConstraint(error) !== 'service_accounts_name_key') throw error;
      throw new Problem('name-taken', `There is a service account "${name}" already. Choose another name.`);
    }
  }

  /** What the account with this id and secret is called in an access token, or null. It counts as used. */
  async authenticate(id: string, secret: string): Promise<AccessClaims | null> {
    const { rows } = await this.#pool.query<Row>(AUTHENTICATE, [toUuid('svc', id), hash(secret)]);
    const [account] = withIds(rows, { id: 'svc' });
    if (account === undefined) return null;
    const { role, scopes } = account;
    return role === null
      ? { sub: account.id, scope: known(scopes ?? []).join(' ') }
      : { sub: account.id, role };
  }

  /** Writes down that an account was used, once in a while. */
  async noteUse(id: string): Promise<void> {
    const now = performance.now();
    if (now < (this.#noted.get(id) ?? 0)) return;
    this.#noted.set(id, now + NOTED_EVERY_MS);
    await this.#pool.query(NOTE_USE, [toUuid('svc', id)]);
  }

  /** All that were ever made, newest first, before the given one. */
  async page(limit: number, before: string | null): Promise<ServiceAccount[]> {
    const values = [before === null ? null : toUuid('svc', before), limit];
    return shown((await this.#pool.query<Row>(PAGE, values)).rows);
  }

  /** @throws Problem `not-found` */
  async idOf(name: string): Promise<string> {
    const { rows } = await this.#pool.query<Row>(NAMED, [name]);
    return one(rows, name).id;
  }

  /** @throws Problem `not-found` */
  async one(id: string): Promise<ServiceAccount> {
    return one((await this.#pool.query<Row>(ONE, [toUuid('svc', id)])).rows, id);
  }

  /**
   * Gives an account another secret; the one before works for some time.
   * @throws Problem `not-found`, also if it is revoked, `forbidden`
   */
  async rotate(
    id: string,
    { overlapSeconds }: Pick<Rotation, 'overlapSeconds'>,
    act: AuthorizedAct = OF_OPERATOR,
  ): Promise<ServiceAccountSecret> {
    const secret = newSecret();
    return await this.#change(id, act, async (client, account) => {
      if (account.revokedAt !== null)
        throw new Problem('not-found', `The service account "${id}" is revoked.`);
      const { rows } = await client.query<Row>(ROTATE, [toUuid('svc', id), hash(secret), overlapSeconds]);
      await audit(client, act, 'rotate-service-account', id, { overlapSeconds });
      return { ...one(rows, id), secret };
    });
  }

  /**
   * Ends an account and its access tokens, at once and on every instance. Doing it again does no harm.
   * @throws Problem `not-found`, `forbidden`
   */
  async revoke(id: string, act: AuthorizedAct = OF_OPERATOR): Promise<ServiceAccount> {
    return await this.#change(id, act, async (client, account) => {
      if (account.revokedAt !== null) return account;
      const { rows } = await client.query<Row>(REVOKE, [toUuid('svc', id)]);
      await audit(client, act, 'revoke-service-account', id);
      // Not an instance: each of them is to take note.
      const header = { id: newId('chg'), writer: 'service-account' };
      await announce(client, { type: 'service-account-revoked', ...header, accountId: id });
      return one(rows, id);
    });
  }

  async #change<T>(
    id: string,
    act: AuthorizedAct,
    work: (client: Queryable, account: ServiceAccount) => Promise<T>,
  ): Promise<T> {
    return await transact(this.#pool, async (client) => {
      const { rows } = await client.query<Row>(`${ONE} FOR NO KEY UPDATE`, [toUuid('svc', id)]);
      const account = one(rows, id);
      assertCovers(act, account.scopes);
      return await work(client, account);
    });
  }
}

type Row = Omit<ServiceAccount, 'scopes'> & { readonly scopes: readonly Scope[] | null };

const OF_OPERATOR: AuthorizedAct = { ...OPERATOR, scopes: BUNDLES.admin };

const shown = (rows: Row[]): ServiceAccount[] =>
  withIds(rows, { id: 'svc' }).map(({ role, scopes, ...account }) => ({
    ...account,
    role,
    scopes: role === null ? known(scopes ?? []) : [...BUNDLES[role]],
  }));

function one(rows: Row[], id: string): ServiceAccount {
  const [account] = shown(rows);
  if (account === undefined) throw new Problem('not-found', `There is no service account "${id}".`);
  return account;
}

/**
 * Also for an account that is there: who rotates its secret can use it.
 * @throws Problem `forbidden`
 */
function assertCovers({ scopes }: AuthorizedAct, wanted: readonly Scope[]): void {
  const missing = wanted.find((scope) => !scopes.includes(scope));
  if (missing !== undefined)
    throw new Problem('forbidden', `You do not have the scope ${missing} yourself, which this account has.`);
}
