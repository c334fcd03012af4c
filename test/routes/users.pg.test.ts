import assert from 'node:assert/strict';
import t from 'tap';
import { Entries, EntryDetails } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { PublicUser, ScoreEvents, User } from '../../schemas/user.js';
import { eventually, newPlayer, scopedApi, serviceApi, startApi } from '../api.js';
import { mint, typeId } from '../mint.js';

const PASSWORD = 'correct horse battery staple';
const service = await startApi(t);
const { api, app, config } = service;
const server = await serviceApi(service, 'server');
const score = async (userId: string, points = 250, metadata?: object) =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { pts: [points, points] }), metadata })).is(
    200,
    Receipt,
  );

/** For the name of a check, which must be of plain characters. */
const escaped = (value: unknown) =>
  JSON.stringify(value).replace(/[^ -~]/g, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);

t.test('a display name is trimmed, normalised and shown as it is', async (t) => {
  const { api } = await newPlayer(service.api);
  const rename = async (displayName: unknown) => api.patch('/v1/users/me', { displayName });
  const good: [given: string, shown: string][] = [
    ['Countess Ada', 'Countess Ada'],
    ['  Ada  ', 'Ada'],
    ['Zoe\u0308', 'Zo\u00eb'],
    ['x', 'x'],
    ['x'.repeat(32), 'x'.repeat(32)],
    ['👩‍👩‍👧‍👦'.repeat(11), '👩‍👩‍👧‍👦'.repeat(11)],
    ['李小龍', '李小龍'],
    ['שָׁלוֹם', 'שָׁלוֹם'.normalize('NFC')],
    ['<b>"&\'</b>', '<b>"&\'</b>'],
    ["Robert'); DROP TABLE users;--", "Robert'); DROP TABLE users;--"],
    ['🏆', '🏆'],
  ];
  for (const [given, shown] of good) {
    t.equal((await rename(given)).is(200, User).displayName, shown);
    t.equal((await api.get('/v1/users/me')).is(200, User).displayName, shown);
  }
  for (const bad of [
    '',
    '   ',
    'x'.repeat(33),
    'a\nb',
    'a\tb',
    '\u001b[31mred',
    'ada\u202Enimda',
    'ada\u2066x',
    'a\u200bb',
    '\u200d',
    '\u3164',
    'a\ufeffb',
    'a\u2028b',
    '\u0301',
    `a${'\u0301'.repeat(128)}`,
    7,
    null,
    ['Ada'],
    {},
  ]) {
    const { errors } = (await rename(bad)).fails('validation-failed');
    t.match(errors, [{ path: '/displayName' }], escaped(bad));
  }
  for (const bad of ['a\u0000b', '\ud800']) (await rename(bad)).fails('malformed-json');
  (await api.patch('/v1/users/me', {})).fails('validation-failed');
  (await api.patch('/v1/users/me', { displayName: 'Ada', role: 'admin' })).fails('validation-failed');
  t.equal((await api.get('/v1/users/me')).is(200, User).displayName, '🏆');
  (await service.api.post('/v1/auth/guest', { displayName: 'a\u202Eb' })).fails('validation-failed');
  (await server.post('/v1/users', { displayName: 'a\u202Eb' })).fails('validation-failed');
});

t.test('a new display name is on the boards of every instance', async () => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const player = await newPlayer(api, 'Before');
  await score(player.id);
  const named = async (url: string, name: string) => {
    const { items } = (await api.at(url).get(`/v1/leaderboards/global/entries?limit=100`)).is(200, Entries);
    assert.equal(items.find(({ userId }) => userId === player.id)?.displayName, name);
  };
  for (const { url } of [service, other]) await eventually(() => named(url, 'Before'));
  (await player.api.patch('/v1/users/me', { displayName: 'After' })).is(200, User);
  await named(service.url, 'After');
  await eventually(() => named(other.url, 'After'));
});

