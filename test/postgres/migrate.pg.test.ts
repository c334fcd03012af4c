import { readdirSync } from 'node:fs';
import pg from 'pg';
import t, { type Test } from 'tap';
import { migrate } from '../../src/postgres/migrate.js';
import { buildTestDatabase } from '../helper.js';

const NEWEST = readdirSync('migrations').filter((name) => name.includes('.do.')).length;

/** Everything that makes up a schema, as text; the comparison of two says what differs. */
const SCHEMA = `
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || coalesce('(' || datetime_precision || ')', '')
       || ' ' || coalesce(collation_name, '') || ' null ' || is_nullable || ' default ' || coalesce(column_default, '') AS part
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'row ' || l::text FROM (SELECT id, title, sort, operator, season FROM leaderboards) l
ORDER BY part`;

const TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";

async function emptyDatabase(t: Test): Promise<{ url: string; column(sql: string): Promise<unknown[]> }> {
  const url = await buildTestDatabase(t, 'template0');
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.end());
  const column = async (sql: string) => {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows.map(([value]) => value);
  };
  return { url, column };
}

const versions = Array.from({ length: NEWEST }, (_, i) => i + 1);
const VERSIONS = 'SELECT version::int FROM schemaversion WHERE version > 0 ORDER BY version';

t.test('ten instances that start at once migrate an empty database once', async (t) => {
  const { url, column } = await emptyDatabase(t);
  const results = await Promise.all(Array.from({ length: 10 }, () => migrate(url)));
  t.same(
    results.map(({ from }) => from).sort((a, b) => a - b),
    [0, ...Array(9).fill(NEWEST)],
    'the first does it all, the others find it done',
  );
  t.same(new Set(results.map(({ to }) => to)), new Set([NEWEST]));
  t.same(await column(VERSIONS), versions);
  t.same(await column("SELECT key FROM scoreboard_jobs.add_job('purge', job_key := 'all')"), ['all']);
});

t.test('do, undo and do again lead to the same schema, and undo leaves nothing behind', async (t) => {
  const { url, column } = await emptyDatabase(t);
  await migrate(url);
  const schema = await column(SCHEMA);
  t.ok(schema.length > 50);
  await column("SELECT scoreboard_jobs.add_job('purge')");
  t.same(await migrate(url, { target: 0 }), { from: NEWEST, to: 0 });
  t.same(await column("SELECT nspname FROM pg_namespace WHERE nspname = 'scoreboard_jobs'"), []);
  t.same(await column(TABLES), ['schemaprogress', 'schemaversion']);
  t.same(await migrate(url), { from: 0, to: NEWEST });
  t.same(await column(SCHEMA), schema);
});

t.test('each migration can be undone and done again alone', async (t) => {
  const { url, column } = await emptyDatabase(t);
  await migrate(url);
  const schema = await column(SCHEMA);
  for (const version of versions.toReversed()) {
    await migrate(url, { target: version - 1 });
    await migrate(url, { target: version });
    await migrate(url, { target: version - 1 });
  }
  await migrate(url);
  t.same(await column(SCHEMA), schema);
});

t.test('a migration that fails half-way leaves nothing, and the next try goes on from there', async (t) => {
  const { url, column } = await emptyDatabase(t);
  // Has the name of an index that the third migration makes after its table.
  await column('CREATE TABLE sessions_expires_idx ()');
  await t.rejects(migrate(url), { message: /sessions_expires_idx/ });
  t.same(await column(VERSIONS), [1, 2]);
  t.same(await column(TABLES), [
    'schemaprogress',
    'schemaversion',
    'scores',
    'sessions_expires_idx',
    'users',
  ]);
  await column('DROP TABLE sessions_expires_idx');
  t.same(await migrate(url), { from: 2, to: NEWEST });
  t.same(await column(VERSIONS), versions);
});

t.test('a migration and its row in schemaversion are one', async (t) => {
  const { url, column } = await emptyDatabase(t);
  await migrate(url, { target: 2 });
  await column('ALTER TABLE schemaversion ADD CONSTRAINT full_up CHECK (version < 4)');
  await t.rejects(migrate(url), { message: /full_up/ });
  t.same(await column(VERSIONS), [1, 2, 3]);
  t.same(await column(TABLES), ['schemaprogress', 'schemaversion', 'scores', 'sessions', 'users']);
});

t.test('a schema newer than the code is left alone', async (t) => {
  const { url, column } = await emptyDatabase(t);
  await migrate(url);
  const schema = await column(SCHEMA);
  await column(
    `INSERT INTO schemaversion (version, name, md5, run_at) VALUES (${NEWEST + 1}, 'future', 'x', now())`,
  );
  t.same(await migrate(url), { from: NEWEST + 1, to: NEWEST + 1 });
  t.same(await column(SCHEMA), schema);
});

t.test('a migration that was edited after it was applied is refused', async (t) => {
  const { url, column } = await emptyDatabase(t);
  await migrate(url, { target: 4 });
  await column("UPDATE schemaversion SET md5 = 'of another text' WHERE version = 3");
  await t.rejects(migrate(url), { message: /checksum failed for migration \[3\]/ });
  t.same(await column(VERSIONS), [1, 2, 3, 4], 'and nothing was done');
  await t.rejects(
    migrate(url, { target: 4 }),
    { message: /checksum failed/ },
    'even where nothing is to be done',
  );
});
