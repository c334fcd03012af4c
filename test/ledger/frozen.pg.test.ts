import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Catalog } from '../../src/catalog/catalog.js';
import type { RecordedScore, Submission } from '../../src/ledger/score-ledger.js';
import { buildTestDatabase } from '../helper.js';
import { BOARDS, openPool, prepare, sum } from './game-server.js';
import { newLedger, outcome, outcomes, submission } from './ledgers.js';
import { truth } from './truth.js';
import { holding, waiting } from './waiting.js';

const act = { actor: 'svc_1', reason: 'A test.' };
const LIMITS = { cooldownMs: null, dailyLimit: 1_000, boards: [] };

async function open(t: Test, players = 1) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, players);
  const pool = openPool(t, databaseUrl);
  const catalog = new Catalog(pool, 'test');
  const freeze = async (...boards: readonly string[]) => {
    for (const board of boards) await catalog.setFrozen(board, true, act);
  };
  const unfreeze = async (...boards: readonly string[]) => {
    for (const board of boards) await catalog.setFrozen(board, false, act);
  };
  return { databaseUrl, users, user: users[0] ?? '', pool, catalog, freeze, unfreeze, ...newLedger(pool) };
}

const boardsOf = ({ leaderboards }: RecordedScore) =>
  leaderboards.map((board) => ('skipped' in board ? [board.id, board.skipped] : [board.id, board.score]));

for (const limits of [null, LIMITS]) {
  const with_ = limits === null ? 'without limits' : 'with limits';
  t.test(`a frozen board takes nothing, and the others count (${with_})`, async (t) => {
    const { pool, user, freeze, unfreeze, ledger, errors } = await open(t);
    const record = (points: number) => ledger.record(submission(user, points, { limits }));
    await record(5);
    await freeze('global');
    t.same(boardsOf(await record(7)), [
      ['best-race', 7],
      ['global', 'frozen'],
      ['latest-race', 7],
    ]);
    t.equal((await truth(pool, 'global'))[0]?.score, 5);
    await unfreeze('global');
    t.same(boardsOf(await record(1)), [
      ['best-race', 7],
      ['global', 6],
      ['latest-race', 1],
    ]);
    const { rows } = await pool.query('SELECT boards, skipped FROM score_events ORDER BY id');
    const all = { 'best-race': 1, global: 1, 'latest-race': 1 };
    const others = { 'best-race': 1, 'latest-race': 1 };
    t.same(
      rows,
      [
        { boards: all, skipped: null },
        { boards: others, skipped: { global: 'frozen' } },
        { boards: all, skipped: null },
      ],
      'an event keeps where it counts',
    );
    t.same(errors, []);
  });

  t.test(
    `where every board is frozen a score is refused, and its token can be used later (${with_})`,
    async (t) => {
      const { pool, user, freeze, unfreeze, ledger, errors } = await open(t);
      const score = submission(user, 5, { limits });
      await freeze(...BOARDS);
      t.same(await outcomes(ledger, [score, score]), ['board-frozen', 'board-frozen']);
      t.equal((await pool.query('SELECT FROM consumed_tokens')).rowCount, 0);
      t.equal((await pool.query('SELECT FROM score_events')).rowCount, 0);
      await unfreeze('global');
      t.same(await outcomes(ledger, [score, score]), [[null, 5], 'action-token-replayed']);
      t.same(errors, []);
    },
  );
}

t.test('a token that has counted is a replay, also where every board is frozen since', async (t) => {
  const { user, freeze, ledger } = await open(t);
  const score = submission(user, 5);
  const { eventId } = await ledger.record(score);
  await freeze(...BOARDS);
  await t.rejects(ledger.record(score), { code: 'action-token-replayed', original: { eventId } });
});

t.test('of several problems a banned or unknown user comes first', async (t) => {
  const { pool, users, freeze, ledger } = await open(t, 2);
  const [banned = '', erased = ''] = users;
  await pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [banned]);
  await pool.query('UPDATE users SET erased_at = now() WHERE id = uuid_of($1)', [erased]);
  await freeze(...BOARDS);
  t.same(await outcomes(ledger, [submission(banned, 1), submission(erased, 1)]), [
    'user-banned',
    'not-found',
  ]);
});

t.test('a score that is held counts nowhere, and later not on a board that was frozen', async (t) => {
  const { pool, user, freeze, unfreeze, ledger } = await open(t);
  const limits = { ...LIMITS, boards: [{ id: 'best-race', maxPointsPerMinute: 1 }] };
  await freeze('global');
  const { status, leaderboards } = await ledger.record(submission(user, 5, { limits }));
  t.same([status, leaderboards], ['held', []]);
  await unfreeze('global');
  const { rows } = await pool.query('SELECT boards FROM score_events');
  t.same(rows, [{ boards: { 'best-race': 1, 'latest-race': 1 } }]);
});