t.test('a guest becomes a full account and keeps its scores', async (t) => {
  const guest = await newPlayer(api, 'Grace');
  await score(guest.id, 7);
  const credentials = { username: 'Grace', password: PASSWORD };
  const upgraded = (await guest.api.post('/v1/users/me/credentials', credentials)).is(200, User);
  t.same(upgraded, { ...guest.session.user, username: 'Grace' });
  const session = (await api.post('/v1/auth/login', credentials)).is(200, Session);
  t.equal(session.user.id, guest.id);
  t.equal((await api.get(`/v1/leaderboards/global/entries/${guest.id}`)).is(200, EntryDetails).score, 7);
  t.match((await guest.api.get('/v1/users/me/events')).is(200, ScoreEvents).items, [{ points: 7 }]);
  // Whoever has credentials keeps them.
  (await guest.api.post('/v1/users/me/credentials', { ...credentials, username: 'Eve' })).fails('forbidden');
  const another = await newPlayer(api);
  (await another.api.post('/v1/users/me/credentials', { ...credentials, username: 'GRACE' })).fails(
    'username-taken',
  );
  (await another.api.post('/v1/users/me/credentials', { username: 'x', password: 'x' })).fails(
    'validation-failed',
  );
  t.equal((await another.api.get('/v1/users/me')).is(200, User).username, null);
  // Of two upgrades of one guest at once, one.
  const both = await Promise.all(
    ['first', 'second'].map((username) =>
      another.api.post('/v1/users/me/credentials', { username, password: PASSWORD }),
    ),
  );
  t.same(both.map(({ status }) => status).sort(), [200, 403]);
});

t.test('a user reads its own history, newest first, page by page', async (t) => {
  const player = await newPlayer(api);
  const events: string[] = [];
  for (let points = 1; points <= 5; points++) {
    events.unshift(
      (await score(player.id, points, points === 3 ? { level: 3, ünï: ['\u0001'] } : undefined)).eventId,
    );
  }
  const everything = (await player.api.get('/v1/users/me/events')).is(200, ScoreEvents);
  t.same(
    everything.items.map(({ eventId }) => eventId),
    events,
  );
  t.equal(everything.nextCursor, null);
  t.match(everything.items[0], { action: 'win-match', points: 5, metadata: null });
  t.same(everything.items[2]?.metadata, { level: 3, ünï: ['\u0001'] });

  const paged: string[] = [];
  let cursor: string | null = '';
  let first: string | null = null;
  for (let pages = 0; cursor !== null && pages < 4; pages++) {
    const query = cursor === '' ? '' : `&cursor=${cursor}`;
    const page: ScoreEvents = (await player.api.get(`/v1/users/me/events?limit=2${query}`)).is(
      200,
      ScoreEvents,
    );
    paged.push(...page.items.map(({ eventId }) => eventId));
    cursor = page.nextCursor;
    first ??= cursor;
  }
  t.same(paged, events);

  const history = (query: string, as = player.api) => as.get(`/v1/users/me/events?${query}`);
  const stranger = await newPlayer(api);
  t.same((await history('', stranger.api)).is(200, ScoreEvents), { items: [], nextCursor: null });
  (await history(`cursor=${first}`, stranger.api)).fails('validation-failed');
  (await history(`cursor=${first?.slice(1)}`)).fails('validation-failed');
  const board = (await api.get('/v1/leaderboards/global/entries?limit=1')).is(200, Entries);
  (await history(`cursor=${board.nextCursor}`)).fails('validation-failed');
  for (const query of [
    'limit=0',
    'limit=101',
    'limit=1.5',
    'limit=x',
    'limit=',
    'cursor=',
    'limit=1&limit=2',
  ]) {
    (await history(query)).fails('validation-failed');
  }
  (await api.get('/v1/users/me/events')).fails('unauthenticated');
});

