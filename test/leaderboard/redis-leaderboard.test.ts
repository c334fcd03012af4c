import type pg from 'pg';
import t from 'tap';
import { type BoardKey, NotReady } from '../../src/leaderboard/leaderboard.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { RedisLeaderboard } from '../../src/leaderboard/redis-leaderboard.js';
import type { RedisClient } from '../../src/redis/connection.js';
import { connectTestRedis, RedisServer, startRedisCluster } from '../redis-server.js';
import { BoardRows, inOrder } from './board-rows.js';
import { projectionContract, readerContract } from './leaderboard-contract.js';

const scores = await BoardRows.open(t);
const server = await RedisServer.start(t);
const client = await connectTestRedis(t, server.url);

/** A board that is rebuilt as the reconciler does it. */
class ReconciledBoard extends RedisLeaderboard {
  readonly #reconciler: Reconciler;

  constructor(key: BoardKey, client: RedisClient, database: pg.Pool) {
    super(key, client);
    this.#reconciler = new Reconciler(database, client);
  }

  async rebuild(): Promise<void> {
    await this.#reconciler.build(this.key);
  }
}

readerContract(t, scores, async (key) => {
  const board = new ReconciledBoard(key, client, scores.pool);
  await board.rebuild();
  return board;
});

projectionContract(t, scores, (key, database) => new ReconciledBoard(key, client, database));

const standing = (n: number, version = 1) => ({
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
    const entries = Array.from({ length: 10 }, (_, n) => standing(n + i));
    await scores.write(key, entries);
    const board = new ReconciledBoard(key, client, scores.pool);
    await board.rebuild();
    const [first, second, ...others] = entries;
    if (first === undefined || second === undefined) throw new Error('There are ten');
    const risen = { ...first, score: Number.MAX_SAFE_INTEGER, version: 2 };
    await scores.write(key, [risen]);
    await board.apply([risen]);
    await scores.delete(key, second.userId);
    await board.erase(second.userId);
    await board.touch();
    const expected = inOrder(key.sort, [risen, ...others]).map(({ userId }) => userId);
    const users = async (read: Promise<{ readonly standings: readonly { userId: string }[] } | null>) =>
      (await read)?.standings.map(({ userId }) => userId);
    t.same(await users(board.page(100)), expected);
    t.same(await users(board.around(risen.userId, 100)), expected);
    t.same(await users(board.many(entries.map(({ userId }) => userId))), expected);
    t.equal(await new Reconciler(scores.pool, client).reconcile(key), 0);
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
  await scores.write(key, [standing(1)]);
  const board = new ReconciledBoard(key, client, scores.pool);
  await board.rebuild();
  await server.kill();
  await t.rejects(board.page(1), NotReady);
  await t.rejects(board.around(standing(1).userId, 1), NotReady);
  await t.rejects(board.many([standing(1).userId]), NotReady);
  t.same(await board.apply([standing(1, 2)]), [{ previousRank: null, rank: null }]);
});
