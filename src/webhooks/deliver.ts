import { Value } from '@sinclair/typebox/value';
import type pg from 'pg';
import type { Unit } from '../../schemas/unit.js';
import type { WebhookEvent, WebhookFormat } from '../../schemas/webhook.js';
import { now } from '../clock.js';
import { addJob, BITE_MS, type OutsideJob } from '../jobs/job.js';
import { type Queryable, transact } from '../postgres/database.js';
import { milliseconds, rfc3339 } from '../postgres/sql.js';
import { fromUuid, toUuids, withIds } from '../stored-ids.js';
import { discord } from './discord.js';
import { type Format, leaderboardsOf, type Message, type Names, seasonsOf, usersOf } from './message.js';
import { post, type Route, reasonOf } from './post.js';
import { DEAD_LETTER_KEPT, DELIVER, MAX_DEAD, MAX_WAITING } from './publish.js';
import { type Sealed, type Sealing, Unreadable } from './sealing.js';
import { signedHeaders } from './signature.js';
import { standard } from './standard.js';
import { isSuccess, nextTryMs } from './tries.js';

const FORMATS: Readonly<Record<WebhookFormat, Format>> = { standard, discord };

/** How long what was delivered is kept, to be looked up and replayed. */
const DELIVERED_KEPT = '3 days';

/** $1 a webhook. Waits for the end of a run that is just being recorded, whose last look may have missed what this one is for. */
const CLAIM = `
UPDATE webhooks
SET not_before = CASE WHEN not_before <= now() THEN now() + interval '${BITE_MS} milliseconds' ELSE not_before END
WHERE id = $1 AND disabled_at IS NULL AND removed_at IS NULL
RETURNING not_before = now() + interval '${BITE_MS} milliseconds' AS "isClaimed",
          ${milliseconds('not_before - now()')} AS "waitMs", format, sealed, sealed_by AS "sealedBy"`;
/** $1 a webhook, $2 for how many milliseconds it is to be left alone. */
const RELEASE = `
UPDATE webhooks SET not_before = CASE WHEN $2::float8 > 0 THEN now() + $2 * interval '1 millisecond' ELSE '-infinity' END
WHERE id = $1`;
const DUE = `
SELECT id, type, data, ${rfc3339('at')} AS at, tries FROM webhook_deliveries
WHERE webhook_id = $1 AND state = 'waiting' AND next_try_at <= now() ORDER BY next_try_at, id LIMIT $2`;
const NEXT = `
SELECT ${milliseconds('min(next_try_at) - now()')} AS "afterMs" FROM webhook_deliveries
WHERE webhook_id = $1 AND state = 'waiting'`;
/** $1 a webhook, $2 ids, $3 states, $4 statuses, $5 errors, $6 milliseconds until the next try. */
const RECORD = `
UPDATE webhook_deliveries d
SET state = r.state, tries = d.tries + 1, tried_at = now(), status = r.status, error = r.error,
    next_try_at = now() + r.after_ms * interval '1 millisecond',
    kept_until = now() + CASE r.state WHEN 'delivered' THEN interval '${DELIVERED_KEPT}' WHEN 'dead' THEN interval '${DEAD_LETTER_KEPT}' END
FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::float8[]) AS r (id, state, status, error, after_ms)
WHERE d.webhook_id = $1 AND d.id = r.id AND d.state = 'waiting'`;
const BURY = `
UPDATE webhook_deliveries SET state = 'dead', kept_until = now() + interval '${DEAD_LETTER_KEPT}'
WHERE webhook_id = $1 AND state = 'waiting'`;
const DISABLE = `
UPDATE webhooks SET disabled_at = now(), disabled_because = $2 WHERE id = $1 AND disabled_at IS NULL`;

const USERS = `
SELECT id, display_name AS name FROM users WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL`;
/** $1 leaderboards, $2 seasons: those whose scores are no plain numbers. */
const UNITS = `
SELECT s.leaderboard_id || ' ' || s.season AS id, s.rules->'unit' AS unit
FROM seasons s JOIN unnest($1::text[], $2::int[]) AS n (leaderboard, season) ON s.leaderboard_id = n.leaderboard AND s.season = n.season
WHERE s.rules ? 'unit'`;
const LEADERBOARDS = 'SELECT id, title AS name FROM leaderboards WHERE id = ANY ($1::text[])';

