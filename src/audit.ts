import type { AuditEntry } from '../schemas/moderation.js';
import { instant } from './clock.js';
import { type Found, firstOf, type Position } from './cursor.js';
import { CLOCK_SLACK_MS, newId } from './ids.js';
import type { Queryable } from './postgres/database.js';
import { firstKey } from './postgres/partitions.js';
import type { Span } from './span.js';
import { toUuid, withIds } from './stored-ids.js';

/** Who does something as an administrator, and why. */
export interface AdminAct {
  /** A service account, a person who administers, or `operator`. */
  readonly actor: string;
  readonly reason: string | null;
  /** Whether seasons that are final are corrected too. */
  readonly amend?: boolean;
  /** The act that this one takes back. */
  readonly undoes?: string;
}

/** Somebody at the shell of a server, who needs no account. */
export const OPERATOR: AdminAct = { actor: 'operator', reason: null };

/** What the caller of an authenticated request does, for the reason in its body. */
export const actOf = ({
  user,
  body,
}: {
  readonly user: { readonly id: string };
  readonly body: { readonly reason?: string; readonly amend?: boolean };
}): AdminAct => ({ actor: user.id, reason: body.reason ?? null, amend: body.amend ?? false });

/** What the caller of an authenticated request without a body does, for the reason in its query. */
export const actOfQuery = ({
  user,
  query,
}: {
  readonly user: { readonly id: string };
  readonly query: { readonly reason?: string; readonly amend?: boolean };
}): AdminAct => ({
  actor: user.id,
  reason: query.reason ?? null,
  amend: query.amend ?? false,
});

/**
 * Records what an administrator does, in the transaction that does it.
 * @param id of the record, where it must be known before
 * @returns the id of the record
 */
export async function audit(
  client: Queryable,
  { actor, reason, amend = false, undoes }: AdminAct,
  action: AuditEntry['action'],
  target: string,
  details: object = {},
  id = newId('aud'),
): Promise<string> {
  await client.query(
    'INSERT INTO admin_audit (id, actor, action, target, reason, details, undoes) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [
      toUuid('aud', id),
      actor,
      action,
      target,
      reason,
      JSON.stringify({ ...details, ...(amend && { amend }) }),
      undoes === undefined ? null : toUuid('aud', undoes),
    ],
  );
  return id;
}

/** SQL: the name of the service account, person or user that has done something; null if it has none, or was erased. */
export const actorName = (actor: string): string => `coalesce(
  (SELECT name FROM service_accounts s WHERE ${actor} LIKE 'svc%' AND s.id = uuid_of(${actor})),
  (SELECT name FROM administrators p WHERE ${actor} LIKE 'adm%' AND p.id = uuid_of(${actor})),
  (SELECT display_name FROM users u WHERE ${actor} LIKE 'usr%' AND u.id = uuid_of(${actor}) AND u.erased_at IS NULL))`;

/** Which acts are looked for: the actor by its id, or the name of the service account or person. */
export interface AuditFilter {
  readonly actor?: string;
  readonly action?: AuditEntry['action'];
  readonly target?: string;
}

const COLUMNS = `
a.id, a.at, a.actor, ${actorName('a.actor')} AS "actorName", a.action, a.target, a.reason,
CASE WHEN voided IS NULL THEN details ELSE (details::jsonb || jsonb_build_object('voided', voided))::json END AS details,
(SELECT u.id FROM admin_audit u WHERE u.undoes = a.id) AS "undoneBy"`;

/** The recorded acts of administrators. */
export class AuditLog {
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** Those of a span of time behind a position, the newest first. */
  async entries(
    { actor, action, target }: AuditFilter,
    { from, to }: Span,
    limit: number,
    behind: Position | null,
  ): Promise<Found<AuditEntry>> {
    const values: unknown[] = [];
    const where = ['true'];
    const add = (condition: string, value: unknown) => where.push(`${condition} $${values.push(value)}`);
    if (from !== null) {
      add('a.at >=', new Date(from));
      add('a.id >=', firstKey('aud', from - CLOCK_SLACK_MS));
    }
    if (to !== null) add('a.at <', new Date(to));
    if (behind !== null) add('a.id <', behind.id);
    if (action !== undefined) add('a.action =', action);
    if (target !== undefined) add('a.target =', target);
    if (actor !== undefined) {
      const given = `$${values.push(actor)}`;
      where.push(
        `(a.actor = ${given} OR a.actor IN (
          SELECT typeid('svc', id) FROM service_accounts WHERE name = ${given} UNION ALL
          SELECT typeid('adm', id) FROM administrators WHERE name = ${given}))`,
      );
    }
    const { rows } = await this.#database.query<Omit<AuditEntry, 'at'> & Position>(
      `SELECT ${COLUMNS} FROM admin_audit a LEFT JOIN admin_acts USING (id)
       WHERE ${where.join(' AND ')} ORDER BY a.id DESC LIMIT ${limit + 1}`,
      values,
    );
    const { items, rest } = firstOf({ items: rows, rest: null }, limit);
    const named = withIds(items, { id: 'aud', undoneBy: 'aud' });
    return { items: named.map((entry) => ({ ...entry, at: instant(entry.at) })), rest };
  }
}
