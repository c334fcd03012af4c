import type pg from 'pg';
import t, { type Test } from 'tap';
import { Users } from '../../src/access/users.js';
import { Problem } from '../../src/errors.js';
import { newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { mint, typeId } from '../mint.js';
import { addPlayers, openPool, prepare } from './game-server.js';
import { newLedger, outcomes, submission } from './ledgers.js';
import { events, truth } from './truth.js';

const MAX = Number.MAX_SAFE_INTEGER;

async function openLedger(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  await prepare(databaseUrl, 0);
  const pool = openPool(t, databaseUrl);
  return { pool, ...newLedger(pool) };
}

const scores = async (pool: pg.Pool) =>
  Object.fromEntries((await truth(pool, 'global')).map(({ userId, score }) => [userId, score]));

t.test('who may not score, and what no score can be, leaves the rest of the batch alone', async (t) => {
  const { pool, ledger, errors } = await openLedger(t);
  const [good = '', other = '', banned = '', erased = '', high = '', low = ''] = await addPlayers(pool, 6);
  await pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [banned]);
  await new Users(pool, 'this').erase(erased);
  await outcomes(ledger, [submission(high, MAX - 5), submission(low, -MAX)]);

  const batch = [
    submission(good, 1),
    submission(high, 6),
    submission(typeId('usr'), 1),
    submission(good, 2),
    submission(banned, 1),
    submission(high, 5),
    submission(erased, 1),
    // Out of the range and back again is out of it.
    submission(low, -1),
    submission(low, 1),
    submission(other, 4),
    submission(good, 3),
  ];
  t.same(await outcomes(ledger, batch), [
    [null, 1],
    'points-out-of-range',
    'not-found',
    [1, 3],
    'user-banned',
    [MAX - 5, MAX],
    'not-found',
    'points-out-of-range',
    [-MAX, 1 - MAX],
    [null, 4],
    [3, 6],
  ]);
  t.same(await scores(pool), { [good]: 6, [other]: 4, [high]: MAX, [low]: 1 - MAX });
  t.equal((await events(pool)).length, 2 + 6, 'who was refused left no event');
  t.same(errors, []);

  await pool.query('UPDATE users SET banned_at = NULL WHERE id = uuid_of($1)', [banned]);
  const refused = batch.filter(({ userId }) => userId === banned || userId === low).slice(0, 2);
  t.same(
    await outcomes(ledger, refused),
    [
      [null, 1],
      [1 - MAX, -MAX],
    ],
    'a token that was refused is not used up',
  );
});

t.test('a row that PostgreSQL cannot read fails alone, wherever it stands', async (t) => {
  const { pool, ledger, errors } = await openLedger(t);
  const players = await addPlayers(pool, 9);
  for (const position of [0, 3, 8]) {
    const batch = players.map((userId, i) => submission(userId, i === position ? 0.5 : 1));
    const results = await outcomes(ledger, batch);
    t.same(
      results.map((result) => Array.isArray(result)),
      players.map((_, i) => i !== position),
    );
    t.equal(results[position], 'another error');
    t.equal(errors.splice(0).length, 1, 'it is logged once');
  }
  t.same((await events(pool)).length, 3 * 8);
});

t.test('a batch full of rows out of range answers each of them', async (t) => {
  const { pool, ledger } = await openLedger(t);
  const [player = ''] = await addPlayers(pool, 1);
  await outcomes(ledger, [submission(player, MAX)]);
  const results = await outcomes(
    ledger,
    Array.from({ length: 16 }, (_, i) => submission(player, i === 10 ? -1 : 1)),
  );
  // One step back makes room for one step forward.
  t.same(
    results,
    Array.from({ length: 16 }, (_, i) =>
      i === 10 ? [MAX, MAX - 1] : i === 11 ? [MAX - 1, MAX] : 'points-out-of-range',
    ),
  );
});

t.test('a token that counted is a replay, even if its user was banned or erased since', async (t) => {
  const { pool, ledger } = await openLedger(t);
  const users = await addPlayers(pool, 2);
  const [banned = '', erased = ''] = users;
  const batch = users.map((userId) => submission(userId, 7));
  const recorded = await Promise.all(batch.map((one) => ledger.record(one)));
  await pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [banned]);
  await new Users(pool, 'this').erase(erased);
  const again = await Promise.allSettled(batch.map((one) => ledger.record(one)));
  const originals = again.map((result) =>
    result.status === 'rejected' && result.reason instanceof Problem
      ? result.reason.original?.eventId
      : undefined,
  );
  t.same(
    originals,
    recorded.map(({ eventId }) => eventId),
  );
});

t.test('metadata is kept as it came', async (t) => {
  const service = await startApi(t);
  const player = await newPlayer(service.api);
  const deep = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
  const samples: Record<string, unknown>[] = [
    {},
    { '': null, quote: '"\\\'', 'a,b': '{c}', null: 'NULL', unicode: 'Zoë 🏆 \u2028' },
    { deep: deep(1_000) },
    { numbers: [1e308, -0.1, 2 ** 53 - 1] },
    { full: 'x'.repeat(2_048 - JSON.stringify({ full: '' }).length) },
  ];
  const claims = { act: 'collect-coin', pts: [10, 10] };
  const post = (metadata: unknown) =>
    player.api.post('/v1/scores', {
      actionToken: mint(player.id, { ...claims, jti: typeId('tok') }),
      metadata,
    });
  const answers = await Promise.all(samples.map(post));
  t.same(
    answers.map(({ status }) => status),
    samples.map(() => 200),
  );
  const { body } = await player.api.get('/v1/users/me/events?limit=100');
  const kept: { items: { metadata: unknown }[] } = JSON.parse(JSON.stringify(body));
  const asText = (metadata: unknown) => JSON.stringify(metadata);
  t.same(kept.items.map(({ metadata }) => asText(metadata)).sort(), samples.map(asText).sort());

  const tooLong = await post({ full: 'x'.repeat(2_049 - JSON.stringify({ full: '' }).length) });
  tooLong.fails('validation-failed');
  t.equal((await truth(service.app.pg.pool, 'global'))[0]?.score, samples.length * 10);
});
