import assert from 'node:assert/strict';
import t from 'tap';
import { PlannedLeaderboard } from '../../../schemas/leaderboard.js';
import { OVERVIEW_MINUTES, Overview } from '../../../schemas/overview.js';
import { Receipt } from '../../../schemas/score.js';
import { firstIdAt } from '../../../src/ids.js';
import { RecentActivity } from '../../../src/moderation/overview.js';
import { toUuid } from '../../../src/stored-ids.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';

t.test('the overview says what was scored, is held, was rejected and ends next', async (t) => {
  const service = await startApi(t);
  const { app, api } = service;
  const admin = await serviceApi(service, 'admin');
  const read = async () => (await admin.get('/v1/admin/overview')).is(200, Overview);
  const before = await read();
  t.same(before.players, { count: 0, isMore: false });
  t.same(before.seasons, []);
  t.equal(before.scores.length, OVERVIEW_MINUTES);

  const board = { title: 'Weekly', sort: 'desc', operator: 'increment', maxPointsPerMinute: 100 };
  const schedule = { every: 'week' };
  (await admin.put('/v1/admin/leaderboards/weekly', { ...board, schedule })).is(200, PlannedLeaderboard);
  const action = { title: 'Play', points: { min: 0, max: 500 }, leaderboards: ['weekly'], issuer: 'player' };
  await admin.put('/v1/admin/actions/play', { ...action, minDurationMs: 0 });
  const [ada, bo] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bo')];
  const post = (player: typeof ada, points: number) =>
    player.api.post('/v1/scores', { actionToken: mint(player.id, { act: 'play', pts: [points, points] }) });
  (await post(ada, 10)).is(200, Receipt);
  (await post(bo, 500)).is(200, Receipt);
  (await ada.api.post('/v1/scores', { actionToken: 'x.y.z' })).fails('action-token-invalid');

  // The database is asked at most every two seconds.
  const after = await eventually(async () => {
    const overview = await read();
    assert.equal(overview.held.count, 1);
    return overview;
  });
  t.same(after.players, { count: 2, isMore: false });
  t.equal(
    after.instance.rejectedTokens.reduce((sum, count) => sum + count, 0),
    1,
  );
  t.equal(after.instance.streamsCapacity, service.config.SSE_MAX_CONNECTIONS);
  t.same(after.checks, { database: 'ok', redis: 'disabled' });
  t.match(after.seasons, [{ leaderboard: 'weekly', title: 'Weekly', season: 1 }]);
  (await ada.api.get('/v1/admin/overview')).fails('forbidden');

  // Three minutes ago, and ten.
  const minute = Math.floor(Date.now() / 60_000);
  const scored = [3, 3, 10].map((minutes, i) => (minute - minutes) * 60_000 + i);
  const ids = scored.map((ms) => toUuid('evt', firstIdAt('evt', ms)));
  await app.pg.pool.query(
    `INSERT INTO score_events (id, user_id, token_id, points, accepted_at, action_id, boards)
     SELECT id, $2, id, 1, now(), 'play', '[]' FROM unnest($1::uuid[]) id`,
    [ids, toUuid('usr', ada.id)],
  );
  const { scores } = await new RecentActivity(app.pg.pool).read();
  t.same(scores.filter((count) => count > 0).slice(0, 2), [1, 2], 'each in its minute');
});
