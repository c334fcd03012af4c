import assert from 'node:assert/strict';
import t from 'tap';
import { query } from '../../dev/databases.js';
import { EntryDetails } from '../../schemas/leaderboard.js';
import { now } from '../../src/clock.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { Load, nothingLost } from '../faults/load.js';
import { ACTION, GameServer, openPool, prepare, sum, withPool } from '../ledger/game-server.js';
import { agreement, events, truth } from '../ledger/truth.js';
import { mint } from '../mint.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { verify } from '../verify.js';
import { block } from './runbook.js';
import { SystemPostgres } from './system-postgres.js';

/** The rehearsal of "Backup and restore" in docs/operations.md, with the files and commands of that page. */

const CONVERGED_MS = 60_000;

t.test('a dump of a database that is being written to, restored into a new one', async (t) => {
  const postgres = await SystemPostgres.start(t);
  const redis = await RedisServer.start(t);
  const redisClient = await connectTestRedis(t, redis.url);
  const settings = { REDIS_MODE: 'single', REDIS_URL: redis.url } as const;
  // As on the recipe's machine: a role that may not create databases.
  await postgres.sh('createuser scoreboard && createdb --owner=scoreboard scoreboard');
  const oldUrl = postgres.url('scoreboard', 'scoreboard');
  await migrate(oldUrl);
  const users = await prepare(oldUrl, 30);
  const old = await startApi(t, { DATABASE_URL: oldUrl, ...settings });

  const later = async (name: string) => {
    const player = await newPlayer(old.api, name);
    const post = async () => {
      const { status } = await player.api.post('/v1/scores', {
        actionToken: mint(player.id, { act: ACTION }),
      });
      assert.equal(status, 200);
    };
    await post();
    return { ...player, post };
  };
  const [ada, bea] = [await later('Ada'), await later('Bea')];
  const load = new Load(new GameServer(t), users, 8, () => old.url);
  await load.more(200);
  const before = pointsOf(load);
  const withUrl = `DATABASE_URL='${oldUrl}'\n`;
  await postgres.sh(withUrl + block('sh', 'pg_dump'));
  const after = pointsOf(load);
  await load.more(100);
  await load.stop();
  // Changes after the backup: a score, a new player, and an erased one.
  await ada.post();
  const dan = await later('Dan');
  (await bea.api.delete('/v1/users/me')).isEmpty(204);
  await old.app.close();

  await postgres.sh(block('sh', 'createdb'));
  await postgres.sh(withUrl + block('sh', 'RESTORED_URL='));
  const newUrl = postgres.url('scoreboard_restored', 'scoreboard');
  const pool = openPool(t, newUrl);
  const standing = async (api: typeof old.api, id: string) =>
    api.get(`/v1/leaderboards/global/entries/${id}`);

  await t.test('the backup is one moment of the ledger', async (t) => {
    const rows = await truth(pool, 'global');
    const restored = sum(rows.filter(({ userId }) => users.includes(userId)).map(({ score }) => score));
    t.ok(
      before <= restored && restored <= after + 8 * 100,
      `${before} ≤ ${restored} ≤ ${after} and what was under way`,
    );
    t.match(await verify(newUrl), { code: 0, out: /All scores equal the ledger/ });
    const { from, to } = await migrate(newUrl);
    t.equal(from, to, 'with its schema');
  });

  await t.test(
    'Redis that was not emptied: scores are set back, but the board is not right until it is',
    async (t) => {
      const { api, app } = await startApi(t, { DATABASE_URL: newUrl, ...settings });
      await eventually(async () => {
        assert.equal((await standing(api, ada.id)).is(200, EntryDetails).score, 250);
        const metrics = await (await fetch(`${api.url}/metrics`)).text();
        assert.match(metrics, /^leaderboard_projection_loading_seconds 0$/m);
      }, CONVERGED_MS);
      (await standing(api, dan.id)).fails('not-found');
      (await standing(api, bea.id)).fails('not-found');
      const { rowCount } = await pool.query(
        "SELECT FROM scores WHERE leaderboard_id = 'global' AND user_id = uuid_of($1) AND score IS NOT NULL",
        [bea.id],
      );
      t.equal(rowCount, 1, 'is away, though the database has her');
      await redisClient.flushall();
      await eventually(async () => (await standing(api, bea.id)).is(200, EntryDetails), CONVERGED_MS);
      await agreement(t, pool, [api.url], CONVERGED_MS);
      await app.close();
    },
  );

  await t.test('with an emptied Redis everything is as in the backup', async (t) => {
    await redisClient.flushall();
    const { api, url } = await startApi(t, { DATABASE_URL: newUrl, ...settings });
    await agreement(t, pool, [url], CONVERGED_MS);
    (await standing(api, bea.id)).is(200, EntryDetails);
    // Sessions from before the backup are valid, later ones are unknown.
    t.equal(
      (await ada.api.at(url).post('/v1/scores', { actionToken: mint(ada.id, { act: ACTION }) })).status,
      200,
    );
    await eventually(async () =>
      assert.equal((await standing(api, ada.id)).is(200, EntryDetails).score, 500),
    );
    (await dan.api.at(url).get('/v1/users/me')).fails('not-found');
  });
});

