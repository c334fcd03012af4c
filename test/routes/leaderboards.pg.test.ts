import assert from 'node:assert/strict';
import { ServerResponse } from 'node:http';
import { mock } from 'node:test';
import t from 'tap';
import {
  Entries,
  EntryDetails,
  ExternalFriendEntries,
  FriendEntries,
  Leaderboard,
  Leaderboards,
} from '../../schemas/leaderboard.js';
import { ModeratedUser } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { mint, typeId } from '../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const score = async (userId: string, points: number, act = 'win-match') =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );
const entries = async (id: string, query = '', at = api) =>
  (await at.get(`/v1/leaderboards/${id}/entries${query}`)).is(200, Entries);
const details = async (id: string, userId: string) =>
  (await api.get(`/v1/leaderboards/${id}/entries/${userId}`)).is(200, EntryDetails);

/** A new board, and an action that feeds it alone; both have its id. */
async function newBoard(id: string, sort = 'desc', operator = 'increment'): Promise<void> {
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort, operator })).is(200, Leaderboard);
  await feed(id, [id]);
}
const feed = (id: string, leaderboards: string[]) =>
  admin.put(`/v1/admin/actions/${id}`, {
    title: id,
    points: { min: 0, max: 1 },
    leaderboards,
    issuer: 'server',
    minDurationMs: 0,
  });

/** Users with these scores, written to the database past the service: it shows them when it starts. */
async function fill(id: string, standings: { score: number; achievedAt?: Date }[]): Promise<string[]> {
  const userIds = standings.map(() => typeId('usr')).sort();
  await app.pg.pool.query(
    "INSERT INTO users (id, display_name) SELECT uuid_of(unnest($1::text[])), 'Filler'",
    [userIds],
  );
  await app.pg.pool.query(
    `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
     SELECT id, 1, uuid_of(s.user_id), s.score, CASE sort WHEN 'desc' THEN -s.score ELSE s.score END, s.achieved_at, 1
     FROM leaderboards, unnest($2::text[], $3::bigint[], $4::timestamptz[]) s (user_id, score, achieved_at)
     WHERE id = $1`,
    [
      id,
      userIds,
      standings.map(({ score }) => score),
      standings.map(({ achievedAt }) => achievedAt ?? new Date()),
    ],
  );
  return userIds;
}

t.test('a fresh database has one leaderboard', async (t) => {
  const global = {
    id: 'global',
    title: 'Global',
    sort: 'desc',
    operator: 'increment',
    revision: 1,
    season: 1,
    seasonEndsAt: null,
    entries: 0,
  };
  const { items, nextCursor } = (await api.get('/v1/leaderboards')).is(200, Leaderboards);
  t.equal(items.length, 1);
  t.hasStrict(items[0], global);
  t.equal(nextCursor, null);
  t.hasStrict((await api.get('/v1/leaderboards/global')).is(200, Leaderboard), global);
  t.match(await entries('global'), {
    leaderboard: 'global',
    season: 1,
    total: 0,
    items: [],
    nextCursor: null,
  });
  await score((await newPlayer(api)).id, 10);
  t.equal((await api.get('/v1/leaderboards/global')).is(200, Leaderboard).entries, 1);
});

