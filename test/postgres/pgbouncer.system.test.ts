import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { query } from '../../dev/databases.js';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { Action } from '../../schemas/action.js';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { User } from '../../schemas/user.js';
import { assertFit } from '../../src/postgres/fitness.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { healthy, redisAgrees } from '../faults/under-load.js';
import { ACTION_TOKEN_SECRET, buildTestDatabase, JWT_SECRET } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { RedisServer } from '../redis-server.js';
import { startPgBouncer } from './pgbouncer.js';

t.setTimeout(120_000);

const SERVER = fileURLToPath(new URL('../../src/server.js', import.meta.url));
const SCORES = 40;

/** How a start ends, and all that it says. */
async function start(variables: Record<string, string>): Promise<{ code: unknown; said: string }> {
  const env = {
    PATH: process.env['PATH'],
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    JWT_SECRET,
    ACTION_TOKEN_SECRET,
  };
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, SERVER], { env: { ...env, ...variables } });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  return { code, said };
}

t.test('a pooler in transaction mode is refused without a direct URL, with what to do', async (t) => {
  const direct = await buildTestDatabase(t, 'template0');
  const pooled = await startPgBouncer(t, direct, 'transaction');
  const [alone, twice, asking] = await Promise.all([
    start({ DATABASE_URL: pooled }),
    start({ DATABASE_URL: pooled, DATABASE_DIRECT_URL: pooled }),
    start({ DATABASE_URL: `${pooled}?options=-c%20jit%3Doff` }),
  ]);
  t.equal(alone.code, 1);
  t.match(
    alone.said,
    /^DATABASE_URL leads to a connection pooler .* Set DATABASE_DIRECT_URL to PostgreSQL itself, .*\n$/,
  );
  t.equal(twice.code, 1);
  t.match(
    twice.said,
    /^What is announced through DATABASE_URL is not heard through DATABASE_DIRECT_URL\. .*\n$/,
  );
  t.equal(asking.code, 1);
  t.match(asking.said, /^A connection pooler refuses DATABASE_URL: .*options.*\n$/);
  t.same(
    await query(direct, "SELECT FROM pg_tables WHERE schemaname = 'public'"),
    [],
    'and nothing was migrated',
  );
});

t.test('a pooler in session mode works like PostgreSQL itself', async (t) => {
  const direct = await buildTestDatabase(t);
  const url = await startPgBouncer(t, direct, 'session');
  await assertFit({ url });
  await migrate(url);
  const { api } = await startApi(t, { DATABASE_URL: url });
  await newPlayer(api);
});

t.test('through a pooler in transaction mode two instances keep every promise', async (t) => {
  const direct = await buildTestDatabase(t);
  const database = new URL(direct).pathname.slice(1);
  for (const setting of [
    "DateStyle = 'German'",
    'lock_timeout = 1',
    "default_transaction_isolation = 'serializable'",
  ])
    await query(direct, `ALTER DATABASE ${database} SET ${setting}`);
  const url = await startPgBouncer(t, direct, 'transaction');
  // As instances that start together do.
  await Promise.all(Array.from({ length: 4 }, () => assertFit({ url, directUrl: direct })));
  await migrate(direct);
  const redis = await RedisServer.start(t);
  const config = {
    ...{ DATABASE_URL: url, DATABASE_DIRECT_URL: direct, DATABASE_REPLICA_URL: url },
    ...{ REDIS_MODE: 'single' as const, REDIS_URL: redis.url },
  };
  const [one, two] = [await startApi(t, config), await startApi(t, config)];
  const [server, admin] = [await serviceApi(one, 'server'), await serviceApi(one, 'admin')];

  const rules = { title: 'B', sort: 'desc', operator: 'increment', maxPointsPerMinute: 1_000_000 };
  (await admin.put('/v1/admin/leaderboards/board', rules)).is(200, Leaderboard);
  const action = {
    title: 'A',
    points: { min: 1, max: 1 },
    leaderboards: ['board'],
    issuer: 'server',
    minDurationMs: 0,
  };
  (await admin.put('/v1/admin/actions/daily', { ...action, dailyLimit: SCORES / 2 })).is(200, Action);
  (await admin.put('/v1/admin/actions/free', action)).is(200, Action);
  const player = await newPlayer(one.api);
  const score = async (act: string, i: number) => {
    const at = i % 2 === 0 ? one.url : two.url;
    return await server.at(at).post('/v1/scores', { actionToken: mint(player.id, { act, pts: [1, 1] }) });
  };
  const all = (act: string) => Promise.all(Array.from({ length: SCORES }, (_, i) => score(act, i)));
  for (const answer of await all('free')) answer.is(200, Receipt);
  const limited = (await all('daily')).filter(({ status }) => status === 200);
  t.equal(limited.length, SCORES / 2, 'limits hold, whatever the database is set to');
  const expected = SCORES + SCORES / 2;
  await eventually(async () => {
    for (const { api } of [one, two])
      t.match((await api.get(`/v1/leaderboards/board/entries/${player.id}`)).body, { score: expected });
  });

  (await player.api.post('/v1/auth/logout')).isEmpty(204);
  await eventually(async () => (await player.api.at(two.url).get('/v1/users/me')).fails('unauthenticated'));
  const other = await newPlayer(two.api, 'Bob');
  (await other.api.patch('/v1/users/me', { displayName: 'Robert' })).is(200, User);

  await redis.kill();
  await redis.restartEmpty();
  await healthy([one.url, two.url], 200, 'ok');
  await redisAgrees(t, openPool(t, direct), one.app.redis);
  const locks =
    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
  await eventually(async () =>
    t.same(await query(direct, locks), [], 'no lock is left with a session of the pooler'),
  );
  t.same((await one.app.pg.pool.query('SELECT name FROM pg_prepared_statements')).rows, []);
});
