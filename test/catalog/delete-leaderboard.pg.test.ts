import type pg from 'pg';
import t, { type Test } from 'tap';
import { Bans } from '../../src/access/bans.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { purgeScores } from '../../src/catalog/purge-scores.js';
import { Moderation } from '../../src/moderation/moderation.js';
import { buildTestDatabase } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from '../ledger/game-server.js';
import { newLedger, outcome, submission } from '../ledger/ledgers.js';
import { during, holding, waiting } from '../ledger/waiting.js';

const act = { actor: 'svc_1', reason: 'A test.' };
const RULES = { title: 'Global', sort: 'desc', operator: 'increment' } as const;

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 2);
  const pool = openPool(t, databaseUrl);
  // The actions of the demo feed boards too.
  await pool.query('DELETE FROM action_leaderboards WHERE action_id <> $1', [ACTION]);
  const catalog = new Catalog(pool, 'test');
  /** The action then feeds these boards. */
  const feed = async (...leaderboards: string[]) => {
    const action = await catalog.action(ACTION);
    if (action === null) throw new Error('There is no action');
    await catalog.putAction({ ...action, leaderboards }, act);
  };
  const moderation = new Moderation({
    bans: new Bans(pool, { isCurrent: true }),
    pool,
    writer: 'test',
    leaderboards: { apply: async () => {}, rename: async () => {} },
    onError: (error) => t.fail(String(error)),
  });
  return { databaseUrl, users, user: users[0] ?? '', pool, catalog, feed, moderation, ...newLedger(pool) };
}

/** Rows of a leaderboard by season. */
async function rowsOf(pool: pg.Pool, leaderboard: string): Promise<Record<number, number>> {
  const { rows } = await pool.query<{ season: number; rows: number }>(
    'SELECT season, count(*) AS rows FROM scores WHERE leaderboard_id = $1 GROUP BY season',
    [leaderboard],
  );
  return Object.fromEntries(rows.map(({ season, rows }) => [season, rows]));
}

async function fill(pool: pg.Pool, leaderboard: string, entries: number): Promise<void> {
  const users = await addPlayers(pool, entries);
  await pool.query(
    `INSERT INTO scores SELECT $1, 1, uuid_of(id), 7, -7, now(), 1 FROM unnest($2::text[]) id`,
    [leaderboard, users],
  );
}

t.test('a leaderboard in use is not deleted', async (t) => {
  const { user, catalog, feed, ledger } = await open(t);
  await ledger.record(submission(user, 5));
  await t.rejects(catalog.deleteLeaderboard('global', act), {
    code: 'leaderboard-in-use',
    message: `The action "${ACTION}" feeds the leaderboard "global".`,
  });
  await feed('best-race');
  await t.rejects(catalog.deleteLeaderboard('global', act), {
    code: 'leaderboard-in-use',
    message: 'The leaderboard "global" has entries. Freeze it first.',
  });
  await catalog.setFrozen('global', true, act);
  await catalog.deleteLeaderboard('global', act);
  await t.rejects(catalog.leaderboard('global'), { code: 'not-found' });
  await t.rejects(catalog.deleteLeaderboard('global', act), { code: 'not-found' });
  await t.rejects(catalog.setFrozen('global', false, act), { code: 'not-found' });
  t.same(
    (await catalog.leaderboards(10, null)).map(({ id }) => id),
    ['best-race', 'latest-race'],
  );
});

t.test(
  'a leaderboard is deleted with a season that has begun, though nobody has turned the page',
  async (t) => {
    const { pool, user, catalog, feed, ledger } = await open(t);
    await pool.query(
      "UPDATE leaderboards SET season_ends_at = now(), next_starts_at = now() WHERE id = 'global'",
    );
    await ledger.record(submission(user, 5));
    t.same(await rowsOf(pool, 'global'), { 2: 1 });
    await feed('best-race');
    await catalog.setFrozen('global', true, act);
    await catalog.deleteLeaderboard('global', act);
    const { season } = await catalog.putLeaderboard({ id: 'global', ...RULES }, act);
    t.equal(season, 3);
    while (await purgeScores(pool, 10));
    t.same(await rowsOf(pool, 'global'), {});
  },
);