t.test('of equal scores the one reached first stands higher, both ways', async (t) => {
  for (const sort of ['desc', 'asc']) {
    const id = `order-${sort}`;
    await newBoard(id, sort, 'latest');
    const players = await Promise.all(['A', 'B', 'C', 'D'].map((name) => newPlayer(api, name)));
    const [a = '', b = '', c = '', d = ''] = players.map((player) => player.id);
    for (const [userId, points] of [
      [a, 20],
      [b, 30],
      [c, 10],
      [d, 20],
    ] as const) {
      const { acceptedAt } = await score(userId, points, id);
      // Until the clock has moved on by what it is kept to.
      while (Date.now() <= Date.parse(acceptedAt));
    }
    const { items } = await entries(id);
    const expected = sort === 'desc' ? [b, a, d, c] : [c, a, d, b];
    t.same(
      items.map(({ userId }) => userId),
      expected,
      sort,
    );
    t.same(
      items.map(({ rank }) => rank),
      [1, 2, 3, 4],
    );
    t.match(items[1], { displayName: 'A', score: 20 });
    // Who leaves a score and comes back to it has reached it later.
    await score(a, 21, id);
    await score(a, 20, id);
    t.same(
      (await entries(id)).items.slice(1, 3).map(({ userId }) => userId),
      [d, a],
      sort,
    );
    // Who gets the same again has reached it at the first time.
    await score(d, 20, id);
    t.same(
      (await entries(id)).items.slice(1, 3).map(({ userId }) => userId),
      [d, a],
      sort,
    );
  }
});

t.test(
  'of those who reached a score in the same millisecond the smaller user id stands higher',
  async (t) => {
    await newBoard('tied');
    const achievedAt = new Date('2026-06-11T19:09:00.123Z');
    const users = await fill(
      'tied',
      Array.from({ length: 5 }, () => ({ score: 7, achievedAt })),
    );
    const later = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
    // From PostgreSQL while the ranking is loaded, then from memory: the same order.
    for (let i = 0; i < 5; i++) {
      const { items } = await entries('tied', '', later.api);
      t.same(
        items.map(({ userId }) => userId),
        users,
      );
      t.same(
        items.map(({ achievedAt }) => achievedAt),
        users.map(() => achievedAt.toISOString()),
      );
    }
  },
);

t.test('operators add up, keep the best or replace, and one action may feed several boards', async (t) => {
  const boards = ['sum', 'most', 'least', 'newest'];
  await newBoard('sum', 'desc', 'increment');
  await newBoard('most', 'desc', 'best');
  await newBoard('least', 'asc', 'best');
  await newBoard('newest', 'desc', 'latest');
  await feed('all-four', boards);
  const { id } = await newPlayer(api);
  const steps = { 5: [5, 5, 5, 5], 3: [8, 5, 3, 3], 9: [17, 9, 3, 9], 4: [21, 9, 3, 4] };
  let previous: (number | null)[] = [null, null, null, null];
  for (const points of [5, 3, 9, 4] as const) {
    const { leaderboards } = await score(id, points, 'all-four');
    const expected = boards.map((id, i) => ({ id, score: steps[points][i], previousScore: previous[i] }));
    t.match(
      leaderboards,
      expected.sort((a, b) => (a.id < b.id ? -1 : 1)),
      `${points} points`,
    );
    previous = steps[points];
  }
  for (const [i, board] of boards.entries())
    t.equal((await details(board, id)).score, [21, 9, 3, 4][i], board);
});

t.test('a board is read page by page, each entry once, while scores change', async (t) => {
  await newBoard('paged');
  await fill(
    'paged',
    Array.from({ length: 250 }, (_, i) => ({ score: 1_000 - (i >> 1) })),
  );
  const { api } = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const before = (await entries('paged', '?limit=100', api)).items;
  const seen: string[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const query: string = cursor === null ? '?limit=40' : `?limit=40&cursor=${cursor}`;
    const page: Entries = await entries('paged', query, api);
    t.same(
      page.items.map(({ rank }) => rank),
      page.items.map((_, i) => (page.items[0]?.rank ?? 0) + i),
    );
    seen.push(...page.items.map(({ userId }) => userId));
    cursor = page.nextCursor;
    pages++;
    // Somebody comes in at the top, and somebody who was shown already moves up: neither shifts what follows.
    const { id } = await newPlayer(service.api);
    await score(id, 5_000 + pages, 'paged');
    const shown = page.items[3]?.userId ?? '';
    await score(shown, 10_000, 'paged');
  } while (cursor !== null && pages < 20);
  t.equal(pages, 7);
  t.equal(seen.length, 250);
  t.equal(new Set(seen).size, 250);
  t.same(
    seen.slice(0, 100),
    before.map(({ userId }) => userId),
  );
});

