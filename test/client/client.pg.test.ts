import assert from 'node:assert/strict';
import { ask, httpOf, ScoreboardError } from '@scoreboard/client';
import t from 'tap';
import { eventually, startApi } from '../api.js';
import { turnPages } from '../seasons/turn-pages.js';
import { newPlayer } from './player.js';

t.test('the first action creates a guest, and counts', async (t) => {
  const { url } = await startApi(t);
  const { client, next } = newPlayer(t, `${url}/`);
  t.equal(client.user, null);
  const receipt = await client.performAction('collect-coin');
  t.match(receipt, { points: 10, action: 'collect-coin', status: 'counted', replayed: false });
  t.equal(receipt.userId, client.user?.id);
  t.match(await next('counted'), { receipt });
  t.same(client.pending, []);
  const finished = await client.performAction('finish-level', { points: 7, metadata: { level: 3 } });
  t.match(finished.leaderboards, [{ id: 'global', score: 17 }]);
});

t.test('beginAction() gets the token of one action of the player who began it', async (t) => {
  const { url } = await startApi(t);
  const { client } = newPlayer(t, url);
  const begun = await client.beginAction('finish-level');
  const { userId } = await client.performAction('finish-level', { begun, points: 3 });
  t.equal(userId, begun.userId);
  const again = await client.performAction('finish-level', { begun, points: 5 });
  t.match(again, { replayed: false, points: 5, leaderboards: [{ score: 8 }] }, 'another action has its own');
  await client.register({ username: 'ada', password: 'correct horse battery' });
  const other = await client.performAction('finish-level', { begun, points: 4 });
  t.match(other, { replayed: false, userId: client.user?.id });
});

t.test('invalid calls reject with the code of the service', async (t) => {
  const { url } = await startApi(t);
  const { client, next } = newPlayer(t, url);
  await t.rejects(client.performAction('win-match'), { code: 'action-not-player-issuable', status: 403 });
  t.match(await next('refused'), { action: { action: 'win-match' } });
  const refused = client.performAction('finish-level', { points: 101 });
  await t.rejects(refused, { code: 'points-out-of-range', retryAfter: undefined, requestId: /./ });
  await t.rejects(client.performAction('no-such-action'), { code: 'not-found' });
  await t.rejects(client.performAction('no such action'), { code: 'validation-failed', errors: [{}] });
  await t.rejects(client.leaderboard('nowhere').top(), ScoreboardError);
  t.same(client.pending, []);
});

t.test('a leaderboard is read as pages, neighbours, friends and entries', async (t) => {
  const { url, app } = await startApi(t);
  const players = [1, 2, 3].map(() => newPlayer(t, url).client);
  const ids: string[] = [];
  for (const [more, client] of players.entries()) {
    for (let coins = 0; coins <= more; coins++) await client.performAction('collect-coin');
    ids.unshift(client.user?.id ?? '');
  }
  const [third] = players;
  const board = newPlayer(t, url).client.leaderboard('global');
  const first = await board.top({ limit: 2 });
  t.same(
    first.items.map(({ userId }) => userId),
    ids.slice(0, 2),
  );
  const rest = await board.top({ limit: 2, ...(first.nextCursor && { cursor: first.nextCursor }) });
  t.match(rest.items, [{ userId: ids[2], rank: 3, score: 10 }]);
  t.equal((await board.around(ids[1], { radius: 1 })).items.length, 3);
  t.equal((await third?.leaderboard('global').entry())?.rank, 3);
  t.match((await board.friends(ids.slice(1))).items, [{ position: 1 }, { position: 2, rank: 3 }]);
  await app.pg.pool.query(
    "UPDATE leaderboards SET season_ends_at = now(), next_starts_at = now() WHERE id = 'global'",
  );
  await turnPages(app.pg.pool, 'test');
  await eventually(async () => assert.equal((await board.seasons()).items.length, 2));
  const newest = await board.seasons({ limit: 1 });
  t.match(newest, { items: [{ season: 2, state: 'open', entries: 0, top: [] }], now: /Z$/ });
  const { items } = await board.seasons({ ...(newest.nextCursor && { cursor: newest.nextCursor }) });
  t.match(items, [{ season: 1, state: 'closing', entries: 3, top: [{ userId: ids[0], score: 30 }, {}, {}] }]);
  t.match(await board.top({ season: 1, limit: 1 }), { season: 1, items: [{ userId: ids[0] }] });
  await t.rejects(board.entry(), { code: 'unauthenticated' });
  const abort = new AbortController();
  abort.abort(new Error('stopped'));
  await t.rejects(board.top({ signal: abort.signal }), { message: 'stopped' });
});

