import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import t from 'tap';
import { type Board, NotReady } from '../../src/leaderboard/projection.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { BoardRedis, RedisProjection } from '../../src/leaderboard/redis-projection.js';
import type { RedisClient } from '../../src/redis/connection.js';
import { connectTestRedis, RedisServer, startRedisCluster } from '../redis-server.js';
import { BoardRows, inOrder } from './board-rows.js';
import { projectionContract, readerContract } from './projection-contract.js';

const CHANGE = 'evt_1';

const scores = await BoardRows.open(t);
const server = await RedisServer.start(t);
const client = await connectTestRedis(t, server.url);

/** A board that is built as the reconciler does it. */
function project(board: Board, client: RedisClient, database: pg.Pool): RedisProjection {
  const redis = new BoardRedis(client, randomUUID());
  const build = async (projection: RedisProjection) => {
    const { pendingVerifications } = projection;
    await new Reconciler(database, redis).build(board);
    projection.pendingVerifications -= pendingVerifications;
  };
  const projection = new RedisProjection(board, redis, build, () => {});
  projection.markStale();
  return projection;
}

readerContract(t, scores, async (key) => {
  const projection = project(key, client, scores.pool);
  await projection.load();
  return projection;
});

projectionContract(t, scores, (board, database) => project(board, client, database));

const entry = (n: number, version = 1) => ({
  userId: BoardRows.userOf(n),
  score: (n * 7919) % 100,
  achievedAt: 1_781_136_000_000 + (n % 3),
  version,
});

t.test('boards of a cluster work on whichever node they are', async (t) => {
  const { nodes, url } = await startRedisCluster(t);
  const client = await connectTestRedis(t, url, 'cluster');
  for (let i = 0; i < 40; i++) {
    const key = scores.newBoard(i % 2 ? 'asc' : 'desc');
    const entries = Array.from({ length: 10 }, (_, n) => entry(n + i));
    await scores.write(key, entries);
    const board = project(key, client, scores.pool);
    await board.load();
    const [first, second, ...others] = entries;
    if (first === undefined || second === undefined) throw new Error('There are ten');
    const risen = { ...first, score: Number.MAX_SAFE_INTEGER, version: 2 };
    await scores.write(key, [risen]);
    await board.apply(CHANGE, [risen]);
    await scores.delete(key, second.userId);
    await board.erase(CHANGE, second.userId);
    await board.rename(CHANGE, risen.userId);
    const expected = inOrder(key.sort, [risen, ...others]).map(({ userId }) => userId);
    const users = async (read: Promise<{ readonly entries: readonly { userId: string }[] } | null>) =>
      (await read)?.entries.map(({ userId }) => userId);
    t.same(await users(board.page(100)), expected);
    t.same(await users(board.around(risen.userId, 100)), expected);
    t.same(await users(board.many(entries.map(({ userId }) => userId))), expected);
    t.same(await new Reconciler(scores.pool, new BoardRedis(client, 'x')).reconcile(key), {
      drift: 0,
      isBuilt: false,
    });
  }
  for (const node of nodes) {
    const one = await connectTestRedis(t, node.url);
    t.ok((await one.dbsize()) > 0, 'each node has boards');
  }
});

t.test('while Redis is away reads say that they are not ready, and writes are taken', async (t) => {
  const server = await RedisServer.start(t);
  const client = await connectTestRedis(t, server.url);
  const key = scores.newBoard('desc');
  await scores.write(key, [entry(1)]);
  const board = project(key, client, scores.pool);
  await board.load();
  await server.kill();
  await t.rejects(board.page(1), NotReady);
  await t.rejects(board.around(entry(1).userId, 1), NotReady);
  await t.rejects(board.many([entry(1).userId]), NotReady);
  t.same(await board.apply(CHANGE, [entry(1, 2)]), null);
});
