import type pg from 'pg';
import t, { type Test } from 'tap';
import { buildTestApp } from '../helper.js';
import { openPool, prepare } from './game-server.js';
import { submission } from './ledgers.js';
import { equalsRecomputed } from './recomputed.js';
import { A_YEAR, eventId, playAYear } from './year-of-play.js';

const ACT = { actor: 'svc_1', reason: 'A test.' };
const ALL = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };

async function open(t: Test, points: string, events = A_YEAR) {
  const { app, config } = await buildTestApp(t);
  const pool = openPool(t, config.DATABASE_URL);
  const user = await playAYear(pool, config.DATABASE_URL, points, events);
  return { moderation: app.moderation, pool, user };
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

/** Reading all events of the user takes seconds. One correction may take as long on a busy machine, but not most of them. */
function areQuick(t: Test, took: readonly number[]): void {
  t.comment(`${took.map((seconds) => seconds.toFixed(3)).join(', ')} s`);
  t.ok(took.filter((seconds) => seconds < 1).length > took.length / 2);
}

t.test(
  'any of the 300,000 events of a user is voided, and released, without reading the others',
  async (t) => {
    // The best is the one in the middle, the worst the first one.
    const { moderation, pool } = await open(
      t,
      `n % 1000 + CASE n WHEN ${A_YEAR / 2} THEN 5000 ELSE 1 END`,
      A_YEAR,
    );
    const before = await standing(pool);
    t.match(before, { 'best-race': 5_000, 'best-lap': 1, 'latest-race': 1 });
    const voids: number[] = [];
    for (const n of [7, A_YEAR / 2, 1_000, A_YEAR - 1, A_YEAR])
      voids.push(await seconds(() => moderation.void(eventId(n), ACT)));
    areQuick(t, voids);
    t.match(await standing(pool), { 'best-race': 1_000, 'best-lap': 1, 'latest-race': 999 });
    await pool.query(`UPDATE score_events SET status = 'held' WHERE status = 'voided'`);
    const releases: number[] = [];
    for (const n of [1_000, A_YEAR, A_YEAR / 2])
      releases.push(await seconds(() => moderation.release(eventId(n), ACT)));
    areQuick(t, releases);
    t.match(await standing(pool), { 'best-race': 5_000, 'latest-race': 1 });
    await equalsRecomputed(t, pool);
  },
);

t.test('20,000 events of a user are voided by one call', async (t) => {
  for (const points of ['10', 'n']) {
    const { moderation, pool, user } = await open(t, points, 20_000);
    const all = { userId: user, ...ALL };
    const took = await seconds(async () => {
      const { voided } = await moderation.outcome(await moderation.voidAll(all, ACT), 60_000);
      t.equal(voided, 20_000);
    });
    t.comment(`points ${points}: ${took.toFixed(1)} s`);
    t.equal((await pool.query('SELECT FROM scores WHERE score IS NOT NULL')).rowCount, 0);
  }
});

t.test('what was held while its board had another operator is found when the best is voided', async (t) => {
  const { app, config } = await buildTestApp(t);
  const pool = openPool(t, config.DATABASE_URL);
  const [user = ''] = await prepare(config.DATABASE_URL, 1);
  const limits = {
    cooldownMs: null,
    dailyLimit: null,
    boards: [{ id: 'latest-race', maxPointsPerMinute: 1 }],
  };
  await pool.query("DELETE FROM action_leaderboards WHERE leaderboard_id <> 'latest-race'");
  const held = await app.ledger.record(submission(user, 5, { limits }));
  t.equal(held.status, 'held');
  const rules = { id: 'latest-race', title: 'Latest', sort: 'desc', operator: 'best' } as const;
  await app.catalog.putLeaderboard(rules, ACT);
  await app.moderation.release(held.eventId, ACT);
  const { eventId } = await app.ledger.record(submission(user, 7));
  t.match(await standing(pool), { 'latest-race': 7 });
  await app.moderation.void(eventId, ACT);
  t.match(await standing(pool), { 'latest-race': 5 });
});