t.test('a cursor that is not of this board is refused', async (t) => {
  await newBoard('one');
  await newBoard('two');
  const players = await Promise.all([newPlayer(api), newPlayer(api), newPlayer(api)]);
  for (const { id } of players) for (const board of ['one', 'two']) await score(id, 5, board);
  const { nextCursor } = await entries('one', '?limit=1');
  t.match(nextCursor, /^[\w-]+$/);
  const cursor = nextCursor ?? '';
  t.equal((await entries('one', `?limit=2&cursor=${cursor}`)).nextCursor, null);
  const [first] = players;
  const history = (await first.api.get('/v1/users/me/events?limit=1')).is(200, ScoreEvents).nextCursor ?? '';
  const json = Buffer.from(cursor, 'base64url').subarray(12);
  for (const forged of [
    `${cursor}A`,
    `${cursor}=`,
    `!${cursor}`,
    cursor.slice(0, -1),
    cursor.slice(1),
    (cursor.startsWith('A') ? 'B' : 'A') + cursor.slice(1),
    Buffer.concat([Buffer.alloc(12), json]).toString('base64url'),
    json.toString('base64url'),
    'A',
    'x'.repeat(512),
    history,
  ]) {
    const { errors } = (await api.get(`/v1/leaderboards/one/entries?cursor=${forged}`)).fails(
      'validation-failed',
    );
    t.match(errors, [{ path: /cursor$/ }], forged);
  }
  (await api.get(`/v1/leaderboards/two/entries?cursor=${cursor}`)).fails('validation-failed');
});

t.test('a state that the caller has is not sent again', async (t) => {
  await newBoard('cached');
  const { id } = await newPlayer(api);
  await score(id, 5, 'cached');
  const path = '/v1/leaderboards/cached/entries';
  // Until the board is loaded PostgreSQL is read, whose versions are others.
  const [etag, version] = await eventually(async () => {
    const answer = await api.get(path);
    const etag = answer.headers.get('etag') ?? '';
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, `"x",${etag},"y"`]) {
      const unchanged = await api.get(path, { 'if-none-match': known });
      unchanged.isEmpty(304);
      assert.equal(unchanged.headers.get('etag'), etag);
    }
    return [etag, answer.is(200, Entries).version] as const;
  });
  t.match(etag, /^"[\w-]+"$/);
  (await api.get(path, { 'if-none-match': '"x"' })).is(200, Entries);
  await score(id, 1, 'cached');
  const changed = await api.get(path, { 'if-none-match': etag });
  t.ok(changed.is(200, Entries).version > version);
  t.not(changed.headers.get('etag'), etag);
});

t.test('an unchanged page is sent as the bytes that were sent before', async (t) => {
  await newBoard('kept');
  const player = await newPlayer(api);
  await score(player.id, 5, 'kept');
  const ended = mock.method(ServerResponse.prototype, 'end');
  t.teardown(() => ended.mock.restore());
  const sent = async (query = '') => {
    const calls = ended.mock.callCount();
    const page = await entries('kept', query);
    return { page, bytes: ended.mock.calls[calls]?.arguments[0] };
  };
  // Until the board is loaded PostgreSQL is read, each time anew.
  const { bytes } = await eventually(async () => {
    const [first, second] = [await sent(), await sent()];
    assert(Buffer.isBuffer(first.bytes));
    assert.equal(first.bytes, second.bytes);
    return first;
  });
  t.not((await sent('?limit=1')).bytes, bytes, 'each limit has its own');
  t.equal((await sent()).bytes, bytes);
  await score(player.id, 1, 'kept');
  t.equal((await sent()).page.items[0]?.score, 6);
  (await player.api.patch('/v1/users/me', { displayName: 'Renamed' })).is(200, User);
  t.equal((await sent()).page.items[0]?.displayName, 'Renamed');
  (await admin.post(`/v1/admin/users/${player.id}/ban`, { reason: 'A cheat.' })).is(200, ModeratedUser);
  t.same((await sent()).page.items, []);
});

