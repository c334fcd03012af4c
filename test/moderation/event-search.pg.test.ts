import assert from 'node:assert/strict';
import pg from 'pg';
import t from 'tap';
import type { Position } from '../../src/cursor.js';
import { type EventFilter, eventQuery, search } from '../../src/moderation/event-search.js';
import { poolOptions } from '../../src/postgres/connection.js';
import { type Queryable, transact } from '../../src/postgres/database.js';
import type { Span } from '../../src/span.js';
import { fromUuid, toUuids } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers } from '../ledger/game-server.js';
import { prepareMonths, tableOf } from '../ledger/old-months.js';

const DAY_MS = 86_400_000;
const EVENTS = 24_000;
const ACCOUNT = '01900000-0000-7000-8000-0000000000a1';
const NOBODY = '01900000-0000-7000-8000-0000000000a2';
const EVER: Span = { from: null, to: null };

/**
 * A hundred days of events, three at a time, whose ids are in another order than their times. Half of them are of another key, and
 * what is rare is in a dozen.
 */
const FILL = `
INSERT INTO score_events (id, user_id, token_id, issued_by, points, accepted_at, status, action_id, signing_key, boards)
SELECT (lpad(to_hex(ms), 12, '0') || '70008000' || lpad(to_hex(n * 7919 % 65521), 12, '0'))::uuid, u, gen_random_uuid(),
       CASE n % 7 WHEN 0 THEN '${ACCOUNT}'::uuid WHEN 1 THEN NULL ELSE u END, n, to_timestamp((ms + n % 3) / 1000.0),
       CASE WHEN n % 50 = 3 THEN 'voided' WHEN n % 400 = 5 THEN 'held' ELSE 'counted' END,
       CASE WHEN n % 1999 = 7 THEN 'rare' WHEN n % 3 = 0 THEN 'walk' ELSE 'run' END,
       CASE WHEN n < ${EVENTS / 2} THEN 'key_00000001' ELSE 'key_00000002' END, '{"global": 1}'
FROM generate_series(1, ${EVENTS}) n,
     LATERAL (SELECT ($2::bigint + n::bigint / 3 * ${(100 * DAY_MS * 3) / EVENTS})::bigint AS ms, ($1::uuid[])[1 + n % 5 % 3] AS u) e`;

interface Row {
  readonly id: string;
  readonly at: number;
  readonly user: string;
  readonly status: string;
  readonly action: string;
  readonly key: string;
  readonly issuer: string | null;
}

const databaseUrl = await buildTestDatabase(t);
const options = { application_name: 'test', connectionTimeoutMillis: 5_000, max: 2 };
const pool = new pg.Pool(poolOptions(databaseUrl, options, false));
t.teardown(() => pool.end());
await prepareMonths(pool, databaseUrl, 4);
const users = await addPlayers(pool, 3);
await pool.query(FILL, [toUuids('usr', users), Date.now() - 100 * DAY_MS]);
const [user = ''] = users;

const account = fromUuid('svc', ACCOUNT);
const FILTERS = [
  ...[{}, { status: 'counted' }, { status: 'held' }, { status: 'voided' }],
  ...[{ action: 'walk' }, { action: 'rare' }, { action: 'never' }],
  ...[{ issuer: 'player' }, { issuer: account }, { issuer: 'key_00000001' }, { issuer: 'key_00000002' }],
  ...[{ userId: user }, { userId: fromUuid('usr', NOBODY) }, { userId: user, status: 'held' }],
  ...[
    { userId: user, action: 'rare' },
    { userId: user, status: 'counted', issuer: account },
  ],
  ...[
    { status: 'voided', action: 'rare' },
    { status: 'counted', action: 'walk', issuer: 'key_00000001' },
  ],
] as EventFilter[];

const isOf =
  ({ status, userId, action, issuer }: EventFilter, { from, to }: Span) =>
  (row: Row): boolean =>
    (status ?? row.status) === row.status &&
    (userId === undefined || userId === fromUuid('usr', row.user)) &&
    (action ?? row.action) === row.action &&
    [
      undefined,
      row.key,
      row.issuer === row.user ? 'player' : row.issuer && fromUuid('svc', row.issuer),
    ].includes(issuer) &&
    row.at >= (from ?? 0) &&
    row.at < (to ?? Number.POSITIVE_INFINITY);

/** All that a search finds, page by page, and how many pages that takes. */
async function found(filter: EventFilter, span: Span, limit: number, ms: number) {
  const ids: string[] = [];
  let behind: Position | null = null;
  let pages = 0;
  do {
    const { items, rest } = await transact(pool, (client) =>
      search<object>(client, eventQuery(filter, span), { columns: 'e.points', behind, limit, ms }),
    );
    assert(items.length === limit || rest === null || ms === 0, 'a page is short');
    ids.push(...items.map(({ id }) => id));
    behind = rest;
    pages++;
  } while (behind !== null);
  return { ids, pages };
}

