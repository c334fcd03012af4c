import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemplate, inDatabase, query } from '../dev/databases.js';
import { startEmbeddedPostgres } from '../dev/embedded-postgres.js';
import { firstKey, SCORE_EVENTS } from '../src/postgres/partitions.js';
import type { Result } from './case.js';
import type { Testbed } from './testbed.js';

/** How far back the events go. */
const DAYS = 365;
const DAY_MS = 86_400_000;

/** What was filled is not durable, so that it takes minutes and not hours. */
const POSTGRES = {
  shared_buffers: '1GB',
  maintenance_work_mem: '512MB',
  max_wal_size: '8GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
};

/** Users of whom there are one event in a hundred, three, a hundred of a hundred million, and none. */
export const BOT = '01900000-0000-7000-0000-000000000001';
export const VISITOR = '01900000-0000-7000-0000-000000000002';
export const SOMEBODY = '01900000-0000-7000-0000-000000000500';
export const NOBODY = '01900000-0000-7000-0000-000000000003';
export const ACCOUNT = '01900000-0000-7000-0000-0000000000a1';
export const RARE_ACCOUNT = '01900000-0000-7000-0000-0000000000a2';

/** Both numbers are parts of an id: the time and the version, and what makes it unique. */
const id = (high: string, low: string) =>
  `encode(int8send((${high})::bigint) || int8send((${low})::bigint), 'hex')::uuid`;
const USER_TIME = 0x01900000_00007000n;
/** Primes, so that the events of each user are spread evenly. */
export const USERS = { many: 999_983, some: 99_991 } as const;
const someone = (n: string, users: number) => id(String(USER_TIME), `1000 + ${n} * 7919 % ${users}`);

/** Measures in a database of its own whose ledger is filled: see fillYear(). */
export async function inYear(
  testbed: Testbed,
  count: number,
  now: number,
  measure: (url: string) => Promise<Result[]>,
  users: number = USERS.many,
): Promise<Result[]> {
  const directory = mkdtempSync(join(tmpdir(), 'scoreboard-year-'));
  const postgres = await startEmbeddedPostgres({ directory, fsync: false, settings: POSTGRES });
  try {
    await createTemplate(postgres.url, 'year');
    const url = inDatabase(postgres.url, 'year');
    await fillYear(url, count, now, users);
    await query(url, 'ANALYZE score_events');
    return await measure(url);
  } finally {
    await testbed.clear();
    await postgres.stop();
    rmSync(directory, { recursive: true });
  }
}

/**
 * Fills the ledger with events of a year, as lean as they can be: every month is inserted, and gets its indexes when it is attached.
 * Nothing of it goes to the write-ahead log where `wal_level` is minimal.
 * @param count how many; they are spread evenly
 * @param now when the last one was accepted, in milliseconds since 1970
 * @param users how many have most of them
 */
async function fillYear(url: string, count: number, now: number, users: number): Promise<void> {
  const stepMs = (DAYS * DAY_MS) / count;
  const first = now - DAYS * DAY_MS;
  const { table, period } = SCORE_EVENTS;
  for (let start = period.startOf(first); start <= now; start = period.next(start)) {
    const end = period.next(start);
    const numberAt = (ms: number) => Math.min(Math.max(Math.ceil((ms - first) / stepMs), 1), count + 1);
    const name = `${table}_${new Date(start).toISOString().slice(0, 7).replace('-', '')}`;
    await query(
      url,
      `BEGIN;
       SET LOCAL statement_timeout = 0;
       DROP TABLE IF EXISTS ${name};
       CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
       INSERT INTO ${name} (id, user_id, token_id, issued_by, points, accepted_at, status, action_id, signing_key, boards)
       SELECT e.id, user_id, e.id, CASE WHEN n % 1000003 = 11 THEN '${RARE_ACCOUNT}' WHEN n % 10 < 7 THEN user_id ELSE '${ACCOUNT}' END,
              10, to_timestamp(ms / 1000.0),
              CASE WHEN n % 997 = 1 THEN 'voided' WHEN n % 99991 = 2 THEN 'held' ELSE 'counted' END,
              CASE WHEN n = ${Math.ceil(count / 20)} THEN 'forgotten' WHEN n % 1000003 = 5 THEN 'rare' WHEN n % 9973 = 3 THEN 'seldom'
                   WHEN n % 2003 = 4 THEN 'uncommon' WHEN n % 10 = 0 THEN 'finish-level' ELSE 'collect-coin' END,
              CASE WHEN n % 1000003 = 8 THEN 'key_0bad0bad' WHEN n < ${count} * 0.6 THEN 'key_00000000' ELSE 'key_11111111' END,
              '{"global": 1}'
       FROM generate_series(${numberAt(start)}::bigint, ${numberAt(end) - 1}) n,
            LATERAL (SELECT (${first} + n * ${stepMs})::bigint AS ms) t,
            LATERAL (SELECT ${id('(ms << 16) | 28672', 'n')} AS id,
                            CASE WHEN n % 100 = 7 THEN '${BOT}' WHEN n IN (${count / 100}, ${count / 2}, ${count - 1}) THEN '${VISITOR}'
                                 ELSE ${someone('n', users)} END AS user_id) e;
       ALTER TABLE ${table} ATTACH PARTITION ${name}
         FOR VALUES FROM ('${firstKey('evt', start)}') TO ('${firstKey('evt', end)}');
       COMMIT`,
    );
  }
}
