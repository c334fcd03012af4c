import assert from 'node:assert/strict';
import t from 'tap';
import { Action } from '../../../schemas/action.js';
import {
  Entries,
  EntryDetails,
  FriendEntries,
  Leaderboard,
  PlannedLeaderboard,
} from '../../../schemas/leaderboard.js';
import { BatchedScores, Receipt } from '../../../schemas/score.js';
import { FinalPlaces, Seasons } from '../../../schemas/season.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { close } from '../../ledger/final-seasons.js';
import { holding, waiting } from '../../ledger/waiting.js';
import { mint } from '../../mint.js';
import { resultOn } from '../../receipts.js';
import { turnPages } from '../../seasons/turn-pages.js';

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
  const { id, api: own } = await newPlayer(api);
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
  t.match(body, { version: 1, items: [{ displayName: 'Ada' }] });
  t.same((await api.get(path)).body, body);
  (await own.delete('/v1/users/me')).isEmpty(204);
  const erased = await api.get(path, { 'if-none-match': etag });
  t.match(erased.is(200, Entries).items, [{ rank: 1, score: 10, displayName: 'Erased player' }]);
  t.not(erased.headers.get('etag'), etag, 'a name that is erased is on no page from then on');
});

t.test('a page that is read while its season is amended is not kept for ever', async (t) => {
  await newBoard('amended');
  const { id } = await newPlayer(api);
  await score(id, 10, 'amended');
  await turn('amended');
  await makeFinal('amended', 1);
  const path = '/v1/leaderboards/amended/entries?season=1';
  const before = await api.get(path);
  // Reads wait here, when they have found the season final.
  const commit = await holding(pool, async (client) => {
    await client.query('LOCK TABLE scores IN ACCESS EXCLUSIVE MODE');
    await client.query("UPDATE scores SET score = 4, sort_key = -4 WHERE leaderboard_id = 'amended'");
    await client.query(
      "UPDATE seasons SET state = 'closing', revision = 2, digest = NULL WHERE leaderboard_id = 'amended' AND season = 1",
    );
  });
  const reading = api.get(path);
  await waiting(pool, 1);
  await commit();
  const page = await reading;
  t.match(page.is(200, Entries).items, [{ score: 4 }]);
  t.equal(page.headers.get('cache-control'), 'no-cache');
  t.not(page.headers.get('etag'), before.headers.get('etag'));
  await makeFinal('amended', 1);
  const after = await api.get(path);
  t.equal(after.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  t.not(after.headers.get('etag'), before.headers.get('etag'));
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

/** A board that takes late tokens so, in its second season for two seconds. */
async function newLateBoard(board: string, lateTokens: string, more: object = {}) {
  await newBoard(board);
  const { id } = await newPlayer(api);
  const put = async (rules: object) =>
    (
      await admin.put(`/v1/admin/leaderboards/${board}`, {
        title: board,
        sort: 'desc',
        operator: 'increment',
        ...rules,
      })
    ).is(200, PlannedLeaderboard);
  await put({ lateTokens, ...more });
  const endsBefore = (seconds: number) =>
    pool.query(
      `UPDATE leaderboards SET season_ends_at = now() - $2 * interval '1 second', next_starts_at = now() - $2 * interval '1 second',
         next_ends_at = now() + interval '1 hour' WHERE id = $1`,
      [board, seconds],
    );
  const token = (age = 8) => {
    const iat = Math.floor(Date.now() / 1000) - age;
    return mint(id, { act: board, pts: [10, 10], iat, nbf: iat, exp: iat + 300 });
  };
  const post = (actionToken: string, season?: number) =>
    server.post('/v1/scores', { actionToken, season: season && { [board]: season } });
  const seasonOf = async (actionToken: string) =>
    resultOn(board, (await post(actionToken)).is(200, Receipt))?.season;
  return { put, endsBefore, token, post, seasonOf };
}
const batch = async (...submissions: object[]) =>
  (await server.post('/v1/scores/batch', { submissions })).is(200, BatchedScores).items;

t.test('a token of a season that has ended counts as its leaderboard says, also in a batch', async (t) => {
  const late = await newLateBoard('late', 'issued', { graceMs: 60_000 });
  await late.endsBefore(2);
  await turnPages(pool, 'test');
  (await late.post(late.token(), 2)).fails('season-changed');
  t.match((await late.post(late.token(), 1)).is(200, Receipt).leaderboards, [{ season: 1, score: 10 }]);
  t.match(
    await batch(
      { actionToken: late.token(), season: { late: 2 } },
      { actionToken: late.token(), season: { late: 1 } },
      { actionToken: late.token(0) },
    ),
    [
      { status: 409, problem: { code: 'season-changed' } },
      { receipt: { leaderboards: [{ season: 1, score: 20 }] } },
      { receipt: { leaderboards: [{ season: 2, score: 10 }] } },
    ],
  );

  const strict = await newLateBoard('strict', 'refuse');
  await strict.endsBefore(2);
  await turnPages(pool, 'test');
  const refused = strict.token();
  (await strict.post(refused)).fails('season-ended');
  t.match(await batch({ actionToken: refused }), [{ status: 409, problem: { code: 'season-ended' } }]);
  await pool.query("UPDATE leaderboards SET late_tokens = 'arrival' WHERE id = 'strict'");
  t.equal(await strict.seasonOf(refused), 2, 'it is not used up');
});

t.test('each season takes late tokens by its own rules', async (t) => {
  const { put, endsBefore, token, seasonOf } = await newLateBoard('own', 'arrival');
  t.equal(await seasonOf(token(0)), 1);
  t.equal((await put({ lateTokens: 'refuse' })).lateTokens, 'refuse', 'its end is not known yet');
  await put({ lateTokens: 'arrival' });
  await endsBefore(-600);
  const planned = await put({ lateTokens: 'issued', graceMs: 60_000 });
  t.match(planned, { preview: [{ season: 2, lateTokens: 'issued', graceMs: 60_000 }] });
  t.notOk('lateTokens' in planned || 'graceMs' in planned, 'the season in force keeps its own');

  await endsBefore(2);
  t.equal(await seasonOf(token()), 2);
  await turnPages(pool, 'test');
  t.equal(await seasonOf(token()), 2, 'a token of the first one counts by the rules of that');
  await put({ lateTokens: 'refuse' });
  t.equal(await seasonOf(token()), 2);
  await close(pool, 'own', 1);
  // A token of the second one counts by those that began with it.
  const takesLateTokens = (by: string) =>
    eventually(async () => {
      assert.equal((await api.get('/v1/leaderboards/own')).is(200, Leaderboard).lateTokens, by);
    });
  await takesLateTokens('issued');
  await pool.query("UPDATE leaderboards SET season_starts_at = now() - interval '1 hour' WHERE id = 'own'");
  await endsBefore(2);
  await turnPages(pool, 'test');
  t.equal(await seasonOf(token()), 2);
  t.equal(await seasonOf(token(0)), 3);
  await close(pool, 'own', 2);
  await takesLateTokens('refuse');
});

t.test('in a batch each score says which boards have taken nothing of it', async (t) => {
  for (const board of ['open', 'ice', 'gap']) await newBoard(board);
  const { id } = await newPlayer(api);
  const feeds = async (act: string, ...leaderboards: string[]) =>
    (
      await admin.put(`/v1/admin/actions/${act}`, {
        title: act,
        points: { min: 0, max: 1_000 },
        leaderboards,
        issuer: 'server',
        minDurationMs: 0,
      })
    ).is(200, Action);
  await feeds('all', 'open', 'ice', 'gap');
  (await admin.post('/v1/admin/leaderboards/ice/freeze', { reason: 'A test.' })).is(200, Leaderboard);
  await pool.query(
    `UPDATE leaderboards SET season_ends_at = now() - interval '1 second', next_starts_at = now() + interval '1 hour'
     WHERE id = 'gap'`,
  );
  const tokens = ['all', 'ice', 'gap'].map((act) => ({ actionToken: mint(id, { act, pts: [5, 5] }) }));
  const { items } = (await server.post('/v1/scores/batch', { submissions: tokens })).is(200, BatchedScores);
  t.match(items, [
    {
      receipt: {
        leaderboards: [
          { id: 'gap', skipped: 'closed' },
          { id: 'ice', skipped: 'frozen' },
          { id: 'open', season: 1, score: 5 },
        ],
      },
    },
    { status: 409, problem: { code: 'board-frozen' } },
    { status: 409, problem: { code: 'season-ended' } },
  ]);
});

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
  const last = await seasons('cup', `?limit=2&cursor=${nextCursor}`);
  t.same(last, { items: items.slice(2), nextCursor: null, now: last.now });
  t.ok(Math.abs(Date.parse(last.now) - Date.now()) < 60_000, 'by the clock of the service');
  (await api.get('/v1/leaderboards/no-such/seasons')).fails('not-found');
});

t.test('a player has its final places, the newest first', async (t) => {
  const { id } = await newPlayer(api);
  const places = async (query = '') =>
    (await api.get(`/v1/users/${id}/seasons${query}`)).is(200, FinalPlaces);
  for (const board of ['places-a', 'places-b']) {
    await newBoard(board);
    for (const points of [10, 5]) await score((await newPlayer(api)).id, points, board);
    await score(id, 5, board);
    await turn(board);
    t.notMatch((await places()).items, [{ leaderboard: board }], 'nothing is final yet');
    await makeFinal(board, 1);
  }
  await score(id, 20, 'places-a');
  const { items } = await places();
  t.match(items, [
    { leaderboard: 'places-b', season: 1, rank: 3, sharedRank: 2, score: 5, entries: 3 },
    { leaderboard: 'places-a', season: 1, rank: 3, sharedRank: 2, score: 5, entries: 3 },
  ]);
  t.match((await places('?locale=de')).items, [{ formatted: '5' }, { formatted: '5' }]);
  await app.pg.pool.query(
    `UPDATE seasons SET rules = rules || '{"unit": {"kind": "duration"}}' WHERE leaderboard_id = 'places-b' AND season = 1`,
  );
  t.match((await places()).items[0], { formatted: '0:00.005' }, 'in the unit of the season');
  const { nextCursor } = await places('?limit=1');
  t.same((await places(`?cursor=${nextCursor}`)).items, items.slice(1), 'one without a unit');
  t.same((await places()).nextCursor, null);
});
