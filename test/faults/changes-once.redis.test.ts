import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { User } from '../../schemas/user.js';
import { Users } from '../../src/access/users.js';
import { boardKey } from '../../src/board-key.js';
import { announce } from '../../src/changes/change.js';
import { eventually, newPlayer, projected, startApi } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { addPlayers, GameServer, newToken, openPool } from '../ledger/game-server.js';
import { newLedger, submission } from '../ledger/ledgers.js';
import { shown, truth } from '../ledger/truth.js';
import { RedisMonitor } from '../redis-monitor.js';
import { RedisServer } from '../redis-server.js';
import { BoardStream } from './board-stream.js';
import { single } from './under-load.js';

const GLOBAL = boardKey('global', 1);
const WIN = { act: 'win-match' };
const POINTS = 250;
/** Half a second until a change is overdue, and what a loaded machine takes for all else. */
const CONFIRMED_MS = 20_000;

/** Two instances that both have `global` open, and everything that their Redis executes. */
async function openTwo(t: Test) {
  const redis = await RedisServer.start(t);
  const databaseUrl = await buildTestDatabase(t);
  const config = { DATABASE_URL: databaseUrl, REDIS_SYNC_INTERVAL: 3_600_000, ...single(redis.url) };
  const one = await startApi(t, config);
  const two = await buildTestApp(t, config);
  const apps = [one.app, two.app];
  const pool = openPool(t, databaseUrl);
  const monitor = await RedisMonitor.open(t, redis.url);
  const game = new GameServer(t);
  const score = async (userId: string) =>
    assert.equal((await game.post(one.url, newToken(userId, POINTS, WIN))).status, 200);
  /** Opens boards on both instances. */
  const open = async (leaderboards: readonly string[]) => {
    for (const id of leaderboards)
      for (const { leaderboards } of apps) await leaderboards.page(boardKey(id, 1), 1);
    await projected(...apps);
  };
  const [player = ''] = await addPlayers(pool, 1);
  let probes = 0;
  /**
   * Announces a change that nobody applies, and awaits that both instances have tried to confirm it. Then every change before
   * it was confirmed as well, if it was to be.
   * @returns the scripts that were called, without those two
   */
  const settled = async (): Promise<Record<string, number>> => {
    const id = `evt_probe${++probes}`;
    // Older than what the board has, so it changes nothing.
    const entry: [string, number, number, number] = [player, 1, 0, 1];
    await announce(pool, { type: 'scores', id, writer: 'a dead one', board: GLOBAL.text, entries: [entry] });
    await eventually(async () => assert.equal((await confirmations(monitor, id)).length, 2), CONFIRMED_MS);
    const { confirm = 0, ...others } = monitor.counts;
    return { ...others, ...(confirm > 2 && { confirm: confirm - 2 }) };
  };
  for (let n = 0; n < 2; n++) await score(player);
  await open([GLOBAL.leaderboard]);
  await settled();
  await monitor.forget();
  return { one, two, pool, monitor, score, open, settled };
}

/** The scripts that have tried to confirm a change. */
async function confirmations(monitor: RedisMonitor, changeId: string) {
  await monitor.catchUp();
  return monitor.scripts.filter(
    ({ name, args }) =>
      ['confirm', 'rename', 'erase'].includes(name) &&
      args.some((arg) => arg.includes(`confirmed:${changeId}`)),
  );
}

t.test('each score is applied by its writer, once, and nobody else touches Redis', async (t) => {
  const { one, pool, monitor, score, settled } = await openTwo(t);
  const [player = ''] = await addPlayers(pool, 1);
  for (let n = 0; n < 10; n++) await score(player);
  t.same(await settled(), { apply: 10 });
  const { messages } = monitor;
  t.equal(messages.length, 10, 'one message each');
  for (const message of messages) {
    const [board, writer, changeId] = message.split(' ');
    t.match({ board, writer, changeId }, { board: 'global:1', writer: one.app.instance, changeId: /^chg_/ });
  }
});

t.test('a batch is one script for each of its boards, with five commands a score', async (t) => {
  const { one, pool, monitor, score } = await openTwo(t);
  const players = await addPlayers(pool, 40);
  for (const player of players) await score(player);
  await monitor.forget();
  // In one turn of the event loop, so that they are one batch.
  const act = { actionId: 'win-match' };
  await Promise.all(players.map((player) => one.app.ledger.record(submission(player, POINTS, act))));
  await monitor.catchUp();
  const [applied, ...others] = monitor.scripts.filter(({ name }) => name === 'apply');
  t.same(others, []);
  const calls: Record<string, number> = {};
  for (const name of applied?.calls ?? []) calls[name] = (calls[name] ?? 0) + 1;
  // What is known of the board and of all users at once; then ranks before and after, and what is written.
  const once = { hmget: 3, zscore: 1, hexists: 1, hincrby: 1, publish: 1 };
  t.same(calls, { ...once, zrank: 80, zrem: 40, zadd: 40, hset: 40 });
});

