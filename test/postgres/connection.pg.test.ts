import pg from 'pg';
import t, { type Test } from 'tap';
import { query } from '../../dev/databases.js';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { connect, poolOptions } from '../../src/postgres/connection.js';
import { types } from '../../src/postgres/database.js';
import { UnfitDatabase } from '../../src/postgres/errors.js';
import { migrate } from '../../src/postgres/migrate.js';
import { newPlayer, serviceApi, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { putLimitedActions } from '../limited-actions.js';
import { mint } from '../mint.js';

const OPTIONS = { application_name: 'scoreboard-api test', connectionTimeoutMillis: 5_000 };

/** What somebody else's database may be set to, and what every connection of ours has instead. */
const SETTINGS = {
  DateStyle: ['German, DMY', 'ISO, MDY'],
  IntervalStyle: ['sql_standard', 'postgres'],
  TimeZone: ['Asia/Kolkata', 'UTC'],
  extra_float_digits: ['-15', '1'],
  standard_conforming_strings: ['off', 'on'],
  array_nulls: ['off', 'on'],
  search_path: ['nowhere', '"$user", public'],
  default_transaction_isolation: ['serializable', 'read committed'],
  lock_timeout: ['1ms', '2s'],
  statement_timeout: ['4s', '5s'],
  idle_in_transaction_session_timeout: ['0', '10s'],
  // The times of this and the others leave a busy machine time to set ours.
  idle_session_timeout: ['5s', '0'],
  transaction_timeout: ['4s', '0'],
  synchronous_commit: ['off', 'on'],
  enable_seqscan: ['on', 'off'],
  jit: ['on', 'off'],
};
const names = Object.keys(SETTINGS);
const shown = `SELECT ${names.map((name) => `current_setting('${name}') AS "${name}"`).join(', ')}`;
const ours = Object.fromEntries(Object.entries(SETTINGS).map(([name, [, value]]) => [name, value]));

/** A database that is set otherwise than the code expects, and a URL that wants the same again, and more. */
async function hostileDatabase(t: Test): Promise<string> {
  const url = await buildTestDatabase(t);
  const database = new URL(url).pathname.slice(1);
  for (const [name, [value]] of Object.entries(SETTINGS))
    await query(
      new URL('/postgres', url).href,
      `ALTER DATABASE ${database} SET ${name} = ${name === 'search_path' ? value : `'${value}'`}`,
    );
  const hostile = new URL(url);
  hostile.searchParams.set('options', '-c enable_seqscan=on -c jit=on -c DateStyle=German -c work_mem=5MB');
  hostile.searchParams.set('application_name', 'somebody else');
  hostile.searchParams.set('query_timeout', '1');
  return hostile.href;
}

t.test(
  'every connection has the settings of the service, whatever the database and the URL say',
  async (t) => {
    const url = await hostileDatabase(t);
    const pool = new pg.Pool(poolOptions(url, { ...OPTIONS, query_timeout: 6_000, max: 2 }, false));
    const client = await connect(url, { ...OPTIONS, query_timeout: 6_000 });
    try {
      const clients = [await pool.connect(), await pool.connect()];
      for (const one of [client, ...clients]) {
        t.same((await one.query(shown)).rows, [ours]);
        const { rows } = await one.query(
          "SELECT current_setting('application_name') AS name, current_setting('work_mem') AS memory",
        );
        t.same(rows, [{ name: OPTIONS.application_name, memory: '5MB' }], 'what else the URL says is kept');
      }
      for (const one of clients) one.release();
    } finally {
      await client.end();
      await pool.end();
    }
  },
);

t.test('a service on such a database migrates it, keeps its limits and logs players in', async (t) => {
  const DATABASE_URL = await hostileDatabase(t);
  t.match(await migrate(DATABASE_URL), { to: Number });
  const service = await startApi(t, { DATABASE_URL });
  const { api } = service;
  const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
  await putLimitedActions(admin);
  const { id } = await newPlayer(api);
  const score = (act: string, points: number, userId = id) =>
    server.post('/v1/scores', {
      actionToken: mint(userId, { act, pts: [points, points] }),
      metadata: { a: null },
    });
  (await score('cool', 1)).is(200, Receipt);
  (await score('cool', 1)).fails('action-limit-reached');
  (await score('daily', 1)).is(200, Receipt);
  (await score('daily', 1)).fails('action-limit-reached');
  t.equal((await score('points', 10)).is(200, Receipt).status, 'counted');
  t.equal((await score('points', 10)).is(200, Receipt).status, 'held');

  const credentials = { username: 'Ada', password: 'correct horse battery staple' };
  (await api.post('/v1/auth/register', credentials)).is(201, Session);
  const { refreshToken } = (await api.post('/v1/auth/login', { ...credentials, username: 'aDA' })).is(
    200,
    Session,
  );
  (await api.post('/v1/auth/refresh', { refreshToken })).is(200, Session);
});

t.test('a time that cannot be read throws, so that a limit does not pass for kept', async (t) => {
  const parse = types.getTypeParser(1184);
  t.equal(parse('2026-11-29 12:00:00.5+05:30'), Date.parse('2026-11-29T06:30:00.500Z'));
  for (const text of ['29.11.2026 12:00:00.5 IST', 'Sun Nov 29 12:00:00 2026 UTC', 'infinity'])
    t.throws(() => parse(text), RangeError, text);
  const client = await connect(await buildTestDatabase(t), OPTIONS);
  await client.query("SET DateStyle = 'German'");
  await t.rejects(client.query('SELECT now()'), RangeError);
  await client.end();
});

t.test(
  'behind a pooler, whose sessions are as their role says, settings that are wrong are refused with what mends them',
  async (t) => {
    const url = await hostileDatabase(t);
    const database = new URL(url).pathname.slice(1);
    const pool = () => new pg.Pool(poolOptions(new URL(new URL(url).pathname, url).href, OPTIONS, true));
    const wrong = pool();
    const error: unknown = await wrong.query('SELECT').catch((thrown: unknown) => thrown);
    await wrong.end();
    if (!(error instanceof UnfitDatabase)) throw error;
    t.match(error.message, `DateStyle = German, DMY`);
    const commands = error.message.split('\n').slice(1);
    t.equal(commands.length, names.length);
    t.teardown(() =>
      query(new URL('/postgres', url).href, `ALTER ROLE postgres IN DATABASE ${database} RESET ALL`).catch(
        () => {},
      ),
    );
    for (const command of commands) await query(new URL('/postgres', url).href, command);
    const right = pool();
    t.same((await right.query(shown)).rows, [ours]);
    const named = { name: 'once', text: 'SELECT 1' };
    for (const query of [named, named]) await right.query(query);
    t.same(
      (await right.query('SELECT name FROM pg_prepared_statements')).rows,
      [],
      'and no statement has a name',
    );
    await right.end();
  },
);