t.test('an erased user is gone from everywhere, and its name is free', async (t) => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const externalId = 'player-4711';
  const { id } = (await server.post('/v1/users', { displayName: 'Forget Me', externalId })).is(201, User);
  const session = (await server.post(`/v1/users/${id}/sessions`)).is(201, Session);
  const again = (await server.post(`/v1/users/${id}/sessions`)).is(201, Session);
  const me = api.as(session.accessToken);
  (await me.post('/v1/users/me/credentials', { username: 'forgetme', password: PASSWORD })).is(200, User);
  const used = mint(id);
  const unused = mint(id);
  (await server.post('/v1/scores', { actionToken: used, metadata: { email: 'me@example.org' } })).is(
    200,
    Receipt,
  );

  (await me.delete('/v1/users/me')).isEmpty(204);

  for (const { url } of [service, other]) {
    await eventually(async () => {
      (await api.at(url).get(`/v1/users/${id}`)).fails('not-found');
      for (const path of ['', '/around']) {
        (await api.at(url).get(`/v1/leaderboards/global/entries/${id}${path}`)).fails('not-found');
      }
      const { items } = (await api.at(url).get('/v1/leaderboards/global/entries?limit=100')).is(200, Entries);
      assert(!items.some(({ userId }) => userId === id));
      for (const { accessToken } of [session, again]) {
        (await api.as(accessToken).at(url).get('/v1/users/me')).fails('unauthenticated');
        (await api.as(accessToken).at(url).post('/v1/scores', { actionToken: used })).fails(
          'unauthenticated',
        );
      }
      (await server.at(url).post('/v1/scores', { actionToken: used })).problem();
      (await server.at(url).post('/v1/scores', { actionToken: unused })).fails('not-found');
    });
  }
  for (const { refreshToken } of [session, again]) {
    (await api.post('/v1/auth/refresh', { refreshToken })).fails('refresh-token-invalid');
  }
  (await server.post(`/v1/users/${id}/sessions`)).fails('not-found');
  (await server.post('/v1/action-tokens', { action: 'win-match', userId: id })).fails('not-found');
  (await api.post('/v1/auth/login', { username: 'forgetme', password: PASSWORD })).fails(
    'invalid-credentials',
  );

  const { rows } = await app.pg.pool.query(
    `SELECT (SELECT u::text FROM users u WHERE id = uuid_of($1)) AS user,
            (SELECT string_agg(e::text, ',') FROM score_events e WHERE user_id = uuid_of($1)) AS events,
            (SELECT count(*) FROM scores WHERE user_id = uuid_of($1)) AS entries`,
    [id],
  );
  t.notMatch(rows[0].user, /forget|4711|argon2/i);
  t.notMatch(rows[0].events, /example/);
  t.equal(rows[0].entries, 0);

  (await api.post('/v1/auth/register', { username: 'ForgetMe', password: PASSWORD })).is(201, Session);
  const successor = (await server.post('/v1/users', { displayName: 'New', externalId })).is(201, User);
  t.not(successor.id, id);
});

t.test('a client that always sends a content type can erase itself', async () => {
  const player = await newPlayer(api);
  const headers = { 'content-type': 'application/json' };
  (await player.api.send('DELETE', '/v1/users/me', { headers })).isEmpty(204);
});

t.test('a game brings its own players, each external id once', async (t) => {
  const provision = (body: object) => server.post('/v1/users', body);
  const made = (await provision({ displayName: 'Ada', externalId: 'ada' })).is(201, User);
  t.match(made, { displayName: 'Ada', username: null, role: 'player' });
  // The one there is, as it is.
  t.same((await provision({ displayName: 'Other', externalId: 'ada' })).is(200, User), made);
  t.not((await provision({ displayName: 'Ada', externalId: 'ADA' })).is(201, User).id, made.id);
  const [one, two] = [await provision({ displayName: 'No Id' }), await provision({ displayName: 'No Id' })];
  t.not(one.is(201, User).id, two.is(201, User).id);

  const racing = await Promise.all(
    Array.from({ length: 8 }, () => provision({ displayName: 'R', externalId: 'race' })),
  );
  t.equal(racing.filter(({ status }) => status === 201).length, 1);
  t.equal(new Set(racing.map((answer) => answer.is(answer.status, User).id)).size, 1);

  (await provision({ displayName: 'x', externalId: 'e'.repeat(128) })).is(201, User);
  for (const externalId of ['', 'e'.repeat(129), 'a\u0001b', 7, null]) {
    (await provision({ displayName: 'x', externalId })).fails('validation-failed');
  }
  (await provision({ externalId: 'nameless' })).fails('validation-failed');
  (await provision({ displayName: 'x', role: 'admin' })).fails('validation-failed');
});

