import t from 'tap';
import { Action } from '../../schemas/action.js';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { newPlayer, serviceApi, startApi } from '../api.js';
import { Watcher } from '../live/live-server.js';
import { mint } from '../mint.js';
import { turnPages } from '../seasons/turn-pages.js';

const service = await startApi(t);
const { app, url, api } = service;
const admin = await serviceApi(service, 'admin');
const server = await serviceApi(service, 'server');
for (const id of ['cup', 'race'])
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort: 'desc', operator: 'increment' })).is(
    200,
    Leaderboard,
  );
const action = { points: { min: 1, max: 100 }, issuer: 'server', minDurationMs: 0 };
for (const [id, leaderboards] of Object.entries({ both: ['cup', 'race'], ride: ['race'] }))
  (await admin.put(`/v1/admin/actions/${id}`, { title: id, ...action, leaderboards })).is(200, Action);
const score = async (userId: string, points: number, act = 'both') =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );

t.test('one stream shows several leaderboards, and says what keeps others from being shown', async (t) => {
  const ada = await newPlayer(api, 'Ada');
  await score(ada.id, 10);
  const watcher = new Watcher(t, `${url}/v1/stream?boards=cup:1,nowhere,race:5:${ada.id}`);
  t.match(await watcher.next(), {
    type: 'problem',
    data: { leaderboard: 'nowhere', status: 404, code: 'not-found' },
  });
  const first = [await watcher.next(), await watcher.next(), await watcher.next()];
  const byBoard = (leaderboard: string) => first.filter(({ data }) => data.leaderboard === leaderboard);
  t.match(byBoard('cup'), [
    { type: 'snapshot', data: { seasonEndsAt: null, total: 1, items: [{ score: 10 }] } },
  ]);
  t.match(byBoard('race'), [
    { type: 'snapshot' },
    { type: 'rank', data: { userId: ada.id, rank: 1, total: 1 } },
  ]);
  await score(ada.id, 5, 'ride');
  const second = [await watcher.next(), await watcher.next()];
  t.match(
    second.find(({ type }) => type === 'leaderboard'),
    { data: { leaderboard: 'race' } },
  );
  t.match(
    second.find(({ type }) => type === 'rank'),
    { data: { leaderboard: 'race', score: 15 } },
  );
  t.equal(app.hub.active, 1);
});

t.test('a query that names no board, or too many, is refused', async () => {
  const many = Array.from({ length: 33 }, (_, i) => `board-${i}`).join();
  for (const query of ['', '?boards=', '?boards=cup:0', '?boards=cup:101', '?boards=Cup', `?boards=${many}`])
    (await api.get(`/v1/stream${query}`)).fails('validation-failed');
});

t.test('streams of a board follow it into its next season', async (t) => {
  const bo = await newPlayer(api, 'Bo');
  await score(bo.id, 20);
  const watcher = new Watcher(t, `${url}/v1/leaderboards/cup/stream?user=${bo.id}`);
  t.match(await watcher.next(), { type: 'snapshot', data: { season: 1, seasonEndsAt: null } });
  t.match(await watcher.next(), { type: 'rank', data: { rank: 1 } });
  const end = (seconds: number) =>
    app.pg.query(
      `UPDATE leaderboards SET season_ends_at = clock_timestamp() + $1::int * interval '1 second',
         next_starts_at = clock_timestamp() + $1::int * interval '1 second', next_ends_at = clock_timestamp() + interval '1 hour'
       WHERE id = 'cup'`,
      [seconds],
    );
  await end(0);
  await turnPages(app.pg.pool, 'another instance');
  const { data } = await watcher.until(({ type }) => type === 'season');
  t.match(data, {
    leaderboard: 'cup',
    season: 2,
    previous: 1,
    startsAt: /Z$/,
    endsAt: /Z$/,
    label: null,
    now: /Z$/,
  });
  const empty = await watcher.until(({ type }) => type === 'leaderboard');
  t.match(empty.data, { season: 2, total: 0, items: [], seasonEndsAt: /Z$/ });
  t.match(await watcher.until(({ type, data }) => type === 'rank' && data.rank === null), {
    data: { score: null },
  });
  await score(bo.id, 3);
  t.match(await watcher.until(({ type }) => type === 'leaderboard'), { data: { season: 2, total: 1 } });
});