const countOf = (state: string, most: number): string => `
coalesce(sum((SELECT count(*) FROM (
  SELECT FROM webhook_deliveries WHERE webhook_id = w.id AND state = '${state}' LIMIT ${most}) d)), 0)::int AS ${state}`;
const COUNT = `SELECT ${countOf('waiting', MAX_WAITING)}, ${countOf('dead', MAX_DEAD)} FROM webhooks w`;

type Due = Message & { readonly tries: number };
/** What has become of a try: null if it was called off. */
type Result = { readonly due: Due; readonly status: number | null; readonly error: string | null };
export type TryResult = 'delivered' | 'failed' | 'gone';

interface DeliverOptions {
  readonly sealing: Sealing;
  readonly route: Route;
  /** Called after each try. */
  readonly onTry?: (result: TryResult, seconds: number) => void;
  /** A receiver does not exist any more. */
  readonly onGone?: (webhook: string) => void;
  readonly onUnreadable?: (error: Unreadable) => void;
}

/** How many deliveries wait, and how many are dead letters, of all webhooks. Of each no more are counted than it may have. */
export async function countDeliveries(
  database: Queryable,
): Promise<{ readonly waiting: number; readonly dead: number }> {
  const { rows } = await database.query<{ waiting: number; dead: number }>(COUNT);
  return rows[0] ?? { waiting: 0, dead: 0 };
}

/**
 * Nothing is published to a webhook any more, and what waits for it is a dead letter.
 * @param webhook its uuid
 */
export async function disable(
  client: Queryable,
  webhook: string | null,
  because: 'administrator' | 'gone',
): Promise<void> {
  await client.query(DISABLE, [webhook, because]);
  await client.query(BURY, [webhook]);
}

/**
 * Sends what is due to one webhook, and asks for the next run. One run at a time is at a webhook, on any instance, so a receiver that
 * hangs holds one place of this process for one try, and no transaction is open meanwhile. A process that dies in between leaves
 * everything as it was: what it has sent is sent again, with the same id.
 */
export const deliver = ({ sealing, route, onTry, onGone, onUnreadable }: DeliverOptions): OutsideJob => {
  async function send(
    webhook: string,
    { format: name, ...sealed }: Sealed & { readonly format: WebhookFormat },
    due: Due,
    names: Names,
    stopping: AbortSignal,
  ): Promise<Result & { readonly isGone: boolean; readonly pauseMs: number }> {
    const started = performance.now();
    const tried = (result: TryResult) => onTry?.(result, (performance.now() - started) / 1000);
    const format = FORMATS[name];
    try {
      const { url, secret, previous } = sealing.open(webhook, sealed);
      const body = JSON.stringify(format.bodyOf(due, names));
      const secrets = previous !== undefined && previous.until > now() ? [secret, previous.secret] : [secret];
      const headers = {
        'content-type': 'application/json',
        'user-agent': format.userAgent,
        ...signedHeaders(secrets, due.id, Math.floor(now() / 1000), body),
      };
      const answer = await post(format.urlOf(new URL(url)), headers, body, route, stopping);
      const isGone = format.isGone(answer);
      tried(isGone ? 'gone' : isSuccess(answer) ? 'delivered' : 'failed');
      return { due, status: answer.status, error: null, isGone, pauseMs: format.pauseMs(answer) };
    } catch (error) {
      stopping.throwIfAborted();
      tried('failed');
      if (error instanceof Unreadable) onUnreadable?.(error);
      const reason = error instanceof Unreadable ? 'its URL and secrets cannot be read' : reasonOf(error);
      return { due, status: null, error: reason, isGone: false, pauseMs: 0 };
    }
  }

  return {
    name: DELIVER.name,
    async run(pool, payload, stopping) {
      const { webhook } = Value.Parse(DELIVER.payload, payload);
      const claim = await claimed(pool, webhook);
      if (claim === null) return;
      const id = fromUuid('whk', webhook);
      const due = await dueOf(pool, webhook, FORMATS[claim.format].atATime);
      const names = await namesOf(pool, due);
      const sent = await Promise.allSettled(due.map((one) => send(id, claim, one, names, stopping)));
      // The others were called off because the process ends.
      const results = sent.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const isGone = results.some((result) => result.isGone);
      const pauseMs = Math.max(0, ...results.map((result) => result.pauseMs));
      await transact(pool, async (client) => {
        await client.query(RELEASE, [webhook, pauseMs]);
        await record(client, webhook, results, pauseMs);
        if (isGone) await disable(client, webhook, 'gone');
        const { rows } = await client.query<{ afterMs: number | null }>(NEXT, [webhook]);
        const afterMs = rows[0]?.afterMs ?? null;
        if (afterMs !== null) await addJob(client, DELIVER, { webhook }, Math.max(afterMs, pauseMs, 0));
      });
      if (isGone) onGone?.(id);
    },
  };
};

