import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { firstIdAt } from '../../src/ids.js';
import { VERIFYING, verify } from '../../src/ledger/verification.js';
import type { Difference } from '../../src/ledger/verification-statements.js';
import { connect } from '../../src/postgres/connection.js';
import { type Queryable, transact } from '../../src/postgres/database.js';
import { makeNextPartition, SCORE_EVENTS } from '../../src/postgres/partitions.js';
import { toUuid } from '../../src/stored-ids.js';
import { prepare } from './game-server.js';

/** When the month began that was so many months ago, in milliseconds since 1970. */
export const monthsAgo = (n: number): number => {
  let start = SCORE_EVENTS.period.startOf(Date.now());
  for (let i = 0; i < n; i++) start = SCORE_EVENTS.period.startOf(start - 1);
  return start;
};

export const nameOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);
export const tableOf = (ms: number): string => `score_events_${nameOf(ms).replace('-', '')}`;

export interface OldEvent {
  readonly user: string;
  readonly points: number;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly status?: 'counted' | 'held' | 'voided';
  /** Of one that was imported: what its file said. */
  readonly achieved?: number;
  readonly metadata?: string;
  /** As it is stored. */
  readonly tokenId?: string;
}

/** Boards of each operator in both orders, and partitions of past months. */
export async function prepareMonths(pool: pg.Pool, databaseUrl: string, months: number): Promise<void> {
  await prepare(databaseUrl, 0);
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator) VALUES ('best-lap', 'Lap', 'asc', 'best')`);
  while ((await transact(pool, (client) => makeNextPartition(client, monthsAgo(months)))) === 'more');
}

/** Writes events as they would have been recorded. @returns their ids as they are stored */
export async function addEvents(pool: pg.Pool, events: readonly OldEvent[]): Promise<string[]> {
  const ids = events.map(
    ({ at }) => `${(toUuid('evt', firstIdAt('evt', at)) ?? '').slice(0, 13)}-${randomTail()}`,
  );
  await pool.query(
    `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, status, metadata, best, boards, achieved_at, imported_by)
     SELECT id, uuid_of(u), 'finish-race', coalesce(token::uuid, gen_random_uuid()), points, to_timestamp(at / 1000.0), status,
            metadata::json, true, '{"global": 1, "best-race": 1, "latest-race": 1, "best-lap": 1}',
            to_timestamp(achieved / 1000.0), CASE WHEN achieved IS NOT NULL THEN gen_random_uuid() END
     FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::float8[], $5::text[], $6::text[], $7::text[], $8::float8[])
       e (id, u, points, at, status, metadata, token, achieved)`,
    [
      ids,
      events.map(({ user }) => user),
      events.map(({ points }) => points),
      events.map(({ at }) => at),
      events.map(({ status = 'counted' }) => status),
      events.map(({ metadata = null }) => metadata),
      events.map(({ tokenId = null }) => tokenId),
      events.map(({ achieved = null }) => achieved),
    ],
  );
  return ids;
}

const randomTail = (): string => {
  const hex = randomBytes(9).toString('hex');
  return `7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6)}`;
};

/** Gives `work` a session as `npm run verify` has it. */
export async function withVerifier<T>(
  databaseUrl: string,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  const options = { application_name: 'test', connectionTimeoutMillis: 5_000 };
  const client = await connect(databaseUrl, options, VERIFYING);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What `npm run verify` finds. */
export const differencesAt = (databaseUrl: string): Promise<Difference[]> =>
  withVerifier(databaseUrl, async (client) => {
    const found: Difference[] = [];
    await verify(client, {}, (difference) => found.push(difference));
    return found;
  });
