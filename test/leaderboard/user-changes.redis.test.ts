import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { User } from '../../schemas/user.js';
import { type BoardKey, boardKey } from '../../src/board-key.js';
import { announce } from '../../src/changes/change.js';
import { eventually, newPlayer, projected, serviceApi, startApi } from '../api.js';
import { BoardStream } from '../faults/board-stream.js';
import { single } from '../faults/under-load.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { RedisServer } from '../redis-server.js';

const BOARDS = 20_000;
/** Boards that somebody looks at: on the first instance, on the second one, on both. */
const WATCHED = { first: 'level-1', second: 'level-2', both: 'level-3' };
/** One user's renames in a few seconds, and the connections that they may take: some each, however many boards there are. */
const RENAMES = 5;
const CONNECTIONS = 1_000;
/** One that the first instance has had open, and has closed again, and one that nobody has opened. */
const CLOSED = boardKey('level-4', 1);
const COLD = boardKey('level-5', 1);
const WHY = { reason: 'A test.' };
/** A request has ended by then: with its answer, or a 503. */
const AT_ONCE_MS = 5_000;

/** Two instances, and a player who stands on all boards beside somebody else. */
async function openTwo(t: Test, mode: 'redis' | 'memory') {
  const databaseUrl = await buildTestDatabase(t);
  const shared = mode === 'redis' ? single((await RedisServer.start(t)).url) : {};
  const config = { DATABASE_URL: databaseUrl, ...shared };
  const one = await startApi(t, config);
  const two = await buildTestApp(t, config);
  const pool = openPool(t, databaseUrl);
  const [ada, bo] = [await newPlayer(one.api, 'Ada'), await newPlayer(one.api, 'Bo')];
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator) SELECT 'level-' || n, 'Level', 'desc', 'best' FROM generate_series(1, ${BOARDS}) n`,
  );
  for (const [points, { id }] of [ada, bo].entries())
    await pool.query(
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
       SELECT id, 1, uuid_of($1), $2::int, -$2::int, now(), 1 FROM leaderboards`,
      [id, 8 - points],
    );
  const streams = await Promise.all([
    BoardStream.open(t, one.url, 'limit=10', undefined, WATCHED.first),
    BoardStream.open(t, two.url, 'limit=10', undefined, WATCHED.second),
    BoardStream.open(t, one.url, 'limit=10', undefined, WATCHED.both),
    BoardStream.open(t, two.url, 'limit=10', undefined, WATCHED.both),
  ]);
  await projected(one.app, two.app);
  const namesOn = async (app: typeof one.app, board: BoardKey) =>
    (await app.leaderboards.page(board, 10)).items.map(({ displayName }) => displayName);
  const names = (app: typeof one.app, leaderboard: string) => namesOn(app, boardKey(leaderboard, 1));
  /** What is shown by the instance that was asked, as soon as it has answered, and then by all. */
  const shows = async (what: string, expected: readonly string[]) => {
    for (const board of [WATCHED.first, WATCHED.both, `level-${BOARDS}`])
      t.same(await names(one.app, board), expected, `${what}: ${board} at once`);
    await eventually(async () => {
      for (const board of Object.values(WATCHED)) assert.deepEqual(await names(two.app, board), expected);
      for (const { board } of streams)
        assert.deepEqual(
          board?.items.map(({ displayName }) => displayName),
          expected,
        );
    });
    t.pass(`${what}: everywhere`);
  };
  /** Awaits that the first instance has seen to all that it has received, and has left to itself. */
  const overdue = async () => {
    const board = boardKey(`level-${BOARDS}`, 1);
    // Written by nobody, so it is overdue after all of these.
    await announce(pool, {
      type: 'corrections',
      id: 'chg_overdue',
      writer: one.app.instance,
      entries: [[bo.id, 6, Date.now(), 2, board.text]],
    });
    await eventually(async () =>
      assert.equal((await one.app.leaderboards.page(board, 10)).items[1]?.score, 6),
    );
  };
  return { one, two, ada, bo, pool, namesOn, shows, overdue };
}

for (const mode of ['redis', 'memory'] as const) {
  t.test(`in ${mode}, whatever becomes of a player on ${BOARDS} boards shows at once`, async (t) => {
    const { one, two, ada, bo, namesOn, shows, overdue } = await openTwo(t, mode);
    const admin = await serviceApi(one, 'admin');
    const quickly = async (what: string, work: () => Promise<unknown>) => {
      const start = performance.now();
      await work();
      const took = performance.now() - start;
      t.comment(`${what}: ${Math.round(took)} ms`);
      t.ok(took < AT_ONCE_MS, what);
    };
    await shows('before', ['Ada', 'Bo']);
    await quickly('a rename', async () => {
      (await ada.api.patch('/v1/users/me', { displayName: 'Countess' })).is(200, User);
    });
    await shows('a rename', ['Countess', 'Bo']);

    let connections = 0;
    one.app.pg.pool.on('acquire', () => connections++);
    for (let n = 0; n < RENAMES; n++)
      (await ada.api.patch('/v1/users/me', { displayName: 'Lady Lovelace' })).is(200, User);
    await overdue();
    t.comment(`${RENAMES} renames: ${connections} connections`);
    t.ok(connections < CONNECTIONS, 'no cold board was asked for');
    await shows('renames', ['Lady Lovelace', 'Bo']);

    await quickly('a ban', async () =>
      assert.equal((await admin.post(`/v1/admin/users/${ada.id}/ban`, WHY)).status, 200),
    );
    await shows('a ban', ['Bo']);
    await quickly('the end of a ban', async () =>
      assert.equal((await admin.post(`/v1/admin/users/${ada.id}/unban`, WHY)).status, 200),
    );
    await shows('the end of a ban', ['Lady Lovelace', 'Bo']);
    t.same(await namesOn(one.app, CLOSED), ['Lady Lovelace', 'Bo']);
    await projected(one.app);
    one.app.boards.closeBoard(CLOSED);
    await quickly('an erasure', async () => (await ada.api.delete('/v1/users/me')).isEmpty(204));
    await shows('an erasure', ['Bo']);
    t.same(await namesOn(two.app, CLOSED), ['Bo'], 'also where it was closed');
    await projected(two.app);
    t.same(await namesOn(two.app, CLOSED), ['Bo'], 'and when it is open again');

    for (const { app } of [one, two]) t.same(await namesOn(app, COLD), ['Bo']);
    await projected(one.app, two.app);
    const late = { userId: ada.id, score: 50, achievedAt: Date.now(), version: 3 };
    const scored = { board: COLD, ...late, previous: null };
    t.same(await one.app.leaderboards.applyAndRank('chg_late', [scored]), [
      { previousRank: null, rank: null },
    ]);
    await one.app.leaderboards.apply('chg_later', [{ board: COLD, ...late, version: 4 }]);
    for (const { app } of [one, two])
      t.same(await namesOn(app, COLD), ['Bo'], 'what was committed before the erasure comes too late');
    (await ada.api.get('/v1/users/me')).fails('unauthenticated');
    (await one.api.get(`/v1/users/${ada.id}`)).fails('not-found');
    (await bo.api.get('/v1/users/me')).is(200, User);
  });
}
