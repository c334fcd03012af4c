import { once } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { to } from 'pg-copy-streams';
import { boardKey } from '../../src/board-key.js';
import { MemoryProjection } from '../../src/leaderboard/memory-projection.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { BoardRedis, keysOf } from '../../src/leaderboard/redis-projection.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { types } from '../../src/postgres/database.js';
import { connectRedis } from '../../src/redis/connection.js';
import type { Case, Result } from '../case.js';
import { pairs } from '../pairs.js';
import { MANY, type Testbed } from '../testbed.js';

const BOARD: Board = { key: boardKey('global', 1), sort: 'desc' };
const COPY = `COPY (SELECT user_id, score, achieved_at, version FROM scores WHERE leaderboard_id = 'global' AND season = 1) TO STDOUT`;

export const rebuild: Case = async (testbed) => {
  const database = await testbed.million();
  const pool = new pg.Pool({
    connectionString: database,
    types,
    options: '-c timezone=UTC -c enable_seqscan=off',
  });
  const redis = connectRedis('single', (await testbed.redis()).REDIS_URL);
  await once(redis, 'ready');
  try {
    const copied = timed(async () => {
      const client = await pool.connect();
      let bytes = 0;
      const sink = new Writable({
        write(chunk: Buffer, _, done) {
          bytes += chunk.length;
          done();
        },
      });
      await pipeline(client.query(to(COPY)), sink);
      client.release();
      if (bytes < MANY * 30) throw new Error(`Only ${bytes} bytes were copied`);
    });
    const inMemory = timed(async () => {
      const board = new MemoryProjection(BOARD, pool, new Tombstones());
      await board.load();
      const { total } = await board.page(1);
      if (total !== MANY) throw new Error(`${total} entries`);
    });
    const inRedis = async (): Promise<number> => {
      await redis.flushall('ASYNC');
      // A thread of Redis is still freeing the last board.
      while (!/^lazyfree_pending_objects:0\r?$/m.test(await redis.info('memory'))) await delay(50);
      return timed(async () => {
        const rebuilt = await new Reconciler(pool, new BoardRedis(redis, 'bench')).reconcile(BOARD);
        if (rebuilt?.drift !== MANY) throw new Error(`${rebuilt?.drift} entries`);
      })();
    };
    const against = 'COPY of the same rows to this process';
    return [
      {
        what: 'rebuild: seconds, 1,000,000 entries into memory',
        against,
        figure: await pairs(inMemory, copied),
        target: { atMost: 3 },
      },
      {
        what: 'rebuild: seconds, 1,000,000 entries into Redis',
        against,
        figure: await pairs(inRedis, copied),
        target: { atMost: 8 },
      },
      ...(await memory(testbed, pool)),
    ];
  } finally {
    redis.disconnect();
    await pool.end();
  }
};

/** What a board takes in a Redis of its own, whose highest memory so far is that of these builds. */
async function memory(testbed: Testbed, pool: pg.Pool): Promise<Result[]> {
  const redis = connectRedis('single', (await testbed.redis()).REDIS_URL);
  await once(redis, 'ready');
  const info = async (name: string) =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.info('memory'))?.[1]);
  try {
    const empty = await info('used_memory');
    const reconciler = new Reconciler(pool, new BoardRedis(redis, 'bench'));
    await reconciler.reconcile(BOARD);
    const board = (await info('used_memory')) - empty;
    const [rank = ''] = keysOf(BOARD.key).board;
    await redis.del(rank);
    await reconciler.reconcile(BOARD);
    const whileLost = (await info('used_memory_peak')) - empty;
    await reconciler.build(BOARD);
    const whileRead = (await info('used_memory_peak')) - empty;
    const line = (what: string, figure: number, atMost: number) => ({
      what: `rebuild: ${what}`,
      against: '',
      figure,
      target: { atMost },
    });
    return [
      line('bytes of Redis for an entry', board / MANY, 260),
      line('boards that Redis holds at most while a lost one is built anew', whileLost / board, 1.2),
      line('boards that Redis holds at most while one that is read is replaced', whileRead / board, 2.2),
    ];
  } finally {
    redis.disconnect();
  }
}

const timed = (work: () => Promise<void>) => async (): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};
