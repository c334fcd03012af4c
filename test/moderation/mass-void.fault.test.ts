import assert from 'node:assert/strict';
import t from 'tap';
import { Act, AuditTrail } from '../../schemas/moderation.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { submission } from '../ledger/ledgers.js';
import { equalsRecomputed } from '../ledger/recomputed.js';
import { playAYear } from '../ledger/year-of-play.js';

const EVENTS = 20_000;

t.test('a void goes on after a kill, while its user scores, and is exact', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const user = await playAYear(pool, databaseUrl, 'n % 1000', EVENTS);
  const first = await startApi(t, { DATABASE_URL: databaseUrl });
  const admin = await serviceApi(first, 'admin');
  await first.app.close();
  const killed = await startService(t, databaseUrl);
  const body = {
    userId: user,
    from: '2020-01-01T00:00:00.000Z',
    to: new Date().toISOString(),
    reason: 'A bot.',
  };
  const cut = admin
    .at(killed.url)
    .post('/v1/admin/events/void', body)
    .catch(() => 'cut');
  const acts = async () =>
    (
      await pool.query<{ id: string; voided: number }>(
        `SELECT typeid('aud', id) AS id, voided FROM admin_acts`,
      )
    ).rows;
  await eventually(async () => assert(((await acts())[0]?.voided ?? 0) > 1_000), 20_000);
  killed.process.kill('SIGKILL');
  t.equal(await cut, 'cut');
  const [{ id, voided } = { id: '', voided: 0 }] = await acts();
  t.ok(voided < EVENTS, `killed after ${voided} events`);

  const service = await startApi(t, { DATABASE_URL: databaseUrl });
  const scores = Promise.all(
    Array.from({ length: 200 }, (_, i) => service.app.ledger.record(submission(user, i))),
  );
  // Else it would be given back in half a minute.
  await service.app.jobs.revive(0);
  const progress = async () => (await admin.at(service.url).get(`/v1/admin/acts/${id}`)).is(200, Act);
  await eventually(async () => assert.equal((await progress()).state, 'done'), 30_000);
  t.same(await progress(), { id, state: 'done', voided: EVENTS, total: EVENTS, problem: null, undoes: null });
  await scores;
  await equalsRecomputed(t, pool);
  const { rows } = await pool.query(
    'SELECT status, count(*)::int AS events FROM score_events GROUP BY status ORDER BY status',
  );
  t.same(rows, [
    { status: 'counted', events: 200 },
    { status: 'voided', events: EVENTS },
  ]);
  const { items } = (await admin.at(service.url).get('/v1/admin/audit')).is(200, AuditTrail);
  t.match(items, [
    { id, action: 'void-events', reason: 'A bot.', details: { userId: user, voided: EVENTS } },
  ]);
});
