import t from 'tap';
import { RECORD_BATCH } from '../../src/ledger/statements.js';
import { buildTestDatabase } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from './game-server.js';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
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
    await pool.query(
      `PREPARE batch (text[], text[], text[], text[], bigint[], text[], float8[], float8[], text) AS ${RECORD_BATCH}`,
    );
    const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE batch ('{e}', '{t}', '{u}', '{${ACTION}}', '{1}', '{NULL}', '{0}', '{0}', 'i')`,
    );
    const scans = rows
      .flatMap(({ 'QUERY PLAN': [{ Plan }] }) => nodes(Plan))
      .filter(({ 'Node Type': type }) => /Scan/.test(type));
    const of = (relation: string) =>
      scans.filter((node) => node['Relation Name'] === relation || node['Index Name']?.startsWith(relation));
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
