import t from 'tap';
import { Entries, EntryDetails, FriendEntries, Leaderboard } from '../../../schemas/leaderboard.js';
import { Receipt } from '../../../schemas/score.js';
import { FinalPlaces, Seasons } from '../../../schemas/season.js';
import { newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const { pool } = app.pg;

const score = async (userId: string, points: number, act: string) =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );
const entries = async (id: string, query = '') =>
  (await api.get(`/v1/leaderboards/${id}/entries${query}`)).is(200, Entries);
const seasons = async (id: string, query = '') =>
  (await api.get(`/v1/leaderboards/${id}/seasons${query}`)).is(200, Seasons);

/** A board with an action of its own, both with this id. */
async function newBoard(id: string): Promise<void> {
  const rules = { title: id, sort: 'desc', operator: 'increment' };
  (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, Leaderboard);
  await admin.put(`/v1/admin/actions/${id}`, {
    title: id,
    points: { min: 0, max: 1_000 },
    leaderboards: [id],
    issuer: 'server',
    minDurationMs: 0,
  });
}

/** The next season has begun: as it is after its row was changed, and all instances know. */
async function turn(id: string): Promise<void> {
  await pool.query(
    `UPDATE leaderboards SET season = season + 1, season_starts_at = clock_timestamp() WHERE id = $1`,
    [id],
  );
  await pool.query(
    `UPDATE seasons s SET ends_at = l.season_starts_at, state = 'closing' FROM leaderboards l
     WHERE s.leaderboard_id = $1 AND l.id = $1 AND s.season = l.season - 1`,
    [id],
  );
  app.catalog.forgetAll();
}
const makeFinal = (id: string, season: number) =>
  pool.query(
    `UPDATE seasons s SET state = 'final', digest = $3,
       entries = (SELECT count(*) FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL)
     WHERE leaderboard_id = $1 AND season = $2`,
    [id, season, 'ab'.repeat(32)],
  );

t.test('every read of entries shows the season that is asked for', async (t) => {
  await newBoard('weekly');
  const [ada, bob, cyd] = [await newPlayer(api), await newPlayer(api, 'Bob'), await newPlayer(api, 'Cyd')];
  await score(ada.id, 10, 'weekly');
  await score(bob.id, 20, 'weekly');
  await score(cyd.id, 30, 'weekly');
  await turn('weekly');
  await score(ada.id, 5, 'weekly');
  const users = (page: Entries | FriendEntries) => page.items.map(({ userId }) => userId);
  for (const state of ['closing', 'final']) {
    if (state === 'final') await makeFinal('weekly', 1);
    const past = await entries('weekly', '?season=1&limit=2');
    t.match(
      past,
      {
        season: 1,
        total: 3,
        items: [
          { rank: 1, score: 30 },
          { rank: 2, score: 20 },
        ],
      },
      state,
    );
    t.same(users(await entries('weekly', `?season=1&cursor=${past.nextCursor}`)), [ada.id], state);
    const own = `/v1/leaderboards/weekly/entries/${ada.id}`;
    t.match(
      (await api.get(`${own}?season=1`)).is(200, EntryDetails),
      { rank: 3, score: 10, total: 3 },
      state,
    );
    t.same(
      users((await api.get(`${own}/around?season=1&radius=1`)).is(200, Entries)),
      [bob.id, ada.id],
      state,
    );
    const friends = `/v1/leaderboards/weekly/entries/batch?userIds=${ada.id},${cyd.id}`;
    t.same(users((await api.get(`${friends}&season=1`)).is(200, FriendEntries)), [cyd.id, ada.id], state);
    t.match(await entries('weekly', '?season=2'), { season: 2, total: 1 }, state);
    t.match(await entries('weekly'), { season: 2, total: 1, items: [{ score: 5 }] }, state);
    t.match((await api.get(own)).is(200, EntryDetails), { rank: 1, score: 5, total: 1 }, state);
  }
  const path = '/v1/leaderboards/weekly/entries';
  for (const read of [path, `${path}/${ada.id}`, `${path}/${ada.id}/around`]) {
    (await api.get(`${read}?season=3`)).fails('season-not-found');
    (await api.get(`${read}?season=0`)).fails('validation-failed');
  }
  await pool.query(`UPDATE leaderboards SET removed_through = 1 WHERE id = 'weekly'`);
  for (const read of [path, `${path}/${ada.id}`, `${path}/${ada.id}/around`])
    t.equal((await api.get(`${read}?season=1`)).fails('season-purged').status, 410);
  t.same(
    (await seasons('weekly')).items.map(({ season }) => season),
    [2],
  );
});