t.test('a game finds its players by its own ids, and writes nothing', async (t) => {
  const find = (externalId: string, by = server) =>
    by.get(`/v1/users?externalId=${encodeURIComponent(externalId)}`);
  const externalId = 'Ada, & co. ünïcode';
  (await find(externalId)).fails('not-found');
  const made = (await server.post('/v1/users', { displayName: 'Ada', externalId })).is(201, User);
  t.same((await find(externalId)).is(200, User), made);
  (await find(externalId.toUpperCase())).fails('not-found');
  const admin = await serviceApi(service, 'admin');
  await admin.post(`/v1/admin/users/${made.id}/ban`, { reason: 'A bot.' });
  t.equal((await find(externalId)).is(200, User).id, made.id, 'who is banned is found');
  (await server.get('/v1/users')).fails('validation-failed');
  (await find(externalId, (await newPlayer(api)).api)).fails('forbidden');
  (await find(externalId, await scopedApi(service, ['users:write']))).fails('forbidden');
});

t.test(
  'a game renames its players: by their ids, or when it brings them again and asks for it',
  async (t) => {
    const externalId = 'to-be-renamed';
    const { id } = (await server.post('/v1/users', { displayName: 'Ada', externalId })).is(201, User);
    await server.post('/v1/scores', { actionToken: mint(id) });
    const nameOnBoard = async () =>
      (await api.get(`/v1/leaderboards/global/entries/${id}`)).is(200, EntryDetails).displayName;
    const again = { displayName: 'Countess', externalId };
    t.equal((await server.post('/v1/users', { ...again, rename: false })).is(200, User).displayName, 'Ada');
    t.equal(
      (await server.post('/v1/users', { ...again, rename: true })).is(200, User).displayName,
      'Countess',
    );
    t.equal((await server.get(`/v1/users?externalId=${externalId}`)).is(200, User).displayName, 'Countess');
    await eventually(async () => assert.equal(await nameOnBoard(), 'Countess'));
    const rename = (displayName: string, by = server) => by.patch(`/v1/users/${id}`, { displayName });
    t.match((await rename('Ada L.')).is(200, User), { id, displayName: 'Ada L.' });
    await eventually(async () => assert.equal(await nameOnBoard(), 'Ada L.'));
    (await rename('admin')).fails('validation-failed');
    (await server.post('/v1/users', { ...again, displayName: 'admin', rename: true })).fails(
      'validation-failed',
    );
    (await server.patch(`/v1/users/${typeId('usr')}`, { displayName: 'x' })).fails('not-found');
    (await rename('x', (await newPlayer(api)).api)).fails('forbidden');
    const admin = await serviceApi(service, 'admin');
    await admin.post(`/v1/admin/users/${id}/ban`, { reason: 'A bot.' });
    (await rename('Free')).fails('user-banned');
    (await server.post('/v1/users', { ...again, rename: true })).fails('user-banned');
  },
);

