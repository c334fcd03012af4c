import t from 'tap';
import { Action } from '../../schemas/action.js';
import { AdminEvents } from '../../schemas/moderation.js';
import { BatchedScores } from '../../schemas/score.js';
import { newPlayer, serviceApi, startApi } from '../api.js';

const service = await startApi(t);
const { api } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const put = async (id: string, more = {}) =>
  (
    await admin.put(`/v1/admin/actions/${id}`, {
      title: id,
      points: { min: 0, max: 1_000_000 },
      leaderboards: ['global'],
      issuer: 'server',
      minDurationMs: 0,
      ...more,
    })
  ).is(200, Action);
let keys = 0;
/** @returns what became of each */
const score = async (userId: string, action: string, points: readonly number[]) => {
  const submissions = points.map((points) => ({ userId, action, points, idempotencyKey: `key-${++keys}` }));
  const { items } = (await server.post('/v1/scores/batch', { submissions })).is(200, BatchedScores);
  return items.map(({ receipt }) => receipt?.status);
};

t.test('an event far outside of what the action shows is held, if that is asked for', async (t) => {
  const { id } = await newPlayer(api);
  // 120 events: their median is 100, and half of them are within 2 of it.
  const usual = Array.from({ length: 120 }, (_, i) => 100 + ((i * 7) % 9) - 4);
  for (const action of ['race', 'jump', 'seldom']) {
    t.notMatch(await put(action), { maxRobustZ: Number });
    await score(id, action, action === 'seldom' ? usual.slice(0, 50) : usual);
  }
  t.same(await score(id, 'race', [900]), ['counted'], 'off by default');
  for (const action of ['race', 'seldom']) t.match(await put(action, { maxRobustZ: 8 }), { maxRobustZ: 8 });
  t.same(await score(id, 'race', [104, 120, 900]), ['counted', 'counted', 'held']);
  t.same(await score(id, 'jump', [900]), ['counted'], 'another action has no such limit');
  t.same(await score(id, 'seldom', [900]), ['counted'], 'of which too little is known');
  const { items } = (await admin.get(`/v1/admin/events?status=held&userId=${id}`)).is(200, AdminEvents);
  t.match(items, [
    {
      action: 'race',
      points: 900,
      heldBecause: { limit: 'maxRobustZ', leaderboard: null, allowed: 8, usual: { median: 100, most: 900 } },
    },
  ]);
  t.equal(items.length, 1);
  for (const maxRobustZ of [2, 1_001])
    (
      await admin.put('/v1/admin/actions/race', {
        title: 'Race',
        points: { min: 0, max: 1 },
        leaderboards: ['global'],
        issuer: 'server',
        minDurationMs: 0,
        maxRobustZ,
      })
    ).fails('validation-failed');
});
