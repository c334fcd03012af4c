import assert from 'node:assert/strict';
import { httpOf } from '@scoreboard/client';
import type pg from 'pg';
import type { Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import type { AppConfig } from '../../src/config.js';
import { keysOf } from '../../src/leaderboard/redis-projection.js';
import type { RedisClient } from '../../src/redis/connection.js';
import { eventually } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { BOARDS, GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, events, truth } from '../ledger/truth.js';
import { BoardObserver } from './board-observer.js';
import { BoardStream } from './board-stream.js';
import { Load, nothingLost } from './load.js';

const PLAYERS = 50;
/** Players who score only during the fault, so that no later score can hide a lost one. */
const QUIET = 10;
const WORKERS = 8;
/** Far enough apart that few ranks change under load, and a wrong rank shows. */
const POINTS_APART = 2_000;
/** Some deadlines of Redis commands, of 0.8 s each, on a busy machine; whoever waited for Redis would wait longer. */
export const SLOW_MS = 5_000;
const RECOVERED_MS = 60_000;

export type RedisSettings = Pick<AppConfig, 'REDIS_MODE'> & { REDIS_URL: string };

export const single = (url: string): RedisSettings => ({ REDIS_MODE: 'single', REDIS_URL: url });
export const cluster = (url: string): RedisSettings => ({ REDIS_MODE: 'cluster', REDIS_URL: url });

/** What a fault can use. */
export interface Run {
  readonly load: Load;
  readonly urls: readonly string[];
  readonly pool: pg.Pool;
  /** A client of the first instance. */
  readonly redis: RedisClient;
  /** Resolves when all instances report the failure of Redis and still accept scores. */
  degraded(): Promise<void>;
}

interface Options {
  readonly databaseUrl?: string;
  /** The URL of the database through a proxy, for the instances. */
  readonly through?: string;
  /** PostgreSQL fails too, so that requests may be rejected or wait for it. */
  readonly databaseFails?: boolean;
}

/**
 * Runs a fault against two instances while fifty players score, streams are open and the board is read. Then checks every
 * answer and view, and the final state of PostgreSQL, Redis and the streams.
 */
export async function underLoad(
  t: Test,
  settings: RedisSettings,
  fault: (run: Run) => Promise<void>,
  { databaseUrl: given, through, databaseFails = false }: Options = {},
): Promise<void> {
  const databaseUrl = given ?? (await buildTestDatabase(t));
  const users = await prepare(databaseUrl, PLAYERS);
  const pool = openPool(t, through ?? databaseUrl);
  const config = { DATABASE_URL: through ?? databaseUrl, ...settings };
  const [one, two] = [await buildTestApp(t, config), await buildTestApp(t, config)];
  const urls = [one.url, two.url];
  const game = new GameServer(t);
  const first = await Promise.all(
    users.map((user, i) => game.post(urls[i % 2] ?? '', newToken(user, POINTS_APART * (i + 1)))),
  );
  await healthy(urls, 200, 'ok');

  const observer = await BoardObserver.start(pool, urls, databaseFails);
  const streams: BoardStream[] = [];
  for (const url of urls) {
    for (let i = 0; i < 3; i++) {
      const query = `limit=100&user=${users[i]}`;
      streams.push(
        await BoardStream.open(t, url, query, (board) => observer.addView(`stream of ${url}`, board)),
      );
    }
  }
  let turn = 0;
  const load = new Load(game, users.slice(QUIET), WORKERS, () => urls[turn++ % 2] ?? '');
  await load.more(150);
  const degraded = async () => {
    await healthy(urls, 503, 'error');
    const quiet = users.slice(0, QUIET);
    first.push(
      ...(await Promise.all(quiet.map((user, i) => game.post(urls[i % 2] ?? '', newToken(user, 1))))),
    );
    await load.more(100);
  };
  await fault({ load, urls, pool, redis: one.app.redis, degraded });
  const ended = performance.now();
  await healthy(urls, 200, 'ok');
  const converged = Math.round(performance.now() - ended);
  await load.more(150);
  await load.stop();

  const answers = [...first, ...load.answers];
  const summary = nothingLost(t, answers, await truth(pool, 'global'), await events(pool));
  const rejected = load.answers.filter(({ status }) => status !== 200);
  if (!databaseFails) {
    t.same(rejected, [], 'a score never fails because Redis does');
    const slowest = Math.max(observer.slowestMs, ...load.answers.map(({ ms }) => Math.round(ms)));
    t.ok(slowest < SLOW_MS, `no request waited for Redis: at most ${slowest} ms`);
  }
  await agreement(t, pool, urls, 20_000);
  await redisAgrees(t, pool, one.app.redis);
  await streamsAgree(t, pool, streams, users);
  const wrong = await observer.violations(load.answers);
  t.same(
    wrong.slice(0, 5),
    [],
    `${observer.views} views of the board and ${load.answers.length} receipts: ${wrong.length} wrong`,
  );
  t.comment(`${summary}; ${converged} ms to converge`);
}

/** Waits until every instance reports this status and this state of Redis. */
export async function healthy(urls: readonly string[], status: number, redis: string): Promise<void> {
  await eventually(async () => {
    for (const url of urls) {
      const { data, error, response } = await httpOf(url).GET('/health');
      assert.deepEqual([response.status, (data ?? error)?.checks.redis], [status, redis]);
    }
  }, RECOVERED_MS);
}

/** Polls until Redis has exactly the entries of PostgreSQL, with their scores, times and versions. */
export async function redisAgrees(t: Test, pool: pg.Pool, redis: RedisClient): Promise<void> {
  for (const id of BOARDS) {
    const { rows } = await pool.query<{ member: string; score: number; userId: string; entry: string }>(
      `SELECT time || typeid('usr', user_id) AS member, sort_key AS score, typeid('usr', user_id) AS "userId", time || ':' || version AS entry
       FROM (SELECT *, lpad((extract(epoch FROM achieved_at) * 1000)::bigint::text, 15, '0') AS time
             FROM scores WHERE leaderboard_id = $1 AND score IS NOT NULL) s
       ORDER BY sort_key, achieved_at, user_id`,
      [id],
    );
    const [rank = '', entries = ''] = keysOf(boardKey(id, 1)).board;
    const difference = async () => {
      const ranked = await redis.zrange(rank, '0', '-1', 'WITHSCORES');
      const hash = Object.entries(await redis.hgetall(entries)).filter(([user]) => !user.startsWith('~'));
      assert.deepEqual(
        ranked.slice(0, -2),
        rows.flatMap(({ member, score }) => [member, String(score)]),
      );
      assert.deepEqual(new Map(hash), new Map(rows.map(({ userId, entry }) => [userId, entry])));
    };
    await t.resolves(eventually(difference), `${id}: Redis agrees with PostgreSQL, entry by entry`);
  }
}

async function streamsAgree(
  t: Test,
  pool: pg.Pool,
  streams: readonly BoardStream[],
  users: readonly string[],
) {
  const wanted = await truth(pool, 'global');
  const rankOf = (user: string | undefined) => wanted.findIndex(({ userId }) => userId === user) + 1;
  const agree = eventually(async () => {
    for (const [i, { board, own }] of streams.entries()) {
      const shown = board?.items.map(({ userId, score, achievedAt }) => ({ userId, score, achievedAt }));
      assert.deepEqual(shown, wanted);
      assert.equal(own?.rank, rankOf(users[i % 3]));
    }
  });
  await t.resolves(agree, 'every stream shows the final board and the final rank of its user');
  t.ok(
    streams.every(({ isOpen }) => isOpen),
    'on their first connections',
  );
  t.same(
    streams.flatMap(({ disorder, falls }) => [...disorder, ...falls]),
    [],
    'and nothing came after what is newer',
  );
}