const OF_USER = ['score_events_counted_idx', 'score_events_uncounted_idx'];
const UNCOUNTED = ['score_events_status_idx'];
const ALL = ['score_events_pkey'];

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: Node[];
}
const nodes = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

for (const statistics of ['none', 'fresh']) {
  t.test(
    `each filter follows indexes, and opens no month before its time (statistics: ${statistics})`,
    async (t) => {
      if (statistics === 'fresh') await pool.query('ANALYZE score_events');
      const { rows: indexes } = await pool.query<{ name: string; parent: string }>(
        `SELECT inhrelid::regclass::text AS name, inhparent::regclass::text AS parent
       FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid AND c.relkind = 'I' OR c.oid = inhrelid AND c.relkind = 'i'`,
      );
      const parents = new Map(indexes.map(({ name, parent }) => [name, parent]));
      const from = Date.now() - 30 * DAY_MS;
      for (const filter of FILTERS) {
        const walked = new Set<string>();
        const sifted = new Set<string>();
        await transact(pool, (client) => {
          const explaining: Queryable = {
            query: async (sql, values) => {
              if (typeof sql !== 'string') {
                const explain = { ...sql, text: `EXPLAIN (FORMAT JSON) ${sql.text}` };
                const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(explain);
                const used = sql.text.includes('MATERIALIZED') ? sifted : walked;
                for (const node of rows.flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))) {
                  const { 'Node Type': type, 'Relation Name': table = '', 'Index Name': index } = node;
                  if (/^score_events/.test(table)) t.not(type, 'Seq Scan');
                  if (/^score_events_2/.test(table)) t.ok(table >= tableOf(from), `not ${table}`);
                  if (index?.startsWith('score_events')) used.add(parents.get(index) ?? index);
                }
              }
              return client.query(sql, values);
            },
          };
          const query = eventQuery(filter, { from, to: null });
          return search<object>(explaining, query, {
            columns: 'e.points',
            behind: null,
            limit: 20,
            ms: 10_000,
          });
        });
        const { userId, status, action, issuer } = filter;
        const isUncounted = status === 'held' || status === 'voided';
        const inOrder = userId !== undefined ? OF_USER : isUncounted ? UNCOUNTED : ALL;
        t.same(
          [...walked].filter((index) => !inOrder.includes(index)),
          [],
          JSON.stringify(filter),
        );
        const isRare = action === 'rare' || action === 'never' || issuer === 'key_00000001';
        if (inOrder === ALL && isRare && statistics === 'fresh')
          t.ok(sifted.has('score_events_search_idx'), JSON.stringify(filter));
      }
    },
  );
}

t.test('all events of a filter are found once, the newest first, whatever time there is', async (t) => {
  const { rows } = await pool.query<Row>(
    `SELECT id, accepted_at AS at, user_id AS user, status, action_id AS action, signing_key AS key, issued_by AS issuer
     FROM score_events ORDER BY id DESC`,
  );
  const byTime = rows.toSorted((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  const middle = rows[EVENTS / 2]?.at ?? 0;
  const spans: Span[] = [
    EVER,
    { from: middle - 9 * DAY_MS, to: null },
    { from: null, to: middle },
    { from: middle, to: middle + 1 },
  ];
  let most = 0;
  for (const filter of FILTERS) {
    for (const span of spans) {
      const expected = (filter.userId === undefined ? rows : byTime)
        .filter(isOf(filter, span))
        .map(({ id }) => id);
      for (const [limit, ms] of [
        [1_000, 10_000],
        [701, 0],
      ] as const) {
        const { ids, pages } = await found(filter, span, limit, ms);
        t.ok(
          ids.length === expected.length && ids.every((id, n) => id === expected[n]),
          JSON.stringify({ filter, span, limit }),
        );
        most = Math.max(most, pages);
      }
    }
  }
  t.ok(most > EVENTS / 1_000, 'also in pages that have found nothing');
});

t.test('a step that takes too long is cut off, and a smaller one taken', async (t) => {
  const [columns, limit, query] = ['e.points', 100, eventQuery({ action: 'rare' }, EVER)];
  let cut = 0;
  const { items } = await transact(pool, (client) => {
    const slowly: Queryable = {
      query: (sql, values) => {
        const isSlow = typeof sql !== 'string' && sql.text.includes('MATERIALIZED') && cut++ === 0;
        return isSlow ? client.query('SELECT pg_sleep(60)') : client.query(sql, values);
      },
    };
    return search<object>(slowly, query, { columns, limit, behind: null, ms: 3_000 });
  });
  t.ok(cut > 1);
  const { ids } = await found({ action: 'rare' }, EVER, limit, 10_000);
  t.same(
    items.map(({ id }) => id),
    ids.slice(0, items.length),
  );
});
