import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { VersionedStanding } from '../../src/leaderboard/leaderboard.js';
import { PostgresLeaderboard } from '../../src/leaderboard/postgres-leaderboard.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { RedisLeaderboard } from '../../src/leaderboard/redis-leaderboard.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { BoardRows } from './board-rows.js';

t.setTimeout(300_000);

const ENTRIES = 1_000_000;
const CHANGES_A_BATCH = 20;
const PAUSE_MS = 10;

t.test('a million entries are rebuilt in time while scores go on, and none is missing', async (t) => {
  const scores = await BoardRows.open(t);
  const key = scores.newBoard('desc');
  await scores.fill(key, ENTRIES);
  const client = await connectTestRedis(t, (await RedisServer.start(t)).url);
  const reconciler = new Reconciler(scores.pool, client);
  const board = new RedisLeaderboard(key, client);

  // Commits, each to PostgreSQL and then to Redis, as the ledger does it: all over the board, from new users too.
  let isOver = false;
  let slowest = 0;
  let written = 0;
  const write = async (): Promise<void> => {
    for (let version = 2; !isOver; version++) {
      const changes = Array.from({ length: CHANGES_A_BATCH }, (_, i): VersionedStanding => {
        const n = (written * 7919 + i * 104_729) % (ENTRIES + 1_000);
        return {
          userId: BoardRows.userOf(n),
          score: written,
          achievedAt: 1_790_000_000_000 + version,
          version,
        };
      });
      await scores.write(key, changes);
      const start = performance.now();
      await board.apply(changes);
      slowest = Math.max(slowest, performance.now() - start);
      written += changes.length;
      await delay(PAUSE_MS);
    }
  };
  const writer = write();
  const started = performance.now();
  const drift = await reconciler.reconcile(key);
  const rebuildMs = performance.now() - started;
  isOver = true;
  await writer;
  t.comment(`${drift} entries rebuilt in ${rebuildMs.toFixed()} ms, while ${written} were written`);
  t.comment(`the slowest write waited ${slowest.toFixed()} ms for Redis`);
  // Under 15 s on two cores that have nothing else to do; on busy ones it takes as many times that as they are busy.
  t.ok(rebuildMs < 150_000);
  t.ok(slowest < 800);

  const compared = performance.now();
  t.equal(await reconciler.reconcile(key), 0, 'not one entry differs');
  t.comment(`all of them compared with PostgreSQL in ${(performance.now() - compared).toFixed()} ms`);
  const straight = new PostgresLeaderboard(key, scores.pool);
  t.match(await board.page(100), { ...(await straight.page(100)), epoch: String, version: Number });
});