interface Claim extends Sealed {
  readonly isClaimed: boolean;
  readonly waitMs: number;
  readonly format: WebhookFormat;
}

/** The webhook, if this run may send to it; null if it is disabled, another run is at it, or it is to be left alone for a while. */
function claimed(pool: pg.Pool, webhook: string): Promise<Claim | null> {
  return transact(pool, async (client) => {
    const { rows } = await client.query<Claim>(CLAIM, [webhook]);
    const [claim] = rows;
    if (claim?.isClaimed === true) return claim;
    // Published by a transaction that did not see yet that it is disabled.
    if (claim === undefined) await client.query(BURY, [webhook]);
    else await addJob(client, DELIVER, { webhook }, claim.waitMs);
    return null;
  });
}

async function dueOf(pool: pg.Pool, webhook: string, limit: number): Promise<Due[]> {
  const { rows } = await pool.query<WebhookEvent & { id: string; at: string; tries: number }>(DUE, [
    webhook,
    limit,
  ]);
  return withIds(rows, { id: 'msg' });
}

async function namesOf(pool: pg.Pool, messages: readonly Message[]): Promise<Names> {
  const read = async (text: string, ids: readonly (string | null)[]) =>
    ids.length === 0 ? [] : (await pool.query<{ id: string; name: string }>(text, [ids])).rows;
  const users = withIds(await read(USERS, toUuids('usr', usersOf(messages))), { id: 'usr' });
  const leaderboards = await read(LEADERBOARDS, leaderboardsOf(messages));
  const byId = (rows: readonly { id: string; name: string }[]) =>
    new Map(rows.map(({ id, name }) => [id, name]));
  const seasons = seasonsOf(messages);
  const units = seasons.length === 0 ? [] : await unitsOf(pool, seasons);
  return {
    users: byId(users),
    leaderboards: byId(leaderboards),
    units: new Map(units.map(({ id, unit }) => [id, unit])),
  };
}

async function unitsOf(
  pool: pg.Pool,
  seasons: ReturnType<typeof seasonsOf>,
): Promise<{ readonly id: string; readonly unit: Unit }[]> {
  const values = [seasons.map(({ leaderboard }) => leaderboard), seasons.map(({ season }) => season)];
  return (await pool.query<{ id: string; unit: Unit }>(UNITS, values)).rows;
}

async function record(
  client: Queryable,
  webhook: string,
  results: readonly Result[],
  pauseMs: number,
): Promise<void> {
  if (results.length === 0) return;
  const outcomes = results.map(({ due, status, error }) => {
    if (status !== null && isSuccess({ status }))
      return { id: due.id, state: 'delivered', status, error, afterMs: 0 };
    const afterMs = nextTryMs(due.tries + 1);
    const state = afterMs === null ? 'dead' : 'waiting';
    return { id: due.id, state, status, error, afterMs: Math.max(afterMs ?? 0, pauseMs) };
  });
  await client.query(RECORD, [
    webhook,
    toUuids(
      'msg',
      outcomes.map(({ id }) => id),
    ),
    outcomes.map(({ state }) => state),
    outcomes.map(({ status }) => status),
    outcomes.map(({ error }) => error),
    outcomes.map(({ afterMs }) => afterMs),
  ]);
}