t.test(
  'a leaderboard is read by rank and score, and a player sees its entries and what they are made of',
  async (t) => {
    const { url } = await startApi(t);
    const players = [1, 2, 3].map(() => newPlayer(t, url).client);
    for (const [more, client] of players.entries())
      for (let coins = 0; coins <= more; coins++) await client.performAction('collect-coin');
    const ids = players.map(({ user }) => user?.id ?? '').reverse();
    const [, second] = players;
    const board = newPlayer(t, url).client.leaderboard('global');
    const last = await board.page({ rank: 3 });
    t.match(last, { items: [{ userId: ids[2], rank: 3 }], nextCursor: null });
    const before = await board.page({ limit: 1, ...(last.prevCursor && { cursor: last.prevCursor }) });
    t.match(before.items, [{ userId: ids[1], rank: 2 }]);
    t.match((await board.page({ score: 20, limit: 2 })).items, [{ score: 30 }, { score: 20 }]);
    t.match((await board.page({ minScore: 15, maxScore: 25 })).items, [{ score: 20 }]);
    t.match(await board.rankOf(25), { rank: 2, total: 3 });
    t.match(await board.scoreAt({ rank: 3 }), { score: 10, percentile: 33.33 });
    t.match(await board.scoreAt({ percentile: 100 }), { score: 30, rank: 1 });
    t.match(await board.histogram({ bins: 2 }), {
      bins: [
        { from: 10, to: 20, entries: 2 },
        { from: 21, to: 30, entries: 1 },
      ],
    });
    t.match(await second?.entries(), { items: [{ leaderboard: 'global', rank: 2, score: 20 }] });
    t.match(await second?.entries(ids[0]), { items: [{ rank: 1 }] });
    const why = await second?.why('global', { limit: 1 });
    t.match(why, { userId: ids[1], score: 20, items: [{ points: 10, inScore: true, issuer: 'player' }] });
    const { achievedAt: asOf } = await board.entry(ids[1]);
    const stood = await board.top({ asOf });
    t.match(stood, { asOf, items: [{ userId: ids[1], score: 20 }, { userId: ids[2] }] });
    t.match((await board.page({ rank: 1 }, { since: asOf })).items, [
      { movement: null },
      { movement: -1 },
      {},
    ]);
    t.match(await board.entry(ids[2], { asOf }), { rank: 2, asOf });
    t.match(await second?.why('global', { ...(why?.nextCursor && { cursor: why.nextCursor }) }), {
      items: [{}],
    });
  },
);

t.test('a guest takes a name and an account, logs out, and logs in with its score', async (t) => {
  const { url } = await startApi(t);
  const users: (string | null)[] = [];
  const { client } = newPlayer(t, url, { onUser: (user) => users.push(user?.displayName ?? null) });
  const { id } = await client.guest('Ada');
  t.equal((await client.guest('Bo')).id, id, 'a session is kept');
  await client.performAction('collect-coin');
  await client.rename('Ada L');
  const credentials = { username: 'ada.l', password: 'correct horse battery' };
  t.equal((await client.upgrade(credentials)).username, 'ada.l');
  await client.logout();
  t.equal(client.user, null);
  await t.rejects(client.login({ ...credentials, password: 'wrong horse' }), { code: 'invalid-credentials' });
  t.equal((await client.login(credentials)).id, id);
  t.equal((await client.leaderboard('global').entry()).score, 10);
  await t.rejects(client.register(credentials), { code: 'username-taken' });
  t.not((await client.register({ ...credentials, username: 'bob' })).id, id);
  t.same(users.slice(0, 5), ['Ada', 'Ada L', 'Ada L', null, 'Ada L']);
});

t.test('tools call any operation of the API, with their own token and their own fetch()', async (t) => {
  const { url } = await startApi(t);
  const sent: string[] = [];
  const listed: typeof fetch = (input, init) => {
    const ifMatch = new Headers(init?.headers).get('if-match') ?? '';
    sent.push(`${init?.method} ${input} ${ifMatch}`.trim());
    return fetch(input, init);
  };
  const { accessToken } = await ask((signal) => httpOf(url).POST('/v1/auth/guest', { body: {}, signal }));
  const http = httpOf(url, { accessToken, fetch: listed });
  t.match(await ask(() => http.GET('/v1/users/me')), { role: 'player' });
  t.equal(await ask(() => http.DELETE('/v1/users/me')), null, 'an answer without a body');
  t.same(sent, [`GET ${url}/v1/users/me`, `DELETE ${url}/v1/users/me`]);
  const params = { path: { id: 'any' }, query: { dryRun: true }, header: { 'if-match': '"3"' } };
  const body = { title: 'Any', sort: 'desc', operator: 'best' } as const;
  await t.rejects(
    ask(() => http.PUT('/v1/admin/leaderboards/{id}', { params, body })),
    { code: 'unauthenticated', status: 401 },
    'the user has been erased',
  );
  t.equal(sent.at(-1), `PUT ${url}/v1/admin/leaderboards/any?dryRun=true "3"`);
});
