import assert from 'node:assert/strict';
import t from 'tap';
import { Leaderboard } from '../../../schemas/leaderboard.js';
import { ModeratedUser } from '../../../schemas/moderation.js';
import { UserEntries } from '../../../schemas/position.js';
import { Receipt } from '../../../schemas/score.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const put = async (id: string, more = {}) =>
  (
    await admin.put(`/v1/admin/leaderboards/${id}`, {
      title: `Board ${id}`,
      sort: 'desc',
      operator: 'increment',
      ...more,
    })
  ).is(200, Leaderboard);
const score = async (userId: string, points: number) =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act: 'all', pts: [points, points] }) })).is(
    200,
    Receipt,
  );

t.test('all boards of a user are read in one call, each with its rank', async (t) => {
  const boards = ['alpha', 'bravo', 'secret', 'zulu'];
  for (const id of boards) {
    const more = id === 'zulu' ? { sort: 'asc', unit: { kind: 'duration' } } : { sort: 'desc' };
    await put(id, { hidden: id === 'secret', ...more });
  }
  await admin.put('/v1/admin/actions/all', {
    title: 'All',
    points: { min: 0, max: 1_000 },
    leaderboards: boards,
    issuer: 'server',
    minDurationMs: 0,
  });
  const [ada, bob, cleo] = [await newPlayer(api), await newPlayer(api), await newPlayer(api)];
  await score(cleo.id, 10);
  await score(ada.id, 10);
  await score(bob.id, 30);
  // One reads its own projections, the other PostgreSQL until they are loaded.
  const cold = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  for (const at of [api, cold.api]) {
    const read = async (query = '') =>
      (await at.get(`/v1/users/${ada.id}/entries${query}`)).is(200, UserEntries);
    const { items, nextCursor, now } = await read();
    t.match(now, /Z$/);
    t.equal(nextCursor, null);
    const entry = { season: 1, seasonEndsAt: null, score: 10, total: 3 };
    t.match(items, [
      { leaderboard: 'alpha', title: 'Board alpha', rank: 3, sharedRank: 2, ...entry },
      { leaderboard: 'bravo', title: 'Board bravo', rank: 3, sharedRank: 2, ...entry },
      { leaderboard: 'zulu', title: 'Board zulu', rank: 2, sharedRank: 1, formatted: '0:00.010', ...entry },
    ]);
    t.notMatch(items[0], { formatted: String }, 'a board without a unit');
    t.match((await read('?locale=de')).items, [
      { formatted: '10' },
      { formatted: '10' },
      { formatted: '0:00,010' },
    ]);
    t.equal(items.length, 3, 'without the hidden one');
    const first = await read('?limit=2');
    const rest = await read(`?limit=2&cursor=${first.nextCursor}`);
    t.same(
      [...first.items, ...rest.items].map(({ leaderboard }) => leaderboard),
      ['alpha', 'bravo', 'zulu'],
    );
    t.equal(rest.nextCursor, null);
    await eventually(async () => {
      await read();
      const { app: on } = at === api ? service : cold;
      assert(on.boards.projections().every(({ isReady }) => isReady));
    });
    t.same((await read()).items, items, 'from the projections');
  }
  (await admin.post(`/v1/admin/users/${ada.id}/ban`, { reason: 'A cheat.' })).is(200, ModeratedUser);
  t.same((await api.get(`/v1/users/${ada.id}/entries`)).is(200, UserEntries).items, [], 'banned');
  await app.pg.pool.query('UPDATE leaderboards SET season = 2 WHERE id = $1', ['bravo']);
  app.catalog.forgetAll();
  const { items } = (await api.get(`/v1/users/${bob.id}/entries`)).is(200, UserEntries);
  t.same(
    items.map(({ leaderboard, rank }) => [leaderboard, rank]),
    [
      ['alpha', 1],
      ['zulu', 2],
    ],
    'only of current seasons',
  );
  (await api.get(`/v1/users/${typeId('usr')}/entries`)).fails('not-found');
});