t.test('a rename touches the boards of the user alone', async (t) => {
  const { one, pool, monitor, score, open, settled } = await openTwo(t);
  await pool.query(
    "INSERT INTO leaderboards (id, title, sort, operator) SELECT 'b-' || n, 'B', 'desc', 'best' FROM generate_series(1, 49) n",
  );
  await open(Array.from({ length: 49 }, (_, n) => `b-${n + 1}`));
  const [nobody, ada] = [await newPlayer(one.api, 'Nobody'), await newPlayer(one.api, 'Ada')];
  await score(ada.id);

  await monitor.forget();
  (await nobody.api.patch('/v1/users/me', { displayName: 'Nemo' })).is(200, User);
  t.same(await settled(), {}, 'of a user who is on none: no script');
  t.same(monitor.messages, [], 'and no message');

  await monitor.forget();
  (await ada.api.patch('/v1/users/me', { displayName: 'Countess' })).is(200, User);
  t.same(await settled(), { rename: 2 }, 'of a user who is on one of 50: a script of each instance');
  t.match(monitor.messages, [/^global:1 \S+ chg_\w+ \w+ \d+$/], 'and one message');
});

t.test('at rest Redis is asked for the sentinel alone, however many boards are open', async (t) => {
  const { pool, monitor, open } = await openTwo(t);
  await pool.query(
    "INSERT INTO leaderboards (id, title, sort, operator) SELECT 'b-' || n, 'B', 'desc', 'best' FROM generate_series(1, 60) n",
  );
  await pool.query(
    `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
     SELECT l.id, 1, u.id, 5, -5, now(), 1 FROM leaderboards l, users u WHERE l.id LIKE 'b-%'`,
  );
  /** What is executed in the time in which each instance asks some four times. */
  const atRest = async () => {
    await monitor.forget();
    const gets = () => monitor.commands.filter(({ name }) => name === 'get').length;
    const start = performance.now();
    await eventually(async () => assert(gets() >= 8), 30_000);
    return { commands: [...monitor.commands, ...monitor.scripts], ms: performance.now() - start };
  };
  // For some seconds the writer of a change looks whether Redis still has it.
  await eventually(async () => {
    const { commands } = await atRest();
    assert(commands.every(({ name }) => name === 'get'));
  }, 20_000);
  for (const boards of [1, 61]) {
    if (boards > 1) await open(Array.from({ length: 60 }, (_, n) => `b-${n + 1}`));
    const { commands, ms } = await atRest();
    const others = commands.filter(({ name, args }) => `${name} ${args}` !== 'get scoreboard:sentinel');
    t.same(others, [], `${boards} boards`);
    t.ok(commands.length <= 2 * (ms / 500 + 1), `${commands.length} commands in ${ms.toFixed()} ms`);
  }
});

t.test('what a writer has committed and not applied is confirmed by one other instance', async (t) => {
  const { one, two, pool, monitor } = await openTwo(t);
  const urls = [one.url, two.url];
  const players = await addPlayers(pool, 150);
  const streams = await Promise.all(urls.map((url) => BoardStream.open(t, url)));
  const agree = async () => {
    const wanted = await truth(pool, 'global');
    await eventually(async () => {
      for (const url of urls) assert.deepEqual(await shown(url, 'global'), wanted);
      for (const { board } of streams) {
        assert.equal(board?.total, wanted.length);
        assert.deepEqual(
          board?.items.map(({ userId, score }) => [userId, score]),
          wanted.slice(0, 100).map(({ userId, score }) => [userId, score]),
        );
      }
    }, CONFIRMED_MS);
  };

  const { ledger } = newLedger(pool);
  const act = { actionId: 'win-match' };
  await ledger.record(submission(players[0] ?? '', POINTS, act));
  const start = performance.now();
  await agree();
  t.pass(`a score is on both instances and their streams: ${(performance.now() - start).toFixed()} ms`);
  await eventually(async () => assert.equal((await confirmations(monitor, 'chg_')).length, 2));
  t.equal(monitor.messages.length, 1, 'both try, and one has an effect');

  // More entries than one notification carries.
  await Promise.all(players.map((player) => ledger.record(submission(player, POINTS, act))));
  await agree();
  t.pass('a batch');

  const users = new Users(pool, 'a dead one');
  await monitor.forget();
  const [ada = '', bob = ''] = players;
  const renamed = await users.rename(ada, 'Countess');
  await eventually(async () => {
    for (const { board } of streams)
      assert(board?.items.some(({ displayName }) => displayName === 'Countess'));
  }, CONFIRMED_MS);
  await eventually(async () => assert.equal((await confirmations(monitor, renamed.changeId)).length, 2));
  t.equal(monitor.messages.length, 1, 'a rename');
  await monitor.forget();
  const erased = await users.erase(bob);
  await agree();
  await eventually(async () => assert.equal((await confirmations(monitor, erased.changeId)).length, 2));
  t.equal(monitor.messages.length, 1, 'an erasure');
  t.ok(streams.every(({ isOpen }) => isOpen));
});