t.test('no action feeds a deleted leaderboard, also if both are decided at once', async (t) => {
  const { pool, catalog, feed } = await open(t);
  await feed('best-race');
  await catalog.deleteLeaderboard('global', act);
  await t.rejects(feed('best-race', 'global'), { code: 'validation-failed' });
  const lock = (client: pg.ClientBase) =>
    client.query("SELECT FROM leaderboards WHERE id = 'latest-race' FOR UPDATE");
  const [deleted, fed] = await during(pool, lock, 2, async () => {
    const deleting = catalog.deleteLeaderboard('latest-race', act);
    await waiting(pool, 1);
    return Promise.allSettled([deleting, feed('best-race', 'latest-race')]);
  });
  t.equal(deleted.status, 'fulfilled');
  t.match(fed, { status: 'rejected', reason: { code: 'validation-failed' } });
  t.match(await catalog.action(ACTION), { leaderboards: ['best-race'] });
});

t.test('a leaderboard with the id of a deleted one begins with the next season, empty', async (t) => {
  const { pool, users, catalog, feed, moderation, ledger } = await open(t);
  const [ada = '', bob = ''] = users;
  const limits = { cooldownMs: null, dailyLimit: null, boards: [{ id: 'global', maxPointsPerMinute: 10 }] };
  const { eventId: counted } = await ledger.record(submission(ada, 5));
  const { eventId: voided } = await ledger.record(submission(ada, 7));
  const { eventId: held, status } = await ledger.record(submission(bob, 50, { limits }));
  t.equal(status, 'held');
  await feed('best-race');
  await catalog.setFrozen('global', true, act);
  await catalog.deleteLeaderboard('global', act);
  t.hasStrict(await catalog.putLeaderboard({ id: 'global', ...RULES, operator: 'best' }, act), {
    id: 'global',
    ...RULES,
    operator: 'best',
    season: 2,
  });
  await feed('best-race', 'global');
  t.same(await outcome(ledger, submission(ada, 3)), [null, 3]);

  // Of the old one nothing counts: neither what is released, nor what is left when something is voided.
  await moderation.release(held, act);
  await moderation.void(voided, act);
  const { rows } = await pool.query(
    "SELECT typeid('usr', user_id) AS user, score FROM scores WHERE leaderboard_id = 'global' AND season = 2",
  );
  t.same(rows, [{ user: ada, score: 3 }]);
  const { items: events } = await moderation.events({ userId: ada }, { from: null, to: null }, 10, null);
  t.same(
    events.find(({ eventId }) => eventId === counted)?.leaderboards.map(({ id }) => id),
    ['best-race', 'latest-race'],
    'an event does not name the deleted leaderboard',
  );

  // Nor do its entries keep the rules of the new one from changing.
  await pool.query("DELETE FROM scores WHERE leaderboard_id = 'global' AND season = 2");
  t.match(await catalog.putLeaderboard({ id: 'global', ...RULES, sort: 'asc' }, act), { sort: 'asc' });

  t.equal(await purgeScores(pool, 100), true, 'deletes');
  t.equal(await purgeScores(pool, 100), true, 'finds that nothing is left');
  t.equal(await purgeScores(pool, 100), false);
  t.same(await rowsOf(pool, 'global'), {});
  await moderation.void(counted, act);
  t.same(await rowsOf(pool, 'global'), {}, 'a late correction does not bring them back');

  await feed('best-race');
  await catalog.deleteLeaderboard('global', act);
  t.match(await catalog.putLeaderboard({ id: 'global', ...RULES }, act), { season: 3 });
});