/** What is not as on an operator's machine. */
const elsewhere = (folder: string, port: number): NodeJS.ProcessEnv => ({
  PGBACKREST_CONFIG: `${folder}/pgbackrest.conf`,
  PGBACKREST_REPO1_PATH: `${folder}/repository`,
  PGBACKREST_LOCK_PATH: `${folder}/lock`,
  PGBACKREST_SPOOL_PATH: `${folder}/spool`,
  PGBACKREST_LOG_LEVEL_FILE: 'off',
  PGBACKREST_PG1_PATH: `${folder}/data`,
  PGBACKREST_PG1_PORT: String(port),
  PGBACKREST_PG1_SOCKET_PATH: folder,
  PGBACKREST_PG1_USER: 'postgres',
});

t.test('a crash, and recovery to a moment', async (t) => {
  const postgres = await SystemPostgres.start(t, {
    settings: (folder) => `unix_socket_directories = '${folder}'\n${block('ini', '# postgresql.conf')}`,
    variables: elsewhere,
  });
  await postgres.sh(`cat > pgbackrest.conf <<'END'\n${block('ini', '# /etc/pgbackrest.conf')}\nEND`);
  const redis = await RedisServer.start(t);
  const redisClient = await connectTestRedis(t, redis.url);
  await query(postgres.url('postgres'), 'CREATE DATABASE scoreboard');
  const settings = {
    DATABASE_URL: postgres.url('scoreboard'),
    REDIS_MODE: 'single',
    REDIS_URL: redis.url,
  } as const;
  await migrate(settings.DATABASE_URL);
  const users = await prepare(settings.DATABASE_URL, 30);
  const before = await startApi(t, settings);
  const game = new GameServer(t);
  const url = () => before.url;

  const load = new Load(game, users, 8, url);
  await load.more(50);
  await postgres.sh(block('sh', 'pgbackrest --stanza=scoreboard stanza-create'));
  // pgBackRest knows the end of a backup to the second, and recovers from one that ended in a second before the moment.
  const nextSecond = Math.floor(now() / 1_000 + 1) * 1_000;
  do await load.more(150);
  while (now() < nextSecond);
  await load.stop();
  const moment = await momentOf(settings.DATABASE_URL);
  const later = new Load(game, users, 8, url);
  await later.more(100);
  const mistake = later.answers.filter(({ status }) => status === 200);
  postgres.kill();
  await later.stop();
  await before.app.close();

  await postgres.sh(`MOMENT='${moment}'\n${block('sh', 'mv "$PGDATA"')}`);
  await redisClient.flushall();
  const pool = openPool(t, settings.DATABASE_URL);
  const after = await startApi(t, settings);
  await agreement(t, pool, [after.url], CONVERGED_MS);
  const recorded = await events(pool);
  t.comment(nothingLost(t, load.answers, await truth(pool, 'global'), recorded));
  const tokens = new Set(recorded.map(({ tokenId }) => tokenId));
  t.same(
    mistake.filter(({ token }) => tokens.has(token.id)),
    [],
    'nothing of after the moment is there',
  );
  t.match(await verify(settings.DATABASE_URL), { code: 0, out: /All scores equal the ledger/ });

  const [again] = mistake;
  assert(again !== undefined);
  t.equal((await game.post(after.url, again.token)).status, 200, 'it takes scores, also of the lost tokens');
});

const momentOf = async (databaseUrl: string): Promise<string> => {
  const { rows } = await withPool(databaseUrl, (pool) =>
    pool.query<{ now: string }>('SELECT clock_timestamp()::text AS now'),
  );
  return rows[0]?.now ?? '';
};

const pointsOf = ({ answers }: Load): number =>
  sum(answers.filter(({ status }) => status === 200).map(({ token }) => token.points));
