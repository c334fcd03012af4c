import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import t, { type Test } from 'tap';
import type { Receipt } from '../../schemas/score.js';
import { transact } from '../../src/postgres/database.js';
import { toUuids, withIds } from '../../src/stored-ids.js';
import { GameServer, groupBy, openPool, prepare, sum } from '../ledger/game-server.js';
import { countedOnce, events } from '../ledger/truth.js';
import { resultOn } from '../receipts.js';
import { Load, postAgain } from './load.js';
import { PostgresServer } from './postgres-server.js';
import { PostgresProxy } from './proxy.js';
import { clockOff, type Service, startService } from './service.js';

/** Shorter than a schedule may be, so that the test is. */
const SEASON_MS = 1_500;
/** As many as are passed in a quarter of an hour with a season every minute. */
const BOUNDARIES = 15;
const CONNECTIONS = 64;
const HELD = 15;
const HOLD_MS = 300;

/** The seasons of `global`: the first ends at the first boundary. */
function plan(start: number) {
  const boundary = (n: number) => start + n * SEASON_MS;
  const seasonAt = (ms: number) => (ms < start ? 1 : 2 + Math.floor((ms - start) / SEASON_MS));
  /** Shortly before a boundary is passed. */
  const soon = async (boundaries = 1, beforeMs = 20) => {
    const next = seasonAt(Date.now()) - 2 + boundaries;
    await sleep(boundary(next) - Date.now() - beforeMs);
  };
  return { boundary, seasonAt, soon };
}

/** Locks users across each boundary, so that their scores are recorded long after their time. */
async function holdUsers(
  pool: pg.Pool,
  users: readonly string[],
  untilBoundary: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await untilBoundary();
    // Without the database nobody is held.
    await transact(pool, async (client) => {
      await client.query('SELECT FROM users WHERE id = ANY ($1::uuid[]) FOR UPDATE', [toUuids('usr', users)]);
      await sleep(HOLD_MS);
    }).catch(() => sleep(HOLD_MS));
  }
}

async function open(t: Test) {
  const server = await PostgresServer.start(t);
  await server.prepare();
  const users = await prepare(server.url, 60);
  const proxy = await PostgresProxy.open(t, server.port);
  const databaseUrl = proxy.via(server.url);
  const startAt = (offMs: number) => startService(t, databaseUrl, clockOff(offMs));
  const services: Service[] = [await startAt(0), await startAt(3_000)];
  const pool = openPool(t, databaseUrl);
  return { server, proxy, users, services, startAt, pool };
}

t.test(
  'every score is in one season, through kills of an instance and of PostgreSQL at boundaries',
  async (t) => {
    const { server, proxy, users, services, startAt, pool } = await open(t);
    const seasons = plan(Math.ceil(Date.now() / 1_000) * 1_000 + 2_000);
    const at = (n: number) => new Date(seasons.boundary(n)).toISOString();
    // Longer than the test: the last one does not end.
    const listed = Array.from({ length: 100 }, (_, n) => ({
      startsAt: at(n),
      endsAt: at(n + 1),
    }));
    await pool.query(
      `UPDATE leaderboards SET schedule = $1, season_ends_at = $2, next_starts_at = $2, next_ends_at = $3 WHERE id = 'global'`,
      [{ seasons: listed }, at(0), at(1)],
    );

    const game = new GameServer(t, CONNECTIONS);
    let turn = 0;
    const load = new Load(game, users, CONNECTIONS, () => services[turn++ % services.length]?.url ?? '');
    const restartPostgres = async () => {
      await server.start();
      proxy.target = server.port;
    };

    const held = new AbortController();
    const holding = holdUsers(pool, users.slice(0, HELD), () => seasons.soon(1, HOLD_MS / 2), held.signal);
    await load.more(100);
    await seasons.soon();
    services[0]?.process.kill('SIGKILL');
    services[0] = await startAt(0);
    await seasons.soon();
    server.kill('SIGKILL');
    await restartPostgres();
    await load.more(100);
    await seasons.soon();
    proxy.target = null;
    server.kill('SIGKILL');
    await seasons.soon(3);
    await restartPostgres();
    await load.more(200);
    await seasons.soon(2);
    await load.more(100);
    while (seasons.seasonAt(Date.now()) <= BOUNDARIES) await seasons.soon();
    await load.more(100);
    await load.stop();
    held.abort();
    await holding;
    const last = seasons.seasonAt(Date.now());

    const posted = [...load.answers];
    const urls = services.map(({ url }) => url);
    const again = await postAgain(game, urls[1] ?? '', posted);
    const known = [...posted.filter(({ status }) => status === 200), ...again];
    const recorded = await events(pool);
    countedOnce(t, [...new Set(known.map(({ token }) => token))], recorded, known);

    const { rows } = await pool.query<{
      id: string;
      userId: string;
      points: number;
      acceptedAt: number;
      season: number;
    }>(
      `SELECT id, user_id AS "userId", points, accepted_at AS "acceptedAt", (boards->>'global')::int AS season FROM score_events`,
    );
    const stored = withIds(rows, { id: 'evt', userId: 'usr' });
    const misplaced = stored.filter(({ acceptedAt, season }) => season !== seasons.seasonAt(acceptedAt));
    t.same(misplaced, [], 'every event is in the season of its time');

    const eventOf = new Map(stored.map((event) => [event.id, event]));
    const isWrong = (receipt: Receipt) => {
      const event = eventOf.get(receipt.eventId);
      const result = resultOn('global', receipt);
      return (
        event?.season !== result?.season ||
        event?.acceptedAt !== Date.parse(receipt.acceptedAt) ||
        result?.late !== undefined ||
        result?.seasonEndsAt !== at((result?.season ?? 0) - 1)
      );
    };
    const receipts = known.flatMap(({ receipt }) => receipt ?? []);
    t.same(receipts.filter(isWrong), [], 'each receipt says so');

    const { rows: scores } = await pool.query<{ userId: string; season: number; score: number }>(
      `SELECT user_id AS "userId", season, score FROM scores WHERE leaderboard_id = 'global'`,
    );
    const entries = withIds(scores, { userId: 'usr' }).map(({ userId, season, score }) => [
      `${season} ${userId}`,
      score,
    ]);
    const summed = [...groupBy(stored, ({ season, userId }) => `${season} ${userId}`)].map(([key, own]) => [
      key,
      sum(own.map(({ points }) => points)),
    ]);
    t.same(
      Object.fromEntries(entries),
      Object.fromEntries(summed),
      'the scores of each season are the sums of its events',
    );

    const { rows: planned } = await pool.query<{ season: number; startsAt: number; endsAt: number }>(
      `SELECT season, starts_at AS "startsAt", ends_at AS "endsAt" FROM seasons
     WHERE leaderboard_id = 'global' AND season BETWEEN 2 AND $1 ORDER BY season`,
      [last],
    );
    t.same(
      planned,
      planned.map((_, n) => ({
        season: 2 + n,
        startsAt: seasons.boundary(n),
        endsAt: seasons.boundary(n + 1),
      })),
      'each season is as it was planned',
    );
    t.equal(planned.length, last - 1, 'and none is missing');
    const count = `${receipts.length} receipts in ${new Set(stored.map(({ season }) => season)).size} seasons`;
    t.comment(`${count}; ${again.length} posted again`);
  },
);
