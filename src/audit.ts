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
  /** A service account or a user. */
  readonly actor: string;
  readonly reason: string | null;
  /** Whether seasons that are final are corrected too. */
  readonly amend?: boolean;
}

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
  readonly query: { readonly reason?: string };
}): AdminAct => ({ actor: user.id, reason: query.reason ?? null });

/**
 * Records what an administrator does, in the transaction that does it.
 * @param id of the record, where it must be known before
 * @returns the id of the record
 */
export async function audit(
  client: Queryable,
  { actor, reason, amend = false }: AdminAct,
  action: AuditEntry['action'],
  target: string,
  details: object = {},
  id = newId('aud'),
): Promise<string> {
  await client.query(
    'INSERT INTO admin_audit (id, actor, action, target, reason, details) VALUES ($1, $2, $3, $4, $5, $6)',
    [
      toUuid('aud', id),
      actor,
      action,
      target,
      reason,
      JSON.stringify({ ...details, ...(amend && { amend }) }),
    ],
  );
  return id;
}

/** $1 from, the id $2 on; $3 until; $4 behind which id; $5 how many. */
const ENTRIES = `
SELECT id, at, actor, action, target, reason,
       CASE WHEN voided IS NULL THEN details ELSE (details::jsonb || jsonb_build_object('voided', voided))::json END AS details
FROM admin_audit LEFT JOIN admin_acts USING (id)
WHERE ($1::timestamptz IS NULL OR at >= $1) AND id >= $2 AND ($3::timestamptz IS NULL OR at < $3) AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5`;

/** The recorded acts of administrators. */
export class AuditLog {
  readonly #database: Queryable;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** Those of a span of time behind a position, the newest first. */
  async entries({ from, to }: Span, limit: number, behind: Position | null): Promise<Found<AuditEntry>> {
    const { rows } = await this.#database.query<Omit<AuditEntry, 'at'> & Position>(ENTRIES, [
      from === null ? null : new Date(from),
      firstKey('aud', from === null ? 0 : from - CLOCK_SLACK_MS),
      to === null ? null : new Date(to),
      behind?.id,
      limit + 1,
    ]);
    const { items, rest } = firstOf({ items: rows, rest: null }, limit);
    const named = withIds(items, { id: 'aud' });
    return { items: named.map((entry) => ({ ...entry, at: instant(entry.at) })), rest };
  }
}
