import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { type MigrateOptions, migrate } from '../../src/postgres/migrate.js';
import type { Told } from '../../src/postgres/migration-reports.js';
import { buildTestDatabase } from '../helper.js';

/** A database with a table `thing` of 3,000 rows, and a folder for the migrations of it. */
async function things(t: Test) {
  const url = await buildTestDatabase(t, 'template0');
  const connect = async () => {
    const client = new pg.Client(url);
    client.on('error', () => {});
    await client.connect();
    t.teardown(() => client.end());
    return client;
  };
  const client = await connect();
  const folder = t.testdir();
  const write = (name: string, sql: string) => writeFileSync(join(folder, `${name}.sql`), sql);
  write(
    '1.do.thing',
    `CREATE TABLE thing (kind text, n integer, done integer NOT NULL DEFAULT 0, PRIMARY KEY (kind, n));
     INSERT INTO thing SELECT 'it''s ' || n % 3, n FROM generate_series(1, 3000) n;`,
  );
  write('1.undo.thing', 'DROP TABLE thing;');
  await migrate(url, { folder });
  const values = async (sql: string) =>
    (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
  const reports: { message: string; data: Told }[] = [];
  const told = (options: MigrateOptions = {}): MigrateOptions => ({
    folder,
    report: (message, data) => void reports.push({ message, data }),
    ...options,
  });
  return { url, connect, client, folder, write, values, reports, told };
}

const PAGES = `
-- step: pages of thing (kind, n)
UPDATE thing SET done = done + 1 WHERE :page;
`;

t.test('pages take each row once, and go on where they were cut off', async (t) => {
  const { url, write, values, reports, told } = await things(t);
  write('2.do.pages', `${PAGES}-- step\nALTER TABLE thing ADD after integer;`);
  write('2.undo.pages', 'ALTER TABLE thing DROP after; UPDATE thing SET done = 0;');
  const cut = new AbortController();
  const interrupted = migrate(url, told({ signal: cut.signal, reportEveryMs: 1 }));
  while ((await values('SELECT rows FROM schemaprogress WHERE rows > 0').catch(() => [])).length === 0);
  cut.abort();
  await t.rejects(interrupted);
  const [rows] = await values('SELECT rows::int FROM schemaprogress');
  t.ok(Number(rows) > 0 && Number(rows) < 3000, `${rows} rows were done`);
  t.same(await values('SELECT count(*)::int FROM thing WHERE done = 1'), [rows]);

  t.same(await migrate(url, told()), { from: 1, to: 2 });
  t.same(await values('SELECT DISTINCT done FROM thing'), [1]);
  t.same(await values('SELECT * FROM schemaprogress'), []);
  t.match(reports.at(-1), { message: 'Migration ends', data: { name: 'pages', step: 2, rows: 3000 } });
});

t.test('an index that a failure has left invalid is built again', async (t) => {
  const { url, client, write, values, told } = await things(t);
  write('2.do.index', '-- step\nCREATE UNIQUE INDEX CONCURRENTLY thing_done_idx ON thing (kind, done);');
  write('2.undo.index', '-- step\nDROP INDEX CONCURRENTLY IF EXISTS thing_done_idx;');
  const valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('thing_done_idx')";
  await t.rejects(migrate(url, told()), { code: '23505' });
  t.same(await values(valid), [false]);
  await client.query('UPDATE thing SET done = n');
  await migrate(url, told());
  t.same(await values(valid), [true]);
  await migrate(url, told({ target: 1 }));
  t.same(await values(valid), [], 'and the way back is beside reads and writes too');
});

t.test('a change of a table does not queue behind a long transaction, and nobody behind it', async (t) => {
  const { url, connect, client, write, reports, told } = await things(t);
  write('2.do.column', 'ALTER TABLE thing ADD more text;');
  write('2.undo.column', 'ALTER TABLE thing DROP more;');
  const long = await connect();
  await long.query("SET application_name = 'a backup'; BEGIN; SELECT FROM thing LIMIT 1");
  await long.query('SELECT pg_sleep(1.1)');
  let isDone = false;
  const migrating = migrate(url, told({ reportEveryMs: 50 })).finally(() => {
    isDone = true;
  });
  await client.query('SET statement_timeout = 1000');
  const waits = () =>
    reports.some(({ data }) => /\(a backup\), in a transaction/.test(String(data.waitsFor)));
  let writes = 0;
  while (!waits() || writes < 100) {
    await client.query('UPDATE thing SET done = done + 1 WHERE n = 1');
    writes++;
  }
  t.notOk(isDone);
  await long.query('COMMIT');
  t.same(await migrating, { from: 1, to: 2 });
});

t.test('instances wait for the one that migrates, and do not keep it from building an index', async (t) => {
  const { url, connect, write, values, reports, told } = await things(t);
  write('2.do.index', '-- step\nCREATE INDEX CONCURRENTLY thing_done_idx ON thing (done);');
  write('2.undo.index', '-- step\nDROP INDEX CONCURRENTLY IF EXISTS thing_done_idx;');
  const old = await connect();
  // The index waits for this transaction, which has read the table as it was.
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE thing SET done = 0 WHERE n = 1');
  const first = migrate(url, told({ reportEveryMs: 20 }));
  while (
    (await values('SELECT FROM pg_stat_progress_create_index')).length === 0 &&
    !reports.some(({ data }) => 'index' in data)
  );
  const second = migrate(url, told({ reportEveryMs: 20 }));
  const says = (what: RegExp) =>
    reports.some(({ message, data }) => what.test(`${message} ${JSON.stringify(data)}`));
  while (!says(/Waiting for another instance .*"name":"index"/) || !says(/Migration goes on .*waiting for/))
    await values('SELECT 1');
  await old.query('COMMIT');
  t.same(await Promise.all([first, second]), [
    { from: 1, to: 2 },
    { from: 2, to: 2 },
  ]);
  t.same(await values("SELECT indisvalid FROM pg_index WHERE indexrelid = 'thing_done_idx'::regclass"), [
    true,
  ]);
});

t.test('who has nothing to do waits for nobody', async (t) => {
  const { url, client, folder, told } = await things(t);
  await client.query('SELECT pg_advisory_lock(7228501)');
  await client.query("INSERT INTO schemaprogress (version, action, name, md5) VALUES (2, 'do', 'newer', '')");
  t.same(await migrate(url, { folder }), { from: 1, to: 1 });
  await client.query("UPDATE schemaprogress SET version = 1, action = 'undo'");
  const cut = new AbortController();
  let isPending = false;
  const onPending = async () => {
    isPending = true;
    cut.abort();
  };
  await t.rejects(migrate(url, told({ onPending, signal: cut.signal })), { name: 'AbortError' });
  t.ok(isPending, 'unless its own version is being undone');
});

t.test('a migration that is half done must be ended by what has begun it', async (t) => {
  const { url, client, write, told } = await things(t);
  write('2.do.a', `${PAGES}-- step\nSELECT fails();`);
  write('2.undo.a', `${PAGES}-- step\nSELECT fails();`);
  await t.rejects(migrate(url, told()), { message: /fails\(\) does not exist/ });
  const half = { name: 'UnfitDatabase', message: /Migration 2 \(a\) is half done/ };
  await t.rejects(migrate(url, told({ target: 0 })), half);
  await t.rejects(migrate(url, told({ target: 1 })), half);
  write('2.do.a', `${PAGES}-- step\nSELECT 1;`);
  await t.rejects(migrate(url, told()), { message: /half done, and has another text/ });
  write('2.do.a', `${PAGES}-- step\nSELECT fails();`);
  await client.query('CREATE FUNCTION fails() RETURNS integer RETURN 1');
  t.same(await migrate(url, told()), { from: 1, to: 2 });
});
