import { Type } from '@sinclair/typebox';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { newId } from '../ids.js';
import type { JobKind } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';
import { JOBS_SCHEMA } from '../postgres/jobs-schema.js';
import { toUuids } from '../stored-ids.js';

/** How many deliveries may wait for one webhook. Further ones are dead letters at once. */
export const MAX_WAITING = 10_000;
/** News that are soon outdated are left out while so many wait. */
const MAX_WAITING_NEWS = 1_000;
const NEWS = 'leader.changed';
/** How long a dead letter is kept. */
export const DEAD_LETTER_KEPT = '30 days';

const Webhook = Type.Object({ webhook: Type.String({ description: 'A uuid.' }) });

/** Sends what is due to one webhook. */
export const DELIVER: JobKind<typeof Webhook> = {
  name: 'deliver-webhooks',
  payload: Webhook,
  keyOf: ({ webhook }) => webhook,
};

/**
 * $1 ids, $2 types, $3 data. The jobs have no key: one with a key would wait for every other transaction that has something to
 * tell. All but the first of several find nothing to do.
 */
const TELL = `
WITH added AS (
  INSERT INTO webhook_deliveries (webhook_id, id, type, data, state, error, kept_until)
  SELECT w.id, e.id, e.type, e.data, r.state, r.error, now() + CASE r.state WHEN 'dead' THEN interval '${DEAD_LETTER_KEPT}' END
  FROM unnest($1::uuid[], $2::text[], $3::json[]) AS e (id, type, data)
  JOIN webhooks w ON e.type = ANY (w.events) AND w.disabled_at IS NULL AND w.removed_at IS NULL
  CROSS JOIN LATERAL (
    SELECT count(*) AS waiting
    FROM (SELECT FROM webhook_deliveries WHERE webhook_id = w.id AND state = 'waiting' LIMIT ${MAX_WAITING}) d
  ) q
  CROSS JOIN LATERAL (
    SELECT CASE WHEN q.waiting < ${MAX_WAITING} THEN 'waiting' ELSE 'dead' END AS state,
           CASE WHEN q.waiting >= ${MAX_WAITING} THEN 'too many deliveries wait' END AS error
  ) r
  WHERE e.type <> '${NEWS}' OR q.waiting < ${MAX_WAITING_NEWS}
  RETURNING webhook_id, state
)
SELECT j.id
FROM (SELECT DISTINCT webhook_id FROM added WHERE state = 'waiting') a,
     ${JOBS_SCHEMA}.add_job('${DELIVER.name}', json_build_object('webhook', a.webhook_id)) j`;

/**
 * Tells events to the webhooks that want them, when the transaction of `client` has committed, and then also if instances are
 * killed. It waits for no other transaction.
 */
export async function tell(client: Queryable, ...events: readonly WebhookEvent[]): Promise<void> {
  if (events.length === 0) return;
  const ids = events.map(() => newId('msg'));
  await client.query(TELL, [
    toUuids('msg', ids),
    events.map(({ type }) => type),
    events.map(({ data }) => JSON.stringify(data)),
  ]);
}
