import { Type } from '@sinclair/typebox';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { newId } from '../ids.js';
import type { JobKind } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';
import { JOBS_SCHEMA } from '../postgres/jobs-schema.js';
import { toUuids } from '../stored-ids.js';

/** How many deliveries may wait for one webhook. Further ones are dead letters at once. What is published at the same time may exceed it. */
export const MAX_WAITING = 10_000;
/** News that are soon outdated are left out while so many wait. */
const MAX_WAITING_NEWS = 1_000;
const NEWS = 'leader.changed';
/** How long a dead letter is kept. */
export const DEAD_LETTER_KEPT = '30 days';
/** How many dead letters of one webhook are kept: the newest. Those before leave with the job `purge`, once a minute. */
export const MAX_DEAD = 10_000;
/** While there are so many, what cannot wait is not even kept. */
const MOST_DEAD = 2 * MAX_DEAD;

const Webhook = Type.Object({ webhook: Type.String({ description: 'A uuid.' }) });

/** Sends what is due to one webhook. */
export const DELIVER: JobKind<typeof Webhook> = {
  name: 'deliver-webhooks',
  payload: Webhook,
  keyOf: ({ webhook }) => webhook,
};

/** SQL: whether so many deliveries of the webhook `w` are in a state: found in the index, and no more are counted. */
export const hasAsMany = (state: 'waiting' | 'dead', many: number): string => `
EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.state = '${state}' OFFSET ${many - 1} LIMIT 1)`;

/**
 * $1 ids, $2 types, $3 data, $4 when they happened, or null: now. What waits is looked at once for each webhook, however many events
 * there are. The jobs have no key: one with a key would wait for every other transaction that publishes something. All but the first
 * of several find nothing to do.
 */
const PUBLISH = `
WITH receiver AS MATERIALIZED (
  SELECT id, events, is_full, CASE WHEN is_full THEN ${hasAsMany('dead', MOST_DEAD)} ELSE false END AS is_lost,
         CASE WHEN '${NEWS}' = ANY (events) THEN ${hasAsMany('waiting', MAX_WAITING_NEWS)} END AS is_behind
  FROM (SELECT id, events, ${hasAsMany('waiting', MAX_WAITING)} AS is_full
        FROM webhooks w WHERE events && $2::text[] AND disabled_at IS NULL AND removed_at IS NULL) w
), added AS (
  INSERT INTO webhook_deliveries (webhook_id, id, type, data, at, state, error, kept_until)
  SELECT r.id, e.id, e.type, e.data, coalesce(e.at, now()), CASE WHEN r.is_full THEN 'dead' ELSE 'waiting' END,
         CASE WHEN r.is_full THEN 'too many deliveries wait' END, CASE WHEN r.is_full THEN now() + interval '${DEAD_LETTER_KEPT}' END
  FROM unnest($1::uuid[], $2::text[], $3::json[], $4::timestamptz[]) AS e (id, type, data, at)
  JOIN receiver r ON e.type = ANY (r.events)
  WHERE NOT r.is_lost AND (e.type <> '${NEWS}' OR NOT r.is_behind)
  RETURNING webhook_id, state
)
SELECT j.id
FROM (SELECT DISTINCT webhook_id FROM added WHERE state = 'waiting') a,
     ${JOBS_SCHEMA}.add_job('${DELIVER.name}', json_build_object('webhook', a.webhook_id)) j`;

/**
 * Publishes events to the webhooks that want them, when the transaction of `client` has committed, and then also if instances are
 * killed. It waits for no other transaction.
 */
export async function publish(client: Queryable, ...events: readonly WebhookEvent[]): Promise<void> {
  if (events.length === 0) return;
  const ids = events.map(() => newId('msg'));
  await client.query(PUBLISH, [
    toUuids('msg', ids),
    events.map(({ type }) => type),
    events.map(({ data }) => JSON.stringify(data)),
    events.map(happenedAt),
  ]);
}

/** When an event has happened, if that was before it is published: time ends a season, also while no instance runs. */
const happenedAt = ({ type, data }: WebhookEvent): string | null =>
  type === 'season.ended' || type === 'season.skipped' ? data.endsAt : null;