t.test('scores of deleted leaderboards leave in bites, however often the job is killed', async (t) => {
  const { databaseUrl, pool, catalog, feed } = await open(t);
  await feed('best-race');
  await fill(pool, 'global', 1_050);
  await fill(pool, 'best-race', 10);
  await catalog.setFrozen('global', true, act);
  await catalog.deleteLeaderboard('global', act);
  await catalog.deleteLeaderboard('latest-race', act);

  t.equal(await purgeScores(pool, 100), true);
  t.same(await rowsOf(pool, 'global'), { 1: 950 });

  // A bite that is killed leaves all that it would have deleted.
  const job = openPool(t, databaseUrl, { application_name: 'job' });
  const [last] = (
    await pool.query<{ id: string }>(
      "SELECT user_id AS id FROM scores WHERE leaderboard_id = 'global' LIMIT 1",
    )
  ).rows;
  const unlock = await holding(pool, (client) =>
    client.query("SELECT FROM scores WHERE leaderboard_id = 'global' AND user_id = $1 FOR UPDATE", [
      last?.id,
    ]),
  );
  const killed = purgeScores(job, 5_000).catch(() => 'killed');
  await waiting(pool, 1);
  await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'job'");
  t.equal(await killed, 'killed');
  await unlock();
  t.same(await rowsOf(pool, 'global'), { 1: 950 });

  let bites = 0;
  while (await purgeScores(job, 100)) bites++;
  t.same(await rowsOf(pool, 'global'), {});
  t.same(await rowsOf(pool, 'best-race'), { 1: 10 }, 'others keep theirs');
  t.equal(bites, 10 + 1 + 1, '950 entries, a look that finds none left, and a leaderboard without any');
});

t.test('the job that deletes scores is asked for in the transaction of the deletion', async (t) => {
  const { pool, catalog, feed } = await open(t);
  const jobs = async () => {
    const { rows } = await pool.query('SELECT task_identifier AS job, key FROM scoreboard_jobs.jobs');
    return rows;
  };
  await t.rejects(catalog.deleteLeaderboard('global', act), { code: 'leaderboard-in-use' });
  t.same(await jobs(), []);
  await feed('best-race');
  await catalog.deleteLeaderboard('global', act);
  await catalog.deleteLeaderboard('latest-race', act);
  t.same(await jobs(), [{ job: 'purge', key: 'purge:all' }]);
});

t.test('a leaderboard that is made again while its scores leave keeps the new ones', async (t) => {
  const { pool, user, catalog, feed, ledger } = await open(t);
  await feed('best-race');
  await fill(pool, 'global', 250);
  await catalog.setFrozen('global', true, act);
  await catalog.deleteLeaderboard('global', act);
  await purgeScores(pool, 100);
  await catalog.putLeaderboard({ id: 'global', ...RULES }, act);
  await feed('global');
  await ledger.record(submission(user, 5));
  t.same(await rowsOf(pool, 'global'), { 1: 150, 2: 1 });
  while (await purgeScores(pool, 100));
  t.same(await rowsOf(pool, 'global'), { 2: 1 });
  t.same(await outcome(ledger, submission(user, 1)), [5, 6]);
});

t.test('an action with events that are held for review is not deleted', async (t) => {
  const { user, catalog, moderation, ledger } = await open(t);
  const limits = { cooldownMs: null, dailyLimit: null, boards: [{ id: 'global', maxPointsPerMinute: 1 }] };
  const { eventId } = await ledger.record(submission(user, 5, { limits }));
  await t.rejects(catalog.deleteAction(ACTION, act), { code: 'action-in-use' });
  await moderation.release(eventId, act);
  await catalog.deleteAction(ACTION, act);
  t.equal(await catalog.action(ACTION), null);
  await t.rejects(catalog.deleteAction(ACTION, act), { code: 'not-found' });
  t.match(await moderation.void(eventId, act), { status: 'voided' }, 'its events can still be judged');
  // Nothing feeds the leaderboards any more.
  for (const id of ['best-race', 'global', 'latest-race']) await catalog.deleteLeaderboard(id, act);
});
