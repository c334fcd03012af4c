import type pg from 'pg';
import t from 'tap';
import { BOARDS_OF_USER, LEAVE_BOARDS } from '../../src/access/users.js';
import { firstIdAt, newId } from '../../src/ids.js';
import { SET_BEST, SET_STATUS } from '../../src/ledger/correction.js';
import { RECORD_BATCH, RECORD_USERS } from '../../src/ledger/record-batch.js';
import {
  IN_ORDER_OF_INDEXES,
  idParameters,
  PASS_FENCES,
  PAST_DAYS,
  PAST_POINTS,
  RECOMPUTE,
} from '../../src/ledger/statements.js';
import { fromUuid, toUuid, toUuids } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from './game-server.js';

const ID = '00000000-0000-7000-8000-000000000000';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: Node[];
}

const nodes = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

for (const [statistics, sql] of [
  ['none', RECORD_BATCH],
  ['fresh', RECORD_BATCH],
  ['none', RECORD_USERS],
  ['fresh', RECORD_USERS],
] as const) {
  const users = sql === RECORD_USERS ? ' of users who come once' : '';
  t.test(`a batch${users} finds its rows by their primary keys (statistics: ${statistics})`, async (t) => {
    const databaseUrl = await buildTestDatabase(t);
    await prepare(databaseUrl, 0);
    const pool = openPool(t, databaseUrl, { max: 1 });
    await addPlayers(pool, 20_000);
    await pool.query(`INSERT INTO scores SELECT 'global', 1, id, 1, -1, now(), 1 FROM users`);
    if (statistics === 'fresh') await pool.query('ANALYZE');
    // What every connection settles on after five executions.
    await pool.query('SET plan_cache_mode = force_generic_plan');
    // As on every connection of the service.
    await pool.query('SET enable_seqscan = off');
    await pool.query(
      `PREPARE batch (uuid[], uuid[], uuid[], text[], bigint[], text[], float8[], float8[], text, bool[], uuid[], text[], text, float8[], text[]) AS ${sql}`,
    );
    const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE batch ('{${ID}}', '{${ID}}', '{${ID}}', '{${ACTION}}', '{1}', '{NULL}', '{0}', '{0}', 'i', '{f}', '{NULL}', '{key}', 'e', '{NULL}', '{NULL}')`,
    );
    const scans = rows
      .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
      .filter(({ 'Node Type': type }) => /Scan/.test(type));
    const of = (relation: string) =>
      scans.filter((node) => node['Relation Name'] === relation || node['Index Name']?.startsWith(relation));
    t.ok(
      // A bitmap has its condition in the scan of the index below it.
      of('leaderboards').every((node) => node['Index Cond'] ?? node['Node Type'] === 'Bitmap Heap Scan'),
      'of the leaderboards only those that are fed are read',
    );
    for (const relation of ['users', 'scores']) {
      t.ok(of(relation).length > 0);
      t.same(
        of(relation).filter((node) => node['Node Type'] === 'Seq Scan'),
        [],
        `${relation} is not read as a whole`,
      );
      const indexes = new Set(of(relation).flatMap((node) => node['Index Name'] ?? []));
      t.same([...indexes], [`${relation}_pkey`]);
    }
  });
}

/** The names of the indexes of partitions, and of those that they are part of. */
async function indexesOfPartitions(pool: pg.Pool): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ name: string; parent: string }>(
    `SELECT inhrelid::regclass::text AS name, inhparent::regclass::text AS parent
     FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid AND c.relkind = 'i'`,
  );
  return new Map(rows.map(({ name, parent }) => [name, parent]));
}

for (const statistics of ['none', 'fresh']) {
  t.test(
    `the past of a user is found without reading that of others (statistics: ${statistics})`,
    async (t) => {
      const databaseUrl = await buildTestDatabase(t);
      await prepare(databaseUrl, 0);
      const pool = openPool(t, databaseUrl, { max: 1 });
      const users = await addPlayers(pool, 1_000);
      await pool.query(
        `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards, status)
       SELECT overlay(gen_random_uuid()::text placing substr($3, 1, 13) from 1 for 13)::uuid, u, $2, gen_random_uuid(), 1, now(), '{"global": 1}',
              CASE WHEN n % 5 = 0 THEN 'voided' ELSE 'counted' END
       FROM unnest($1::uuid[]) u, generate_series(1, 50) n`,
        [toUuids('usr', users), ACTION, toUuid('evt', newId('evt'))],
      );
      if (statistics === 'fresh') await pool.query('ANALYZE');
      const [user] = users;
      const parents = await indexesOfPartitions(pool);
      const since = Date.now() - 60_000;
      const [from, to] = [since, Date.now() + 60_000].map((ms) => toUuid('evt', firstIdAt('evt', ms)));
      const month = new RegExp(`^score_events_${new Date().toISOString().slice(0, 7).replace('-', '')}$`);
      const { rows: known } = await pool.query<{ id: string }>('SELECT id FROM score_events LIMIT 5');
      const players = toUuids('usr', [user ?? '']);
      const those = idParameters(
        'evt',
        known.map(({ id }) => fromUuid('evt', id)),
      );
      const questions: [sql: string, values: unknown[], index: RegExp, partitions: RegExp][] = [
        [PAST_DAYS, [players, [ACTION], [since], from, to], /^score_events_(un)?counted_idx$/, month],
        [PAST_POINTS, [players, ['global'], [since], from, to], /^score_events_counted_idx$/, month],
        [
          SET_STATUS,
          [...those, ['counted', 'held'], 'voided', toUuid('aud', newId('aud'))],
          /^score_events_pkey$/,
          month,
        ],
        [PASS_FENCES, those, /^score_events_pkey$/, month],
        [SET_BEST, those, /^score_events_pkey$/, month],
        [RECOMPUTE, [...those, -1], /^score_events_((counted|best)_idx|pkey)$/, /./],
      ];
      // As on every connection of the service.
      await pool.query('SET enable_seqscan = off');
      await pool.query('BEGIN');
      await pool.query(IN_ORDER_OF_INDEXES);
      for (const [sql, values, index, partitions] of questions) {
        const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
          `EXPLAIN (FORMAT JSON) ${sql}`,
          values,
        );
        const scans = rows
          .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
          .filter(
            ({ 'Node Type': type, 'Relation Name': relation, 'Index Name': name }) =>
              /Scan/.test(type) && (relation?.startsWith('score_events') || parents.has(name ?? '')),
          );
        t.ok(scans.length > 0);
        t.ok(scans.every(({ 'Node Type': type }) => type !== 'Seq Scan'));
        const names = scans.flatMap(({ 'Index Name': name }) => name ?? []);
        t.same(
          names.map((name) => parents.get(name) ?? name).filter((name) => !index.test(name)),
          [],
          sql,
        );
        const read = scans.flatMap(({ 'Relation Name': name }) => name ?? []);
        t.same(
          read.filter((name) => !partitions.test(name)),
          [],
          'of no other month',
        );
      }
    },
  );
}

for (const statistics of ['none', 'fresh']) {
  t.test(`the boards of a user are found by an index of their own (statistics: ${statistics})`, async (t) => {
    const pool = openPool(t, await buildTestDatabase(t), { max: 1 });
    await addPlayers(pool, 5_000);
    await pool.query(`INSERT INTO scores SELECT 'global', 1, id, 1, -1, now(), 1 FROM users`);
    if (statistics === 'fresh') await pool.query('ANALYZE');
    for (const sql of [BOARDS_OF_USER, LEAVE_BOARDS]) {
      const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (FORMAT JSON) ${sql}`, [
        ID,
      ]);
      const indexes = rows
        .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
        .flatMap(({ 'Index Name': name }) => name ?? []);
      t.same(indexes, ['scores_user_idx']);
    }
  });
}
