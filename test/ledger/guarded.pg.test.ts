import assert from 'node:assert/strict';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool, prepare, sum } from './game-server.js';
import { newLedger, outcomes, submission } from './ledgers.js';
import { truth } from './truth.js';

const UNLIMITED = { cooldownMs: null, dailyLimit: null, boards: [] };

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 4);
  const pool = openPool(t, databaseUrl);
  return { users, user: users[0] ?? '', pool, instances: [newLedger(pool), newLedger(pool)] as const };
}

const count = (found: readonly unknown[], what: unknown) => found.filter((one) => one === what).length;
const refused = 'action-limit-reached';

t.test('64 at once on two instances: a daily limit of 10 lets exactly 10 count', async (t) => {
  const { user, pool, instances } = await open(t);
  const limits = { ...UNLIMITED, dailyLimit: 10 };
  const found = await Promise.all(
    instances.map(({ ledger }) =>
      outcomes(
        ledger,
        Array.from({ length: 32 }, () => submission(user, 1, { limits })),
      ),
    ),
  );
  t.equal(count(found.flat(), refused), 54);
  t.equal((await truth(pool, 'global'))[0]?.score, 10);
  t.same(
    instances.flatMap(({ errors }) => errors),
    [],
  );
});

t.test('64 at once on two instances: during a cooldown exactly one counts', async (t) => {
  const { user, pool, instances } = await open(t);
  const limits = { ...UNLIMITED, cooldownMs: 60_000 };
  const found = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      outcomes(instances[i % 2 === 0 ? 0 : 1].ledger, [submission(user, 1, { limits })]),
    ),
  );
  t.equal(count(found.flat(), refused), 63);
  t.equal((await truth(pool, 'global'))[0]?.score, 1);
});

t.test('64 at once on two instances: what is beyond the points of a minute is held', async (t) => {
  const { user, pool, instances } = await open(t);
  const limits = { ...UNLIMITED, boards: [{ id: 'best-race', maxPointsPerMinute: 70 }] };
  const recorded = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      instances[i % 2 === 0 ? 0 : 1].ledger.record(submission(user, 7, { limits })),
    ),
  );
  t.equal(recorded.filter(({ status }) => status === 'counted').length, 10);
  t.ok(recorded.every(({ status, leaderboards }) => leaderboards.length === (status === 'held' ? 0 : 3)));
  for (const [board, score] of Object.entries({ global: 70, 'best-race': 7, 'latest-race': 7 })) {
    t.equal((await truth(pool, board))[0]?.score, score, 'held is not counted on any board');
  }
  const { rows } = await pool.query('SELECT status, count(*) FROM score_events GROUP BY status ORDER BY 1');
  t.same(rows, [
    { status: 'counted', count: 10 },
    { status: 'held', count: 54 },
  ]);
});

t.test('each user and action has limits of its own', async (t) => {
  const { users, pool, instances } = await open(t);
  const limits = { ...UNLIMITED, dailyLimit: 2, cooldownMs: null };
  await pool.query(`
    WITH other AS (INSERT INTO actions VALUES ('other', 'Other', 0, 100, 'server', 0) RETURNING id)
    INSERT INTO action_leaderboards SELECT id, 'global' FROM other`);
  const batch = users.flatMap((user) =>
    ['finish-race', 'other'].flatMap((actionId) =>
      Array.from({ length: 3 }, () => submission(user, 1, { limits, actionId })),
    ),
  );
  const found = await outcomes(instances[0].ledger, batch);
  t.equal(count(found, refused), users.length * 2);
  t.equal(found.length, users.length * 6);
});

