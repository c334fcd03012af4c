import type { AuditEntry } from '../schemas/moderation.js';
import { newId } from './ids.js';
import type { Queryable } from './postgres/database.js';
import { rfc3339 } from './postgres/sql.js';
import { toUuid, withIds } from './stored-ids.js';

/** Who does something as an administrator, and why. */
export interface AdminAct {
  /** A service account or a user. */
  readonly actor: string;
  readonly reason: string | null;
}

/** What the caller of an authenticated request does, for the reason in its body. */
export const actOf = ({
  user,
  body,
}: {
  readonly user: { readonly id: string };
  readonly body: { readonly reason?: string };
}): AdminAct => ({ actor: user.id, reason: body.reason ?? null });

/** Records what an administrator does, in the transaction that does it. @returns the id of the record */
export async function audit(
  client: Queryable,
  { actor, reason }: AdminAct,
  action: AuditEntry['action'],
  target: string,
  details: object = {},
): Promise<string> {
  const id = newId('aud');
  await client.query(
    'INSERT INTO admin_audit (id, actor, action, target, reason, details) VALUES ($1, $2, $3, $4, $5, $6)',
    [toUuid('aud', id), actor, action, target, reason, JSON.stringify(details)],
  );
  return id;
}

/** The recorded acts of administrators. */
export class AuditLog {
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** Newest first, before the given entry. */
  async entries(limit: number, before: string | null): Promise<AuditEntry[]> {
    const { rows } = await this.#database.query<AuditEntry>(
      `SELECT id, ${rfc3339('at')} AS at, actor, action, target, reason,
              CASE WHEN voided IS NULL THEN details ELSE (details::jsonb || jsonb_build_object('voided', voided))::json END AS details
       FROM admin_audit LEFT JOIN admin_acts USING (id)
       WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2`,
      [before === null ? null : toUuid('aud', before), limit],
    );
    return withIds(rows, { id: 'aud' });
  }
}
