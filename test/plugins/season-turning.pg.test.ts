import assert from 'node:assert/strict';
import t from 'tap';
import { Action } from '../../schemas/action.js';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { Seasons } from '../../schemas/season.js';
import { WebhookSecret } from '../../schemas/webhook.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { Watcher } from '../live/live-server.js';
import { mint } from '../mint.js';
import { startReceiver, verified } from '../webhooks/receiver.js';
import { beginSeason } from './begin-season.js';

t.test('a season begins on every instance, and its board is loaded before', (t) => beginSeason(t));

/** Enough to open a stream. */
const AHEAD_MS = 6_000;

t.test('a season of a schedule ends, and streams and webhooks get what it has come to', async (t) => {
  const service = await startApi(t, { WEBHOOK_ALLOW_NETWORKS: ['127.0.0.1'] });
  const { api, url } = service;
  const [admin, server] = [await serviceApi(service, 'admin'), await serviceApi(service, 'server')];
  const receiver = await startReceiver(t, 204);
  const events = ['season.ended', 'season.final', 'season.skipped'];
  const { secret } = (await admin.post('/v1/admin/webhooks', { url: receiver.url, events })).is(
    201,
    WebhookSecret,
  );
  const rules = { title: 'Cup', sort: 'desc', operator: 'increment' };
  (await admin.put('/v1/admin/leaderboards/cup', rules)).is(200, Leaderboard);
  const action = { title: 'Play', points: { min: 0, max: 100 }, issuer: 'server', minDurationMs: 0 };
  (await admin.put('/v1/admin/actions/play', { ...action, leaderboards: ['cup'] })).is(200, Action);
  const [ada, bob] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  for (const [{ id }, points] of [
    [ada, 7],
    [bob, 9],
  ] as const) {
    const actionToken = mint(id, { act: 'play', pts: [points, points] });
    (await server.post('/v1/scores', { actionToken, season: { cup: 1 } })).is(200, Receipt);
  }
  const now = Date.now();
  const [endsAt, nextEndsAt] = [AHEAD_MS, 3_600_000].map((ms) => new Date(now + ms).toISOString());
  // The season that has no end yet ends with the beginning of the first one of the schedule.
  const schedule = { seasons: [{ startsAt: endsAt, endsAt: nextEndsAt, label: 'Final' }] };
  (await admin.put('/v1/admin/leaderboards/cup', { ...rules, schedule })).is(200, Leaderboard);

  const watcher = new Watcher(t, `${url}/v1/leaderboards/cup/stream`);
  t.match(await watcher.next(), {
    type: 'snapshot',
    data: { season: 1, seasonEndsAt: endsAt, total: 2 },
  });
  t.match(await watcher.until(({ type }) => type === 'season'), {
    data: {
      leaderboard: 'cup',
      season: 2,
      previous: 1,
      startsAt: endsAt,
      endsAt: nextEndsAt,
      label: 'Final',
    },
  });
  const { data: final } = await watcher.until(({ type }) => type === 'final');
  const top = [
    { rank: 1, sharedRank: 1, userId: bob.id, displayName: 'Bob', score: 9 },
    { rank: 2, sharedRank: 2, userId: ada.id, displayName: 'Ada', score: 7 },
  ];
  t.match(final, { season: 1, digest: /^[0-9a-f]{64}$/, items: top });
  const { digest } = final;
  await eventually(async () => assert.equal(receiver.received.length, 2));
  const posted = receiver.received.map((request) => verified(secret, request));
  const span = { leaderboard: 'cup', season: 1, label: null, startsAt: null, endsAt };
  t.same(posted[0], { ...Object(posted[0]), type: 'season.ended', data: span });
  t.same(posted[1], {
    ...Object(posted[1]),
    type: 'season.final',
    data: { ...span, entries: 2, digest, revision: 1, top },
  });
  const { items } = (await api.get('/v1/leaderboards/cup/seasons')).is(200, Seasons);
  t.match(items, [
    { season: 2, state: 'open' },
    { season: 1, state: 'final', digest, entries: 2, top },
  ]);
  const page = await api.get('/v1/leaderboards/cup/entries?season=1');
  t.match(page.is(200, Entries), { items: top, version: 1 });
  t.match(page.headers.get('cache-control'), /immutable/);
});
