import pg from 'pg';
import t, { type Test } from 'tap';
import type { AppConfig } from '../../src/config.js';
import { migrate } from '../../src/postgres/migrate.js';
import { Load } from '../faults/load.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { GameServer, openPool, prepare } from '../ledger/game-server.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { statement } from './runbook.js';

/** The rehearsal of "Rotate secrets" in docs/operations.md, with two instances under load. */

/** Two instances, and a load on the one that is not being restarted. */
async function startPair(t: Test, users: string[], config: Partial<AppConfig>) {
  const pair = [await buildTestApp(t, config), await buildTestApp(t, config)];
  let turn = 0;
  const load = new Load(new GameServer(t), users, 4, () => pair[turn]?.url ?? '');
  return {
    load,
    /** Replaces one after the other, as a deployment does. */
    async restart(config: Partial<AppConfig>): Promise<void> {
      for (const [i, { app }] of pair.entries()) {
        turn = 1 - i;
        // Requests in progress are answered first.
        await load.more(20);
        await app.close();
        pair[i] = await buildTestApp(t, config);
      }
      await load.more(20);
    },
  };
}

const refused = ({ answers }: Load) => answers.filter(({ status }) => status !== 200);

t.test('the password of the database is rotated with two alternating logins', async (t) => {
  const adminUrl = await buildTestDatabase(t, 'template0');
  const admin = openPool(t, adminUrl);
  const database = new URL(adminUrl).pathname.slice(1);
  // Roles belong to the whole server, so another run of this test must not find them.
  const named = (text: string) =>
    text.replaceAll(/\bscoreboard\b/g, 'scoreboard_before').replaceAll('scoreboard_', `${database}_`);
  const roles = ['a', 'b', 'owner', 'before'].map((name) => named(`scoreboard_${name}`)).join();
  t.teardown(() =>
    admin.query(`REASSIGN OWNED BY ${roles} TO CURRENT_USER; DROP OWNED BY ${roles}; DROP ROLE ${roles}`),
  );
  await admin.query(named("CREATE ROLE scoreboard LOGIN PASSWORD 'since the beginning'"));
  await admin.query(named(`ALTER DATABASE ${database} OWNER TO scoreboard`));
  const urlOf = (user: string, password: string) => {
    const url = new URL(adminUrl);
    url.username = named(user);
    url.password = password;
    return url.href;
  };
  const before = urlOf('scoreboard', 'since the beginning');
  await migrate(before);
  const users = await prepare(before, 10);
  await admin.query(named(statement('CREATE ROLE scoreboard_owner')));
  await admin.query(named(statement('GRANT scoreboard_owner')));
  const pair = await startPair(t, users, { DATABASE_URL: before });
  await pair.load.more(20);
  const first = urlOf('scoreboard_a', 'the one in use');
  await pair.restart({ DATABASE_URL: first });

  await admin.query(named("ALTER ROLE scoreboard_b PASSWORD 'a new one'"));
  await pair.restart({ DATABASE_URL: urlOf('scoreboard_b', 'a new one') });
  await admin.query(named("ALTER ROLE scoreboard_a PASSWORD 'that nobody knows'"));
  const client = new pg.Client(first);
  await t.rejects(client.connect(), { code: '28P01' }, 'the old one is worth nothing');
  await pair.load.more(20);
  await pair.load.stop();
  t.same(refused(pair.load), [], 'nothing was refused meanwhile');
  const { rows } = await admin.query('SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = $1', [
    'public',
  ]);
  t.same(rows, [{ tableowner: named('scoreboard_owner') }]);
});

t.test('the password of Redis is rotated with two valid passwords at a time', async (t) => {
  const redis = await RedisServer.start(t);
  const client = await connectTestRedis(t, redis.url);
  await client.call('ACL', 'SETUSER', 'default', 'resetpass', '>old');
  const urlOf = (password: string) => redis.url.replace('://', `://default:${password}@`);
  const databaseUrl = await buildTestDatabase(t);
  const config = (password: string) =>
    ({ DATABASE_URL: databaseUrl, REDIS_MODE: 'single', REDIS_URL: urlOf(password) }) as const;
  const pair = await startPair(t, await prepare(databaseUrl, 10), config('old'));
  await pair.load.more(20);

  await client.call('ACL', 'SETUSER', 'default', '>new');
  await pair.restart(config('new'));
  await client.call('ACL', 'SETUSER', 'default', '<old');
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await pair.load.more(20);
  await pair.load.stop();
  t.same(refused(pair.load), [], 'nothing was refused meanwhile');
  const ranked = pair.load.answers.slice(-5).map(({ receipt }) => receipt?.leaderboards.length);
  t.same(ranked, [3, 3, 3, 3, 3]);
});