t.test('a game opens sessions for players it has logged in, and for nobody else', async (t) => {
  const { id } = (await server.post('/v1/users', { displayName: 'Ada' })).is(201, User);
  const answer = await server.post(`/v1/users/${id}/sessions`);
  const session = answer.is(201, Session);
  t.equal(answer.headers.get('cache-control'), 'no-store');
  t.equal((await api.as(session.accessToken).get('/v1/users/me')).is(200, User).id, id);
  (await api.post('/v1/auth/refresh', { refreshToken: session.refreshToken })).is(200, Session);
  (await server.post(`/v1/users/${typeId('usr')}/sessions`)).fails('not-found');
  (await server.post('/v1/users/ada/sessions')).fails('validation-failed');

  await app.pg.pool.query("UPDATE users SET role = 'admin' WHERE id = uuid_of($1)", [id]);
  (await server.post(`/v1/users/${id}/sessions`)).fails('forbidden');
});

t.test('players bring nobody', async () => {
  const player = await newPlayer(api);
  (await player.api.post('/v1/users', { displayName: 'x' })).fails('forbidden');
  (await player.api.post(`/v1/users/${player.id}/sessions`)).fails('forbidden');
  (await api.post('/v1/users', { displayName: 'x' })).fails('unauthenticated');
  const admin = await serviceApi(service, 'admin');
  const { id } = (await admin.post('/v1/users', { displayName: 'x' })).is(201, User);
  (await admin.post(`/v1/users/${id}/sessions`)).is(201, Session);
});

t.test('a service account is not a user', async () => {
  for (const request of [
    server.get('/v1/users/me'),
    server.patch('/v1/users/me', { displayName: 'x' }),
    server.delete('/v1/users/me'),
    server.get('/v1/users/me/events'),
    server.post('/v1/users/me/credentials', { username: 'server', password: PASSWORD }),
  ]) {
    (await request).fails('forbidden');
  }
});

t.test('who is not there is not found, and what is no id is not valid', async (t) => {
  (await api.get(`/v1/users/${typeId('usr')}`)).fails('not-found');
  for (const id of [
    'ada',
    typeId('evt'),
    typeId('usr').toUpperCase(),
    `${typeId('usr')}x`,
    'usr_zzzzzzzzzzzzzzzzzzzzzzzzzz',
  ]) {
    const { errors } = (await api.get(`/v1/users/${id}`)).fails('validation-failed');
    t.match(errors, [{ path: '/params/id' }]);
  }
  const { id, session } = await newPlayer(api);
  (await api.get(`/v1/users/${id}`)).is(200, PublicUser);
  t.notMatch(Object.keys((await api.get(`/v1/users/${id}`)).is(200, PublicUser)), ['username']);
  t.equal(session.user.id, id);
});

t.test('no player looks like the service, wherever its name comes in', async (t) => {
  const player = await newPlayer(api);
  const { displayName: mine } = (await api.post('/v1/auth/guest', {})).is(201, Session).user;
  const password = PASSWORD;
  for (const displayName of ['\u0410dmin', 'Erased player', 'Guest 000000', mine]) {
    for (const answer of [
      await api.post('/v1/auth/guest', { displayName }),
      await api.post('/v1/auth/register', { username: 'never-made', password, displayName }),
      await player.api.patch('/v1/users/me', { displayName }),
      await server.post('/v1/users', { displayName, externalId: 'never-made' }),
    ])
      t.match(answer.fails('validation-failed').errors, [{ path: '/displayName' }], displayName);
  }
  const admin = { username: 'Admin.1', password };
  t.match((await api.post('/v1/auth/register', admin)).fails('validation-failed').errors, [
    { path: '/username' },
  ]);
  const named = await api.post('/v1/auth/register', { ...admin, displayName: 'Ada' });
  t.equal(named.is(201, Session).user.displayName, 'Ada');

  const guest = (await api.post('/v1/auth/guest', {})).is(201, Session);
  const { displayName } = guest.user;
  t.match(displayName, /^Guest \w{6}$/);
  const kept = await api.as(guest.accessToken).patch('/v1/users/me', { displayName });
  t.equal(kept.is(200, User).displayName, displayName, 'a guest may keep the name that it was given');
});