t.test('a page counts down: it says when its season ends, and what time it is', async (t) => {
  await newBoard('ending');
  const player = await newPlayer(api);
  await score(player.id, 5, 'ending');
  const path = '/v1/leaderboards/ending/entries';
  const open = (await api.get(path)).is(200, Entries);
  t.match(open, { seasonEndsAt: null, now: undefined });
  const endsAt = new Date(Date.now() + 3_600_000).toISOString();
  const end = { endsAt, reason: 'It is enough.' };
  t.equal((await admin.post('/v1/admin/leaderboards/ending/seasons', end)).status, 202);
  const answer = await api.get(path);
  const { now = '' } = answer.is(200, Entries);
  t.match(answer.body, { seasonEndsAt: endsAt, items: open.items });
  t.ok(Math.abs(Date.parse(now) - Date.now()) < 60_000, now);
  const etag = answer.headers.get('etag') ?? '';
  (await api.get(path, { 'if-none-match': etag })).isEmpty(304);
  const later = { endsAt: new Date(Date.now() + 7_200_000).toISOString(), reason: 'Some more.' };
  t.equal((await admin.patch('/v1/admin/leaderboards/ending/seasons/1', later)).status, 200);
  const changed = await api.get(path, { 'if-none-match': etag });
  t.match(changed.is(200, Entries), { seasonEndsAt: later.endsAt }, 'another end is a change');
  for (const rest of [`/${player.id}/around`, `/batch?userIds=${player.id}`])
    t.match((await api.get(path + rest)).body, { seasonEndsAt: later.endsAt, now: /Z$/ });
});

t.test('a list of friends has those who are on the board, in its order', async (t) => {
  await newBoard('friends');
  const players = await Promise.all(Array.from({ length: 6 }, () => newPlayer(api)));
  const ids = players.map(({ id }) => id);
  for (const [i, id] of ids.slice(0, 5).entries()) await score(id, 10 * (i + 1), 'friends');
  const [a = '', b = '', c = '', , , absent = ''] = ids;
  const batch = (userIds: string) => api.get(`/v1/leaderboards/friends/entries/batch?userIds=${userIds}`);
  const list = (await batch([a, absent, c, typeId('usr'), b, a, c].join())).is(200, FriendEntries);
  t.match(list, { leaderboard: 'friends', total: 5, nextCursor: null });
  t.match(list.items, [
    { userId: c, rank: 3, position: 1, score: 30 },
    { userId: b, rank: 4, position: 2, score: 20 },
    { userId: a, rank: 5, position: 3, score: 10 },
  ]);
  t.equal(list.items.length, 3);
  t.same((await batch(absent)).is(200, FriendEntries).items, []);
  const strangers = (count: number) => Array.from({ length: count }, () => typeId('usr')).join();
  t.same((await batch(strangers(100))).is(200, FriendEntries).items, []);
  for (const userIds of [
    strangers(101),
    Array(101).fill(a).join(),
    '',
    'ada',
    `${a},`,
    `,${a}`,
    `${a};${b}`,
    `${a}, ${b}`,
  ]) {
    const { errors } = (await batch(userIds)).fails('validation-failed');
    t.match(errors, [{ path: '/querystring/userIds' }]);
  }
  (await api.get('/v1/leaderboards/friends/entries/batch')).fails('validation-failed');
});

