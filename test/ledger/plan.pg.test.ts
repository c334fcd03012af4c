import t from 'tap';
import { BOARDS_OF_USER, LEAVE_BOARDS } from '../../src/access/users.js';
import { firstIdAt } from '../../src/ids.js';
import { RECORD_BATCH } from '../../src/ledger/record-batch.js';
import { IN_ORDER_OF_INDEXES, PAST_DAYS, PAST_POINTS, RECOMPUTE } from '../../src/ledger/statements.js';
import { buildTestDatabase } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from './game-server.js';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: Node[];
}

const nodes = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

for (const statistics of ['none', 'fresh']) {
  t.test(`a batch finds its rows by their primary keys (statistics: ${statistics})`, async (t) => {
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
      `PREPARE batch (text[], text[], text[], text[], bigint[], text[], float8[], float8[], text, bool[], text[], text[], text) AS ${RECORD_BATCH}`,
    );
    const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE batch ('{e}', '{t}', '{u}', '{${ACTION}}', '{1}', '{NULL}', '{0}', '{0}', 'i', '{f}', '{NULL}', '{key}', 'e')`,
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

for (const statistics of ['none', 'fresh']) {
  t.test(
    `the past of a user is found without reading that of others (statistics: ${statistics})`,
    async (t) => {
      const databaseUrl = await buildTestDatabase(t);
      await prepare(databaseUrl, 0);
      const pool = openPool(t, databaseUrl, { max: 1 });
      const users = await addPlayers(pool, 1_000);
      const id = (n: string) => `'evt_01' || lpad(${n}::text, 24, '0')`;
      await pool.query(
        `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
       SELECT ${id('row_number() OVER ()')}, u, $2, 'tok', 1, now(), '{"global": 1}'
       FROM unnest($1::text[]) u, generate_series(1, 50)`,
        [users, ACTION],
      );
      if (statistics === 'fresh') await pool.query('ANALYZE');
      const [user] = users;
      const since = Date.now() - 60_000;
      const { rows: known } = await pool.query<{ id: string }>('SELECT id FROM score_events LIMIT 5');
      const questions: [sql: string, values: unknown[], index: RegExp][] = [
        [PAST_DAYS, [[user], [ACTION], [firstIdAt('evt', since)], [since]], /^score_events_user_idx$/],
        [
          PAST_POINTS,
          [[user], ['global'], [firstIdAt('evt', since)], [since]],
          /^score_events_(user|time)_idx$/,
        ],
        [RECOMPUTE, [known.map(({ id }) => id), -1], /^score_events_((user|time|points)_idx|pkey)$/],
      ];
      await pool.query('BEGIN');
      await pool.query(IN_ORDER_OF_INDEXES);
      for (const [sql, values, index] of questions) {
        const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
          `EXPLAIN (FORMAT JSON) ${sql}`,
          values,
        );
        const scans = rows
          .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
          .filter(
            ({ 'Node Type': type, 'Relation Name': relation, 'Index Name': name }) =>
              /Scan/.test(type) && (relation === 'score_events' || name?.startsWith('score_events')),
          );
        t.ok(scans.length > 0);
        t.ok(scans.every(({ 'Node Type': type }) => type !== 'Seq Scan'));
        t.ok(scans.flatMap(({ 'Index Name': name }) => name ?? []).every((name) => index.test(name)));
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
        'usr_1',
      ]);
      const indexes = rows
        .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
        .flatMap(({ 'Index Name': name }) => name ?? []);
      t.same(indexes, ['scores_user_idx']);
    }
  });
}
