import type pg from 'pg';
import t, { type Test } from 'tap';
import { firstIdAt } from '../../src/ids.js';
import { buildTestApp } from '../helper.js';
import { addPlayers, openPool, prepare } from './game-server.js';
import { equalsRecomputed, recompute } from './recomputed.js';

const EVENTS = 300_000;
const ACT = { actor: 'svc_1', reason: 'A test.' };
const ALL = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };

/** The first ten digits of an id are its time. */
const ID = firstIdAt('evt', Date.now()).slice(0, 14);

/**
 * A year of play of one user, by a formula of its points: $2 events, the newest now, one every hundred seconds.
 */
const PLAY = (points: string) => `
INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
SELECT '${ID}' || lpad(n::text, 16, '0'), $1, 'finish-race', 'tok_' || n, ${points},
       now() - (${EVENTS} - n) * interval '100 seconds',
       '{"global": 1, "best-race": 1, "latest-race": 1, "best-lap": 1}'
FROM generate_series(1, $2::int) n`;

const eventId = (n: number): string => ID + String(n).padStart(16, '0');

async function open(t: Test, points: string, events: number) {
  const app = await buildTestApp(t);
  const { DATABASE_URL } = app.config;
  await prepare(DATABASE_URL, 0);
  const pool = openPool(t, DATABASE_URL);
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator) VALUES ('best-lap', 'Lap', 'asc', 'best')`,
  );
  const [user = ''] = await addPlayers(pool, 1);
  await pool.query(PLAY(points), [user, events]);
  await recompute(pool);
  return { moderation: app.app.moderation, pool, user };
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

const standing = async (pool: pg.Pool) => {
  const { rows } = await pool.query<{ board: string; score: number }>(
    'SELECT leaderboard_id AS board, score FROM scores ORDER BY 1',
  );
  return Object.fromEntries(rows.map(({ board, score }) => [board, score]));
};

t.test('any of the 300,000 events of a user is voided, and released, in less than a second', async (t) => {
  // The best is the one in the middle, the worst the first one.
  const { moderation, pool } = await open(
    t,
    `n % 1000 + CASE n WHEN ${EVENTS / 2} THEN 5000 ELSE 1 END`,
    EVENTS,
  );
  const before = await standing(pool);
  t.match(before, { 'best-race': 5_000, 'best-lap': 1, 'latest-race': 1 });
  for (const n of [7, EVENTS / 2, 1_000, EVENTS - 1, EVENTS]) {
    const took = await seconds(() => moderation.void(eventId(n), ACT));
    t.ok(took < 1, `event ${n}: ${took.toFixed(3)} s`);
  }
  t.match(await standing(pool), { 'best-race': 1_000, 'best-lap': 1, 'latest-race': 999 });
  await pool.query(`UPDATE score_events SET status = 'held' WHERE status = 'voided'`);
  for (const n of [1_000, EVENTS, EVENTS / 2]) {
    const took = await seconds(() => moderation.release(eventId(n), ACT));
    t.ok(took < 1, `event ${n} is released: ${took.toFixed(3)} s`);
  }
  t.match(await standing(pool), { 'best-race': 5_000, 'latest-race': 1 });
  await equalsRecomputed(t, pool);
});

t.test('20,000 events of a user are voided by one call in less than ten seconds', async (t) => {
  for (const points of ['10', 'n']) {
    const { moderation, pool, user } = await open(t, points, 20_000);
    const all = { userId: user, ...ALL };
    const took = await seconds(async () => t.equal(await moderation.voidAll(all, ACT, () => true), 20_000));
    t.ok(took < 10, `points ${points}: ${took.toFixed(1)} s`);
    t.equal((await pool.query('SELECT FROM scores WHERE score IS NOT NULL')).rowCount, 0);
  }
});