t.test('a refused token is not used up, and one that comes twice uses up its limit once', async (t) => {
  const { user, pool, instances } = await open(t);
  const [{ ledger }] = instances;
  const two = { ...UNLIMITED, dailyLimit: 2 };
  const [first, second, third] = [1, 2, 4].map((points) => submission(user, points, { limits: two }));
  assert(first && second && third);
  t.same(await outcomes(ledger, [first, first, second, second, third, third]), [
    [null, 1],
    'action-token-replayed',
    [1, 3],
    'action-token-replayed',
    refused,
    refused,
  ]);
  t.same(
    await outcomes(ledger, [first]),
    ['action-token-replayed'],
    'what has counted is told before the limit',
  );
  const three = { ...UNLIMITED, dailyLimit: 3 };
  const again = [first, third].map((one) => ({ ...one, limits: three }));
  t.same(await outcomes(ledger, again), ['action-token-replayed', [3, 7]], 'nor does what has counted');
  t.equal((await pool.query('SELECT FROM consumed_tokens')).rowCount, 3);
});

t.test('who cannot score is told so, and not about limits', async (t) => {
  const { users, pool, instances } = await open(t);
  const [{ ledger }] = instances;
  const [player = '', banned = '', erased = ''] = users;
  const limits = { ...UNLIMITED, dailyLimit: 1 };
  await pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [banned]);
  await pool.query('UPDATE users SET erased_at = now() WHERE id = uuid_of($1)', [erased]);
  const batch = [banned, erased, player, banned, player].map((user) => submission(user, 1, { limits }));
  t.same(await outcomes(ledger, batch), ['user-banned', 'not-found', [null, 1], 'user-banned', refused]);
  t.same(await outcomes(ledger, [submission(erased, 1, { limits })]), ['not-found']);
});

t.test('a row that cannot be written fails alone, and uses up nothing', async (t) => {
  const { user, pool, instances } = await open(t);
  const limits = { ...UNLIMITED, dailyLimit: 2 };
  const most = Number.MAX_SAFE_INTEGER;
  const found = await outcomes(
    instances[0].ledger,
    [1, most, 1, 1].map((points) => submission(user, points, { limits })),
  );
  t.same(found, [[null, 1], 'points-out-of-range', [1, 2], refused]);
  t.equal(sum((await truth(pool, 'global')).map(({ score }) => score)), 2);
});

/** Moves everything that was scored so far in time; ids are left as they are, which are off by some minutes anyway. */
const shift = (pool: pg.Pool, to: string) =>
  pool.query(`UPDATE score_events SET accepted_at = ${to} WHERE accepted_at > now() - interval '1 hour'`);

t.test('what was scored before midnight UTC does not count for today, what was after it does', async (t) => {
  const { pool, instances } = await open(t);
  const midnight = "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'";
  const limits = { ...UNLIMITED, dailyLimit: 1 };
  const [player = ''] = await addPlayers(pool, 1);
  const next = () => outcomes(instances[0].ledger, [submission(player, 1, { limits })]);
  t.same(await next(), [[null, 1]]);
  t.same(await next(), [refused]);
  await shift(pool, `${midnight} - interval '1 millisecond'`);
  t.same(await next(), [[1, 2]]);
  t.same(await next(), [refused]);
  await shift(pool, midnight);
  t.same(await next(), [refused]);
  await pool.query("UPDATE score_events SET status = 'held'");
  t.same(await next(), [refused], 'held counts');
  await pool.query("UPDATE score_events SET status = 'voided'");
  t.same(await next(), [[2, 3]], 'voided does not');
});

t.test('a cooldown and a minute of points pass', async (t) => {
  const { user, pool, instances } = await open(t);
  const [{ ledger }] = instances;
  const cooled = { ...UNLIMITED, cooldownMs: 60_000 };
  const bounded = { ...UNLIMITED, boards: [{ id: 'global', maxPointsPerMinute: 5 }] };
  const next = (limits: typeof cooled | typeof bounded) =>
    ledger.record(submission(user, 5, { limits })).then(
      ({ status }) => status,
      ({ code, retryAfter }) => [code, retryAfter],
    );
  t.equal(await next(cooled), 'counted');
  t.match(await next(cooled), [refused, Number]);
  t.equal(await next(bounded), 'held');
  await shift(pool, "accepted_at - interval '61 seconds'");
  t.equal(await next(cooled), 'counted');
  await shift(pool, "accepted_at - interval '61 seconds'");
  t.equal(await next(bounded), 'counted');
  t.equal(await next(bounded), 'held');
});