t.test('a game lists friends by its own ids, which may hold any characters', async (t) => {
  await newBoard('own-friends');
  const externalIds = ['one, two', 'a&b=c', 'ünïcode'];
  for (const [i, externalId] of externalIds.entries()) {
    const { id } = (await server.post('/v1/users', { displayName: 'Friend', externalId })).is(201, User);
    await score(id, 10 * (i + 1), 'own-friends');
  }
  const path = '/v1/leaderboards/own-friends/entries/batch';
  const friends = async (ids: string[]) =>
    (await server.post(path, { externalIds: ids })).is(200, ExternalFriendEntries);
  const list = await friends([...externalIds.slice(0, 2), 'unknown', 'one, two']);
  t.match(list, { leaderboard: 'own-friends', total: 3, nextCursor: null });
  t.match(list.items, [
    { externalId: 'a&b=c', score: 20, rank: 2, position: 1 },
    { externalId: 'one, two', score: 10, rank: 3, position: 2 },
  ]);
  t.equal(list.items.length, 2);
  t.same((await friends(['unknown'])).items, []);
  t.same((await friends(Array.from({ length: 100 }, (_, i) => 'é'.repeat(120) + i))).items, []);
  for (const ids of [[], Array(101).fill('a'), [''], [7]])
    (await server.post(path, { externalIds: ids })).fails('validation-failed');
  (await api.post(path, { externalIds })).fails('unauthenticated');
  (await (await newPlayer(api)).api.post(path, { externalIds })).fails('forbidden');
  (await server.post('/v1/leaderboards/nowhere/entries/batch', { externalIds })).fails('not-found');
});

t.test('a user is shown among its neighbours', async (t) => {
  await newBoard('around');
  const users = await fill(
    'around',
    Array.from({ length: 20 }, (_, i) => ({ score: 100 - i })),
  );
  const { api } = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const around = async (n: number, query = '') => {
    const answer = await api.get(`/v1/leaderboards/around/entries/${users[n - 1]}/around${query}`);
    const { items, ...state } = answer.is(200, Entries);
    t.match(state, { leaderboard: 'around', total: 20, nextCursor: null });
    t.same(
      items.map(({ userId }) => userId),
      items.map(({ rank }) => users[rank - 1]),
    );
    return items.map(({ rank }) => rank);
  };
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  t.same(await around(10), range(5, 15));
  t.same(await around(10, '?radius=2'), range(8, 12));
  t.same(await around(10, '?radius=0'), [10]);
  t.same(await around(1), range(1, 6));
  t.same(await around(3), range(1, 8));
  t.same(await around(18), range(13, 20));
  t.same(await around(20, '?radius=3'), range(17, 20));
  t.same(await around(10, '?radius=50'), range(1, 20));
  for (const query of [
    'radius=-1',
    'radius=51',
    'radius=x',
    'radius=1.5',
    'radius=',
    'radius=0x5',
    'radius=+5',
  ]) {
    (await api.get(`/v1/leaderboards/around/entries/${users[0]}/around?${query}`)).fails('validation-failed');
  }
});

t.test('one entry tells how far it is to the next', async (t) => {
  await newBoard('far');
  await newBoard('far-down', 'asc', 'latest');
  await feed('both', ['far', 'far-down']);
  const players = await Promise.all(Array.from({ length: 4 }, () => newPlayer(api)));
  for (const [i, points] of [100, 60, 60, 10].entries()) await score(players[i]?.id ?? '', points, 'both');
  const standing = async (board: string, n: number) => {
    const entry = await details(board, players[n]?.id ?? '');
    const { rank, sharedRank, total, percentile, pointsToNextRank } = entry;
    t.equal(total, 4);
    return { rank, sharedRank, percentile, pointsToNextRank };
  };
  t.same(await standing('far', 0), { rank: 1, sharedRank: 1, percentile: 100, pointsToNextRank: null });
  t.same(await standing('far', 1), { rank: 2, sharedRank: 2, percentile: 75, pointsToNextRank: 41 });
  t.same(await standing('far', 2), { rank: 3, sharedRank: 2, percentile: 50, pointsToNextRank: 1 });
  t.same(await standing('far', 3), { rank: 4, sharedRank: 4, percentile: 25, pointsToNextRank: 51 });
  t.same(await standing('far-down', 3), { rank: 1, sharedRank: 1, percentile: 100, pointsToNextRank: null });
  t.same(await standing('far-down', 0), { rank: 4, sharedRank: 4, percentile: 25, pointsToNextRank: 41 });
  // It is enough, and one less is not.
  const last = players[3]?.id ?? '';
  await score(last, 50, 'far');
  t.equal((await details('far', last)).rank, 4);
  await score(last, 1, 'far');
  t.equal((await details('far', last)).rank, 2);
});

