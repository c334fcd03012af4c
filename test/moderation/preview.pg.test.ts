import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Action } from '../../schemas/action.js';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { Act, VoidPreview } from '../../schemas/moderation.js';
import { boardKey } from '../../src/board-key.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { addPlayers } from '../ledger/game-server.js';
import { submission } from '../ledger/ledgers.js';

const service = await startApi(t);
const { app } = service;
const admin = await serviceApi(service, 'admin');
const { pool } = app.pg;
const EVER = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
const why = { reason: 'A test of the police.' };
const BOARDS = {
  sum: ['desc', 'increment'],
  top: ['desc', 'best'],
  lap: ['asc', 'best'],
  last: ['asc', 'latest'],
};

for (const [id, [sort, operator]] of Object.entries(BOARDS))
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort, operator })).is(200, Leaderboard);
for (const id of ['walk', 'run'])
  (
    await admin.put(`/v1/admin/actions/${id}`, {
      title: id,
      points: { min: -1_000, max: 1_000 },
      leaderboards: Object.keys(BOARDS),
      issuer: 'server',
      minDurationMs: 0,
    })
  ).is(200, Action);

/** Score and rank of each user on each board, in PostgreSQL and on this instance. */
async function standings() {
  const found = new Map<string, { rank: number; score: number }>();
  for (const id of Object.keys(BOARDS)) {
    const { rows } = await pool.query<{ userId: string; score: number; rank: number }>(
      `SELECT typeid('usr', user_id) AS "userId", score, row_number() OVER (ORDER BY sort_key, achieved_at, user_id) AS rank
       FROM scores WHERE leaderboard_id = $1 AND score IS NOT NULL ORDER BY rank`,
      [id],
    );
    for (const { userId, score, rank } of rows) found.set(`${id} ${userId}`, { rank, score });
    await eventually(async () => {
      const { items } = await app.leaderboards.page(boardKey(id, 1), 100);
      assert.deepEqual(
        items.map(({ userId, rank, score }) => ({ userId, rank, score })),
        rows.slice(0, 100).map(({ userId, rank, score }) => ({ userId, rank, score })),
      );
    });
  }
  return found;
}

const event = fc.record({
  who: fc.nat(4),
  points: fc.integer({ min: -20, max: 20 }),
  actionId: fc.constantFrom('walk', 'run'),
});
const filter = fc.oneof(
  fc.nat(4).map((who) => ({ who })),
  fc.constantFrom({ action: 'run' }, { action: 'walk' }),
  fc.record({ who: fc.nat(4), action: fc.constantFrom('run', 'walk') }),
);

t.test('what a preview says is what then happens, and the preview itself changes nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 25 }), filter, async (events, wanted) => {
      const users = await addPlayers(pool, 5);
      for (const { who, points, actionId } of events)
        await app.ledger.record(submission(users[who] ?? '', points, { actionId }));
      const { who, action } = { who: undefined, action: undefined, ...wanted };
      const body = {
        ...EVER,
        ...why,
        ...(who !== undefined && { userId: users[who] }),
        ...(action && { action }),
      };
      const before = await standings();
      const said = (await admin.post('/v1/admin/events/void', { ...body, preview: true })).is(
        200,
        VoidPreview,
      );
      assert.deepEqual(await standings(), before);
      const { voided } = (await admin.post('/v1/admin/events/void', body)).is(200, Act);
      const after = await standings();
      assert.equal(said.events, voided);
      const moves = [...before].flatMap(([key, { rank, score }]) => {
        const then = after.get(key);
        const isSame = then?.rank === rank && then.score === score;
        if (rank > 100 || isSame) return [];
        return [[key, rank, then?.rank ?? null, score, then?.score ?? null]];
      });
      const told = (said.boards ?? []).flatMap(({ id, moves: ofBoard }) =>
        ofBoard.map((move) => [`${id} ${move.userId}`, move.from, move.to, move.score, move.scoreAfter]),
      );
      const inOrder = (list: unknown[]) => list.map((item) => JSON.stringify(item)).sort();
      assert.deepEqual(inOrder(told), inOrder(moves));
    }),
    { numRuns: 20, endOnFailure: true },
  );
  t.same((await pool.query("SELECT FROM admin_audit WHERE details->>'preview' IS NOT NULL")).rowCount, 0);
});

t.test('a preview of too many events says how many there are', async (t) => {
  const [user = ''] = await addPlayers(pool, 1);
  await pool.query(
    `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
     SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid,
            uuid_of($1), 'walk', gen_random_uuid(), 1, now(), '{"sum": 1}' FROM generate_series(1, 5001) n`,
    [user],
  );
  const body = { ...EVER, ...why, userId: user, preview: true };
  t.same((await admin.post('/v1/admin/events/void', body)).is(200, VoidPreview), {
    events: 5_001,
    boards: null,
  });
  (await admin.post('/v1/admin/events/void', { ...body, userId: undefined })).fails('validation-failed');
});

t.test(
  'a preview that takes too long gives its locks back, and says how many events there are',
  async (t) => {
    const [user = ''] = await addPlayers(pool, 1);
    await app.ledger.record(submission(user, 5, { actionId: 'walk' }));
    await pool.query(`
    CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(6); RETURN NEW; END';
    CREATE TRIGGER take_long BEFORE UPDATE ON scores FOR EACH ROW EXECUTE FUNCTION take_long()`);
    const body = { ...EVER, ...why, userId: user, preview: true };
    const said = (await admin.post('/v1/admin/events/void', body)).is(200, VoidPreview);
    await pool.query('DROP FUNCTION take_long CASCADE');
    t.same(said, { events: 1, boards: null });
  },
);
