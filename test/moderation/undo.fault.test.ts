import assert from 'node:assert/strict';
import t from 'tap';
import { Act } from '../../schemas/moderation.js';
import { SCOPES } from '../../schemas/scope.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { submission } from '../ledger/ledgers.js';
import { equalsRecomputed } from '../ledger/recomputed.js';
import { playAYear } from '../ledger/year-of-play.js';

const EVENTS = 20_000;
const OWN = 100;

t.test('an undo goes on after a kill, while its user scores, and gives back each event once', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const user = await playAYear(pool, databaseUrl, 'n % 1000', EVENTS);
  const first = await startApi(t, { DATABASE_URL: databaseUrl });
  const admin = await serviceApi(first, 'admin');
  // Voided before: no undo of another act gives them back.
  const before = await Promise.all(
    Array.from({ length: OWN }, (_, i) => first.app.ledger.record(submission(user, i))),
  );
  const act = { actor: 'svc_test', reason: 'A test.' };
  for (const { eventId } of before) await first.app.moderation.void(eventId, act);
  const span = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
  const voiding = await first.app.moderation.voidAll({ userId: user, ...span }, act);
  await eventually(async () => {
    assert.equal((await first.app.moderation.progress(voiding)).state, 'done');
  }, 60_000);
  await first.app.close();

  const killed = await startService(t, databaseUrl);
  const cut = admin
    .at(killed.url)
    .post(`/v1/admin/acts/${voiding}/undo`, { reason: 'It was the wrong one.' })
    .catch(() => 'cut');
  const undoes = async () =>
    (
      await pool.query<{ id: string; given: number }>(
        "SELECT typeid('aud', id) AS id, voided AS given FROM admin_acts WHERE undoes IS NOT NULL",
      )
    ).rows;
  await eventually(async () => assert(((await undoes())[0]?.given ?? 0) > 1_000), 60_000);
  killed.process.kill('SIGKILL');
  t.equal(await cut, 'cut');
  const [{ id, given } = { id: '', given: 0 }] = await undoes();
  t.ok(given < EVENTS, `killed after ${given} events`);

  const service = await startApi(t, { DATABASE_URL: databaseUrl });
  const scores = Promise.all(
    Array.from({ length: 200 }, (_, i) => service.app.ledger.record(submission(user, i))),
  );
  // Else it would be given back in half a minute.
  await service.app.jobs.revive(0);
  const progress = async () => (await admin.at(service.url).get(`/v1/admin/acts/${id}`)).is(200, Act);
  await eventually(async () => assert.equal((await progress()).state, 'done'), 60_000);
  t.same(await progress(), {
    id,
    state: 'done',
    voided: EVENTS,
    total: EVENTS,
    problem: null,
    undoes: voiding,
  });
  await scores;
  await equalsRecomputed(t, pool);
  const { rows } = await pool.query(
    'SELECT status, count(*)::int AS events FROM score_events GROUP BY status ORDER BY status',
  );
  t.same(rows, [
    { status: 'counted', events: EVENTS + 200 },
    { status: 'voided', events: OWN },
  ]);
});

t.test(
  'an undo of a void that is still at work ends it, and gives back all that it has voided',
  async (t) => {
    const databaseUrl = await buildTestDatabase(t);
    const pool = openPool(t, databaseUrl);
    const user = await playAYear(pool, databaseUrl, 'n % 1000', EVENTS);
    const { app } = await startApi(t, { DATABASE_URL: databaseUrl });
    const act = { actor: 'svc_test', reason: 'A test.' };
    const span = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
    const voiding = await app.moderation.voidAll({ userId: user, ...span }, act);
    await eventually(async () => assert((await app.moderation.progress(voiding)).voided > 0));
    const undoing = await app.undo.undo(voiding, act, SCOPES);
    const undone = await app.moderation.outcome(undoing, 60_000);
    const { voided, state, problem } = await app.moderation.progress(voiding);
    t.ok(state === 'done' || problem === 'act-undone', `it had voided ${voided}`);
    t.match(undone, { state: 'done', voided, total: voided });
    t.same((await pool.query("SELECT FROM score_events WHERE status <> 'counted'")).rowCount, 0);
    await equalsRecomputed(t, pool);
  },
);