t.test('how far it is to the next is exact, or not told', async (t) => {
  const MAX = Number.MAX_SAFE_INTEGER;
  await newBoard('vast');
  await fill('vast', [{ score: MAX }, { score: 1 }, { score: 0 }, { score: -MAX + 1 }, { score: -MAX }]);
  const { items } = await entries('vast');
  const told = await Promise.all(
    items.map(async ({ userId }) => (await details('vast', userId)).pointsToNextRank),
  );
  t.same(told, [null, MAX, 2, MAX, 2]);
  await newBoard('vaster');
  await fill('vaster', [{ score: MAX }, { score: 0 }, { score: -MAX }]);
  for (const { userId, rank } of (await entries('vaster')).items)
    t.equal('pointsToNextRank' in (await details('vaster', userId)), rank === 1);
});

t.test('limits have bounds, and numbers in a query are numbers', async (t) => {
  await newBoard('bounds');
  await fill(
    'bounds',
    Array.from({ length: 120 }, (_, i) => ({ score: i })),
  );
  const { api } = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  for (const [query, length] of [
    ['', 10],
    ['?limit=1', 1],
    ['?limit=100', 100],
    ['?limit=010', 10],
  ] as const) {
    t.equal((await entries('bounds', query, api)).items.length, length, query);
  }
  for (const query of [
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=x',
    'limit=',
    'limit=1.5',
    'limit=1&limit=2',
    'cursor=',
  ]) {
    (await api.get(`/v1/leaderboards/bounds/entries?${query}`)).fails('validation-failed');
  }
});

t.test('what is not there is not found, and what is no id is not valid', async () => {
  const { id } = await newPlayer(api);
  const under = (board: string, userId: string) =>
    [
      '',
      '/entries',
      `/entries/batch?userIds=${userId}`,
      `/entries/${userId}`,
      `/entries/${userId}/around`,
    ].map((path) => `/v1/leaderboards/${board}${path}`);
  for (const path of under('no-such-board', id)) (await api.get(path)).fails('not-found');
  for (const board of ['Global', '-x', 'x'.repeat(64), 'a_b']) {
    for (const path of under(board, id)) (await api.get(path)).fails('validation-failed');
  }
  for (const userId of [id, typeId('usr')]) {
    (await api.get(`/v1/leaderboards/global/entries/${userId}`)).fails('not-found');
    (await api.get(`/v1/leaderboards/global/entries/${userId}/around`)).fails('not-found');
  }
  (await api.get('/v1/leaderboards/global/entries/ada')).fails('validation-failed');
  (await api.get('/v1/leaderboards/global/entries/ada/around')).fails('validation-failed');
});

t.test('what one instance writes, another shows within a second', async () => {
  await newBoard('shared');
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const elsewhere = api.at(other.url);
  const players = await Promise.all(Array.from({ length: 3 }, () => newPlayer(api)));
  for (const [i, { id }] of players.entries()) await score(id, 10 + i, 'shared');
  await eventually(async () => {
    assert.deepEqual((await entries('shared', '', elsewhere)).items, (await entries('shared')).items);
    assert.equal((await entries('shared', '', elsewhere)).total, 3);
  });
  // And the other way.
  const id = players[0]?.id ?? '';
  const actionToken = mint(id, { act: 'shared', pts: [100, 100] });
  (await server.at(other.url).post('/v1/scores', { actionToken })).is(200, Receipt);
  await eventually(async () => assert.equal((await entries('shared')).items[0]?.score, 110));
});