t.test('a batch that waits at the fence while a freeze commits sees the board frozen', async (t) => {
  const { pool, user, catalog, ledger, errors } = await open(t);
  // Holds up the freeze after it has closed the fence.
  const unlock = await holding(pool, (client) =>
    client.query("SELECT FROM leaderboards WHERE id = 'global' FOR UPDATE"),
  );
  const freezing = catalog.setFrozen('global', true, act);
  await waiting(pool, 1);
  const recording = ledger.record(submission(user, 5));
  await waiting(pool, 2);
  await unlock();
  t.match(await freezing, { id: 'global', frozenAt: String });
  t.same(boardsOf(await recording), [
    ['best-race', 5],
    ['global', 'frozen'],
    ['latest-race', 5],
  ]);
  t.same(errors, []);
});

t.test('a freeze waits for the batch that is being written, and that batch counts', async (t) => {
  const { pool, users, catalog, ledger } = await open(t, 2);
  const [first = '', second = ''] = users;
  const score = submission(first, 5);
  const commit = await holding(pool, (client) =>
    client.query('INSERT INTO consumed_tokens VALUES (uuid_of($1), gen_random_uuid(), now())', [
      score.tokenId,
    ]),
  );
  const recording = outcomes(ledger, [score, submission(second, 7)]);
  // The batch has passed the fence, and waits for the token.
  await waiting(pool, 1);
  const freezing = catalog.setFrozen('global', true, act);
  await waiting(pool, 2);
  await commit();
  t.same(await recording, ['action-token-replayed', [null, 7]]);
  t.match(await freezing, { frozenAt: String });
  t.same(await outcome(ledger, submission(second, 1)), 'frozen');
});

t.test(
  'two instances score while a board is frozen and unfrozen: each token counts once, or not at all',
  async (t) => {
    const { pool, users, freeze, unfreeze, ...one } = await open(t, 20);
    const two = newLedger(pool);
    // Only one board, so that a frozen one refuses.
    await pool.query("DELETE FROM action_leaderboards WHERE leaderboard_id <> 'global'");
    const scores = Array.from({ length: 600 }, (_, n) =>
      submission(users[n % users.length] ?? '', 1 + (n % 7)),
    );
    const results = new Map<Submission, unknown[]>(scores.map((score) => [score, []]));
    // As callers do that lost an answer: each token to both instances, and again what was refused.
    const record = async (score: Submission, n: number) => {
      const ledgers = n % 2 === 0 ? [one.ledger, two.ledger] : [two.ledger, one.ledger];
      const found = results.get(score);
      found?.push(...(await Promise.all(ledgers.map((ledger) => outcome(ledger, score)))));
    };
    const chunk = (start: number) => Promise.all(scores.slice(start, start + 100).map(record));
    await freeze('global');
    await chunk(0);
    await unfreeze('global');
    await chunk(100);
    let over = false;
    const switching = (async () => {
      for (let n = 0; !over; n++) await (n % 2 === 0 ? freeze('global') : unfreeze('global'));
      await unfreeze('global');
    })();
    for (const start of [200, 300, 400, 500]) await chunk(start);
    over = true;
    await switching;
    const counts = (found: readonly unknown[]) => found.filter((result) => Array.isArray(result)).length;
    const refused = [...results].filter(([, found]) => found.every((result) => result === 'board-frozen'));
    t.ok(refused.length >= 100 && refused.length <= 500, `${refused.length} of ${scores.length} are refused`);
    for (const [score, found] of results) {
      assert(counts(found) <= 1, 'no token counts twice');
      if (counts(found) === 0)
        assert(
          refused.some(([other]) => other === score),
          String(found),
        );
    }
    const counted = scores.filter((score) => counts(results.get(score) ?? []) === 1);
    const total = async () => sum((await truth(pool, 'global')).map(({ score }) => score));
    t.equal(await total(), sum(counted.map(({ points }) => points)));
    const later = await outcomes(
      one.ledger,
      refused.map(([score]) => score),
    );
    t.equal(counts(later), refused.length, 'no token that was refused is used up');
    t.equal(await total(), sum(scores.map(({ points }) => points)));
    t.same([...one.errors, ...two.errors], []);
  },
);

t.test('an answer that was lost is found again, with the boards that were skipped', async (t) => {
  const { pool, user, freeze, unfreeze, ledger } = await open(t);
  await freeze('global');
  const { eventId } = await ledger.record(submission(user, 5));
  await unfreeze('global');
  // The next submission has the event id and the token of the first: as a try whose answer was lost.
  const again = submission(user, 5);
  await pool.query('UPDATE consumed_tokens SET token_id = uuid_of($1) WHERE event_id = uuid_of($2)', [
    again.tokenId,
    eventId,
  ]);
  const recorded = await ledger.record(Object.assign(again, { eventId }));
  t.equal(recorded.eventId, eventId);
  t.same(boardsOf(recorded), [
    ['best-race', 5],
    ['global', 'frozen'],
    ['latest-race', 5],
  ]);
});

t.test('an action that was deleted is refused, and its tokens are not used up', async (t) => {
  const { pool, user, catalog, ledger } = await open(t);
  const score = submission(user, 5);
  await catalog.deleteAction(score.actionId, act);
  t.same(await outcome(ledger, score), 'action-token-invalid');
  t.equal((await pool.query('SELECT FROM consumed_tokens')).rowCount, 0);
});