t.test('a season that is over sorts as it did', async (t) => {
  await newBoard('golf');
  const [ada, bob] = [await newPlayer(api), await newPlayer(api)];
  await score(ada.id, 10, 'golf');
  await score(bob.id, 20, 'golf');
  await turn('golf');
  await pool.query(`UPDATE leaderboards SET sort = 'asc' WHERE id = 'golf'`);
  app.catalog.forgetAll();
  for (const state of ['closing', 'final']) {
    if (state === 'final') await makeFinal('golf', 1);
    const { items, nextCursor } = await entries('golf', '?season=1&limit=1');
    t.match(items, [{ userId: bob.id, score: 20 }], state);
    t.match((await entries('golf', `?season=1&cursor=${nextCursor}`)).items, [{ userId: ada.id }], state);
    t.match((await entries('golf', '?season=2')).items, [], state);
  }
});

t.test('the pages of a final season may be kept for ever', async (t) => {
  await newBoard('daily');
  const { id } = await newPlayer(api);
  await score(id, 10, 'daily');
  await turn('daily');
  const path = '/v1/leaderboards/daily/entries?season=1';
  t.equal((await api.get(path)).headers.get('cache-control'), 'no-cache');
  await makeFinal('daily', 1);
  const { headers, body } = await api.get(path);
  t.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
  const etag = headers.get('etag') ?? '';
  t.match(etag, new RegExp(`^"${'ab'.repeat(32)}-1-`));
  t.equal((await api.get(path, { 'if-none-match': etag })).status, 304);
  t.match(body, { version: 1 });
  t.same((await api.get(path)).body, body);
});

t.test(
  'a cursor of a season that has ended says so, and goes on where the season is asked for',
  async (t) => {
    await newBoard('hourly');
    for (const points of [1, 2]) await score((await newPlayer(api)).id, points, 'hourly');
    const { nextCursor } = await entries('hourly', '?limit=1');
    await turn('hourly');
    const path = '/v1/leaderboards/hourly/entries';
    t.equal((await api.get(`${path}?cursor=${nextCursor}`)).fails('season-changed').status, 410);
    t.match((await entries('hourly', `?season=1&cursor=${nextCursor}`)).items, [{ score: 1 }]);
    (await api.get(`${path}?season=2&cursor=${nextCursor}`)).fails('validation-failed');
    (await api.get(`/v1/leaderboards/global/entries?cursor=${nextCursor}`)).fails('validation-failed');
  },
);

t.test('seasons are listed newest first, with their winners', async (t) => {
  await newBoard('cup');
  const players = await Promise.all(['A', 'B', 'C', 'D'].map((name) => newPlayer(api, name)));
  for (const [i, { id }] of players.entries()) await score(id, i + 1, 'cup');
  await turn('cup');
  await makeFinal('cup', 1);
  await pool.query(`UPDATE seasons SET label = 'Cup I' WHERE leaderboard_id = 'cup' AND season = 1`);
  await turn('cup');
  await score(players[0]?.id ?? '', 7, 'cup');
  const { items } = await seasons('cup');
  t.match(items, [
    {
      season: 3,
      label: null,
      endsAt: null,
      state: 'open',
      entries: 1,
      digest: null,
      top: [{ rank: 1, score: 7 }],
    },
    { season: 2, state: 'closing', entries: 0, top: [] },
    {
      season: 1,
      label: 'Cup I',
      startsAt: null,
      state: 'final',
      entries: 4,
      revision: 1,
      digest: 'ab'.repeat(32),
      top: [
        { rank: 1, displayName: 'D', score: 4 },
        { rank: 2, displayName: 'C', score: 3 },
        { rank: 3, displayName: 'B', score: 2 },
      ],
    },
  ]);
  t.equal(items[1]?.endsAt, items[0]?.startsAt);
  const { nextCursor } = await seasons('cup', '?limit=2');
  t.same(await seasons('cup', `?limit=2&cursor=${nextCursor}`), { items: items.slice(2), nextCursor: null });
  (await api.get('/v1/leaderboards/no-such/seasons')).fails('not-found');
});

t.test('a player has its final places, the newest first', async (t) => {
  const { id } = await newPlayer(api);
  const places = async (query = '') =>
    (await api.get(`/v1/users/${id}/seasons${query}`)).is(200, FinalPlaces);
  for (const board of ['places-a', 'places-b']) {
    await newBoard(board);
    await score((await newPlayer(api)).id, 10, board);
    await score(id, 5, board);
    await turn(board);
    t.notMatch((await places()).items, [{ leaderboard: board }], 'nothing is final yet');
    await makeFinal(board, 1);
  }
  await score(id, 20, 'places-a');
  const { items } = await places();
  t.match(items, [
    { leaderboard: 'places-b', season: 1, rank: 2, score: 5, entries: 2 },
    { leaderboard: 'places-a', season: 1, rank: 2, score: 5, entries: 2 },
  ]);
  const { nextCursor } = await places('?limit=1');
  t.same((await places(`?cursor=${nextCursor}`)).items, items.slice(1));
  t.same((await places()).nextCursor, null);
});
