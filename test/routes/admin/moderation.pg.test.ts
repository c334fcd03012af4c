import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { Action, Actions } from '../../../schemas/action.js';
import { Entries, EntryDetails, Leaderboard, PlannedLeaderboard } from '../../../schemas/leaderboard.js';
import { Act, AdminEvent, AdminEvents, AuditTrail, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { Session } from '../../../schemas/session.js';
import { ScoreEvents, User } from '../../../schemas/user.js';
import { addJob } from '../../../src/jobs/job.js';
import { PURGE } from '../../../src/jobs/purge.js';
import { firstKey } from '../../../src/postgres/partitions.js';
import { fromUuid, toUuid } from '../../../src/stored-ids.js';
import { type Api, eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { BoardStream } from '../../faults/board-stream.js';
import { ACTION_TOKEN_SECRET } from '../../helper.js';
import { submission } from '../../ledger/ledgers.js';
import { type Change, during } from '../../ledger/waiting.js';
import { mint, typeId } from '../../mint.js';

const OLD_SECRET = 'the secret for action tokens before, only for tests';
const service = await startApi(t, { ACTION_TOKEN_SECRET_PREVIOUS: OLD_SECRET });
const { api, app, config } = service;
const other = await startApi(t, {
  DATABASE_URL: config.DATABASE_URL,
  ACTION_TOKEN_SECRET_PREVIOUS: OLD_SECRET,
});
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const why = { reason: 'A test of the police.' };
const EVER = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
const RULES = { title: 'Test', sort: 'desc', operator: 'increment' };
const ACTION = {
  title: 'Test',
  points: { min: -1_000, max: 1_000 },
  leaderboards: ['global'],
  issuer: 'player',
  minDurationMs: 0,
};
const putBoard = (id: string, body: object) =>
  admin.put(`/v1/admin/leaderboards/${id}`, { ...RULES, ...body });
const putAction = (id: string, body: object) => admin.put(`/v1/admin/actions/${id}`, { ...ACTION, ...body });
const post = (userId: string, act: string, points: number, secret = ACTION_TOKEN_SECRET) =>
  server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }, secret) });
const score = async (userId: string, act: string, points: number, secret?: string) =>
  (await post(userId, act, points, secret)).is(200, Receipt);
/** As if a server had posted it, without the way there. */
const record = (userId: string, points: number, signingKey: string) =>
  app.ledger.record(submission(userId, points, { actionId: 'walk', signingKey }));
const on = (eventId: string, what: 'release' | 'void', by: Api = admin) =>
  by.post(`/v1/admin/events/${eventId}/${what}`, why);
const list = async (query: string) => (await admin.get(`/v1/admin/events?${query}`)).is(200, AdminEvents);
const entry = async (userId: string, board = 'global', at = service.url) =>
  (await api.at(at).get(`/v1/leaderboards/${board}/entries/${userId}`)).is(200, EntryDetails);
/** Without the acts of other tests. */
const auditOf = async (target: string) => {
  const { items } = (await admin.get('/v1/admin/audit?limit=100')).is(200, AuditTrail);
  return items.filter((item) => item.target === target);
};

(await putBoard('slow', { maxPointsPerMinute: 100 })).is(200, Leaderboard);
(await putAction('sprint', { leaderboards: ['global', 'slow'] })).is(200, Action);
(await putAction('walk', {})).is(200, Action);
await eventually(async () => assert(other.app.catalog.limits('sprint') !== null));

t.test('limits are part of actions and leaderboards, and can be taken away again', async (t) => {
  const limited = (await putAction('limited', { cooldownMs: 1_500, dailyLimit: 20 })).is(200, Action);
  t.match(limited, { cooldownMs: 1_500, dailyLimit: 20 });
  const { preview, now, ...board } = (await putBoard('limited', { maxPointsPerMinute: 7 })).is(
    200,
    PlannedLeaderboard,
  );
  t.same(preview, []);
  t.match(board, { maxPointsPerMinute: 7 });
  await eventually(async () => {
    const { items } = (await api.at(other.url).get('/v1/actions')).is(200, Actions);
    assert.deepEqual(
      items.find(({ id }) => id === 'limited'),
      limited,
    );
    const shown = (await api.at(other.url).get('/v1/leaderboards/limited')).is(200, Leaderboard);
    assert.deepEqual(shown, { ...board, now: shown.now });
    assert(shown.now >= now);
  });
  const free = (await putAction('limited', {})).is(200, Action);
  t.notOk('cooldownMs' in free || 'dailyLimit' in free);
  t.notOk('maxPointsPerMinute' in (await putBoard('limited', {})).is(200, Leaderboard));
  for (const bad of [0, -1, 1.5, '5', null, 86_400_001]) {
    (await putAction('limited', { cooldownMs: bad })).fails('validation-failed');
  }
  for (const bad of [0, -1, 1.5, '5', null, 2 ** 53]) {
    (await putAction('limited', { dailyLimit: bad })).fails('validation-failed');
    (await putBoard('limited', { maxPointsPerMinute: bad })).fails('validation-failed');
  }
});

t.test('an action that has reached its limit says when it counts again; the token stays good', async (t) => {
  (await putAction('cooled', { cooldownMs: 1_200 })).is(200, Action);
  const { id } = await newPlayer(api);
  t.equal((await score(id, 'cooled', 5)).status, 'counted');
  const actionToken = mint(id, { act: 'cooled', pts: [5, 5] });
  const refused = await server.post('/v1/scores', { actionToken });
  refused.fails('action-limit-reached');
  t.match(refused.headers.get('retry-after'), /^[12]$/);
  await eventually(async () => {
    (await server.post('/v1/scores', { actionToken })).is(200, Receipt);
  });
  (await putAction('daily', { dailyLimit: 1 })).is(200, Action);
  await score(id, 'daily', 5);
  const late = await post(id, 'daily', 5);
  late.fails('action-limit-reached');
  const seconds = Number(late.headers.get('retry-after'));
  t.ok(seconds > 0 && seconds <= 86_400);
  t.equal(
    new Date(Date.now() + seconds * 1_000 - 30_000).getUTCDate(),
    new Date().getUTCDate(),
    'till midnight',
  );
});

t.test('an event is held, released and voided; boards and streams of all instances follow', async (t) => {
  const player = await newPlayer(api, 'Quick');
  const counted = await score(player.id, 'sprint', 80);
  t.equal(counted.status, 'counted');
  const held = await score(player.id, 'sprint', 21);
  t.match(held, { status: 'held', leaderboards: [] });
  t.equal((await entry(player.id)).score, 80);
  const own = (await player.api.get('/v1/users/me/events')).is(200, ScoreEvents);
  t.same(
    own.items.map(({ eventId, status }) => [eventId, status]),
    [
      [held.eventId, 'held'],
      [counted.eventId, 'counted'],
    ],
  );
  const { items } = await list(`status=held&userId=${player.id}`);
  t.match(items, [
    {
      eventId: held.eventId,
      userId: player.id,
      action: 'sprint',
      points: 21,
      status: 'held',
      leaderboards: [
        { id: 'global', season: 1 },
        { id: 'slow', season: 1 },
      ],
      issuedBy: null,
      signingKey: 'key_c0eded57',
      heldBecause: {
        limit: 'maxPointsPerMinute',
        leaderboard: 'slow',
        allowed: 100,
        reached: 101,
        usual: { events: 1, median: 80, most: 80 },
      },
    },
  ]);
  const first = await newPlayer(api, 'First');
  const alone = await score(first.id, 'sprint', 101);
  t.match((await list(`status=held&userId=${first.id}`)).items, [
    { eventId: alone.eventId, heldBecause: { reached: 101, usual: null } },
  ]);
  const [of] = (await list(`userId=${player.id}&status=counted`)).items;
  t.equal(of?.heldBecause, null, 'what was never held has no reason');

  const stream = await BoardStream.open(t, other.url, `limit=100&user=${player.id}`);
  const follows = async (wanted: number | null) => {
    for (const { url } of [service, other]) {
      await eventually(async () => {
        const { items } = (await api.at(url).get('/v1/leaderboards/global/entries?limit=100')).is(
          200,
          Entries,
        );
        assert.equal(items.find(({ userId }) => userId === player.id)?.score ?? null, wanted);
      });
    }
    await eventually(async () => {
      const shown = stream.board?.items.find(({ userId }) => userId === player.id)?.score ?? null;
      assert.deepEqual([shown, stream.own?.score], [wanted, wanted]);
    });
  };
  await follows(80);
  t.equal((await on(held.eventId, 'release')).is(200, AdminEvent).status, 'counted');
  await follows(101);
  t.equal((await on(counted.eventId, 'void')).is(200, AdminEvent).status, 'voided');
  await follows(21);
  t.equal((await on(held.eventId, 'void', admin.at(other.url))).is(200, AdminEvent).status, 'voided');
  await follows(null);
  (await api.get(`/v1/leaderboards/slow/entries/${player.id}`)).fails('not-found');
  t.match((await score(player.id, 'sprint', 5)).leaderboards, [
    { id: 'global', score: 5, previousScore: null, previousRank: null },
    { id: 'slow', score: 5, previousScore: null, rank: 1 },
  ]);
  await follows(5);
  t.same(stream.disorder, []);
});

t.test('to release or void again changes nothing, and a voided event stays voided', async (t) => {
  const { id } = await newPlayer(api);
  const { eventId } = await score(id, 'sprint', 101);
  for (let i = 0; i < 2; i++) t.equal((await on(eventId, 'release')).is(200, AdminEvent).status, 'counted');
  const before = await entry(id);
  t.equal(before.score, 101);
  for (let i = 0; i < 2; i++) t.equal((await on(eventId, 'void')).is(200, AdminEvent).status, 'voided');
  (await on(eventId, 'release')).fails('not-found');
  (await on(typeId('evt'), 'void')).fails('not-found');
  t.same(
    (await auditOf(eventId)).map(({ action, details, reason }) => [action, details, reason]),
    [
      ['void-event', { from: 'counted', to: 'voided' }, why.reason],
      ['release-event', { from: 'held', to: 'counted' }, why.reason],
    ],
  );
  const [{ eventId: direct }] = [await score(id, 'sprint', 102)];
  t.equal((await on(direct, 'void')).is(200, AdminEvent).status, 'voided', 'a held one can be voided');
  (await api.get(`/v1/leaderboards/global/entries/${id}`)).fails('not-found');
});

t.test(
  'a release that would leave the range of exact integers is refused, and changes nothing',
  async (t) => {
    (
      await putAction('huge', { points: { min: 0, max: Number.MAX_SAFE_INTEGER }, leaderboards: ['slow'] })
    ).is(200, Action);
    const { id } = await newPlayer(api);
    const [first, second] = [
      await score(id, 'huge', Number.MAX_SAFE_INTEGER),
      await score(id, 'huge', Number.MAX_SAFE_INTEGER),
    ];
    (await on(first.eventId, 'release')).is(200, AdminEvent);
    (await on(second.eventId, 'release')).fails('points-out-of-range');
    t.equal((await list(`status=held&userId=${id}`)).items.length, 1);
    t.equal((await entry(id, 'slow')).score, Number.MAX_SAFE_INTEGER);
    t.same(await auditOf(second.eventId), []);
  },
);

t.test('an event counts for the boards it was scored on, whatever its action feeds now', async (t) => {
  (await putBoard('first', {})).is(200, Leaderboard);
  (await putBoard('second', {})).is(200, Leaderboard);
  (await putAction('mover', { leaderboards: ['first'] })).is(200, Action);
  const { id } = await newPlayer(api);
  const { eventId } = await score(id, 'mover', 10);
  (await putAction('mover', { leaderboards: ['second'] })).is(200, Action);
  await score(id, 'mover', 7);
  (await on(eventId, 'void')).is(200, AdminEvent);
  (await api.get(`/v1/leaderboards/first/entries/${id}`)).fails('not-found');
  t.equal((await entry(id, 'second')).score, 7);
  // Nobody is on it any more, so it may sort and count otherwise.
  (await putBoard('first', { sort: 'asc', operator: 'latest' })).is(200, Leaderboard);
});

t.test('all events of a leaked key are voided, within a time span, and no others', async (t) => {
  const players = await Promise.all(Array.from({ length: 5 }, () => newPlayer(api)));
  const ids = players.map(({ id }) => id);
  for (const id of ids) {
    await score(id, 'walk', 10);
    await score(id, 'walk', 100, OLD_SECRET);
  }
  const oldKey = (await list(`userId=${ids[0]}`)).items[0]?.signingKey ?? '';
  t.match(oldKey, /^key_(?!c0eded57)[0-9a-f]{8}$/);
  t.equal((await list(`issuer=${oldKey}&limit=100`)).items.length, 5);
  const voidAll = async (body: object) =>
    (await admin.post('/v1/admin/events/void', { ...EVER, ...why, ...body })).is(200, Act).voided;
  t.equal(await voidAll({ issuer: oldKey, to: '2020-01-02T00:00:00.000Z' }), 0);
  t.equal(await voidAll({ issuer: oldKey, from: '2099-01-01T00:00:00.000Z' }), 0);
  t.equal(await voidAll({ issuer: oldKey, action: 'sprint' }), 0);
  t.equal(await voidAll({ issuer: oldKey, userId: ids[0] }), 1, 'what is named narrows it down');
  t.equal(await voidAll({ issuer: oldKey }), 4);
  t.equal(await voidAll({ issuer: oldKey }), 0);
  for (const id of ids)
    for (const { url } of [service, other])
      await eventually(async () => assert.equal((await entry(id, 'global', url)).score, 10));
  t.match(
    (await auditOf('events')).map(({ details }) => details).filter(({ voided }) => voided !== 0),
    [
      { issuer: oldKey, voided: 4 },
      { issuer: oldKey, userId: ids[0], voided: 1 },
    ],
  );
  t.equal(await voidAll({ userId: ids[1] }), 1);
  t.equal(await voidAll({ action: 'walk' }), 4);
});

t.test('who had a token issued is known', async (t) => {
  const player = await newPlayer(api);
  const own = await player.api.post('/v1/action-tokens', { action: 'collect-coin' });
  const ofServer = await server.post('/v1/action-tokens', { action: 'win-match', userId: player.id });
  for (const { body } of [own, ofServer])
    (await server.post('/v1/scores', { actionToken: Object(body).actionToken })).is(200, Receipt);
  const { items } = await list(`userId=${player.id}`);
  const [account] = items.map(({ issuedBy }) => issuedBy);
  t.match(items, [{ issuedBy: /^svc_/ }, { issuedBy: 'player' }]);
  t.equal((await list(`userId=${player.id}&issuer=${account}`)).items.length, 1);
  t.equal((await list(`userId=${player.id}&issuer=player`)).items.length, 1);
});

t.test('a void of more than one page is complete', async (t) => {
  const players = await Promise.all(Array.from({ length: 3 }, () => newPlayer(api)));
  await Promise.all(
    Array.from({ length: 1_203 }, (_, i) => record(players[i % 3]?.id ?? '', 1, 'key_00000001')),
  );
  const answer = await admin.post('/v1/admin/events/void', { issuer: 'key_00000001', ...EVER, ...why });
  t.match(answer.is(200, Act), { state: 'done', voided: 1_203, total: 1_203 });
  for (const { id } of players) (await api.get(`/v1/leaderboards/global/entries/${id}`)).fails('not-found');
  const lines = (await auditOf('events')).filter(({ details }) => details['issuer'] === 'key_00000001');
  t.match(lines, [{ action: 'void-events', reason: why.reason, details: { voided: 1_203 } }]);
  const { id, ...rest } = answer.is(200, Act);
  t.equal(lines[0]?.id, id);
  t.same((await admin.get(`/v1/admin/acts/${id}`)).is(200, Act), { id, ...rest });
  (await admin.get(`/v1/admin/acts/${typeId('aud')}`)).fails('not-found');
});

t.test('who makes events that balance each other at the end of a page cannot stop a void', async (t) => {
  const [filler, cheat] = [await newPlayer(api), await newPlayer(api)];
  const issuer = 'key_00000002';
  await Promise.all(Array.from({ length: 499 }, () => record(filler.id, 1, issuer)));
  const most = Number.MAX_SAFE_INTEGER;
  for (const points of [-most, most, most]) await record(cheat.id, points, issuer);
  await Promise.all(Array.from({ length: 499 }, () => record(filler.id, 1, issuer)));
  const answer = await admin.post('/v1/admin/events/void', { issuer, ...EVER, ...why });
  t.match(answer.is(200, Act), { voided: 1_001 });
  (await api.get(`/v1/leaderboards/global/entries/${cheat.id}`)).fails('not-found');
});

t.test(
  'a banned user is off the boards of every instance and cannot score, until it is unbanned',
  async (t) => {
    const player = await newPlayer(api);
    await score(player.id, 'walk', 10);
    const ban = (what: 'ban' | 'unban') => admin.post(`/v1/admin/users/${player.id}/${what}`, why);
    const banned = (await ban('ban')).is(200, ModeratedUser);
    t.match(banned, { id: player.id, displayName: 'Ada', bannedAt: String });
    t.same((await ban('ban')).is(200, ModeratedUser), banned, 'once is enough');
    for (const act of ['walk', 'sprint']) {
      for (const { url } of [service, other]) {
        const actionToken = mint(player.id, { act, pts: [10, 10] });
        (await server.at(url).post('/v1/scores', { actionToken })).fails('user-banned');
      }
    }
    for (const { url } of [service, other])
      await eventually(async () =>
        (await api.at(url).get(`/v1/leaderboards/global/entries/${player.id}`)).fails('not-found'),
      );
    t.match((await ban('unban')).is(200, ModeratedUser), { bannedAt: null });
    (await ban('unban')).is(200, ModeratedUser);
    for (const { url } of [service, other])
      await eventually(async () => t.equal((await entry(player.id, 'global', url)).score, 10, 'it is back'));
    await score(player.id, 'walk', 10);
    t.same(
      (await auditOf(player.id)).map(({ action, reason }) => [action, reason]),
      [
        ['unban-user', why.reason],
        ['ban-user', why.reason],
      ],
    );
    (await admin.post(`/v1/admin/users/${typeId('usr')}/ban`, why)).fails('not-found');
    const gone = await newPlayer(api);
    await gone.api.delete('/v1/users/me');
    (await admin.post(`/v1/admin/users/${gone.id}/ban`, why)).fails('not-found');
  },
);

t.test('a ban shows on open streams, and what the user itself asks for is refused everywhere', async (t) => {
  await putBoard('arena', {});
  await putAction('fight', { leaderboards: ['arena'] });
  const [first, second] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  await score(first.id, 'fight', 20);
  const counted = await score(first.id, 'fight', 7);
  await score(second.id, 'fight', 10);
  const streams = [
    await BoardStream.open(t, service.url, `user=${first.id}`, undefined, 'arena'),
    await BoardStream.open(t, other.url, `user=${second.id}`, undefined, 'arena'),
  ];
  const shown = async (expected: [userId: string, rank: number, score: number][], own: (number | null)[]) =>
    eventually(async () => {
      for (const [i, stream] of streams.entries()) {
        assert.deepEqual(
          stream.board?.items.map(({ userId, rank, score }) => [userId, rank, score]),
          expected,
        );
        assert.equal(stream.own?.rank, own[i]);
      }
    });
  await shown(
    [
      [first.id, 1, 27],
      [second.id, 2, 10],
    ],
    [1, 2],
  );
  const ban = (what: 'ban' | 'unban') => admin.post(`/v1/admin/users/${first.id}/${what}`, why);
  const followers = [service, other].flatMap(({ url }) => [
    fetch(`${url}/v1/leaderboards/arena/stream?user=${first.id}`),
    fetch(`${url}/v1/stream?boards=global,arena:10:${first.id}`),
  ]);
  await Promise.all(followers);
  (await ban('ban')).is(200, ModeratedUser);
  t.match((await entry(second.id, 'arena')).rank, 1, 'at once');
  for (const follower of followers) t.match(await (await follower).text(), /retry: \d+\n\n$/, 'it has ended');
  t.equal(streams.shift()?.isOpen, false);
  await shown([[second.id, 1, 10]], [1]);

  for (const { url } of [service, other]) {
    const me = first.api.at(url);
    await eventually(async () =>
      (await api.at(url).get(`/v1/leaderboards/arena/stream?user=${first.id}`)).fails('user-banned'),
    );
    const stream = `${url}/v1/leaderboards/arena/stream?user=${first.id}`;
    t.equal((await fetch(stream, { method: 'HEAD' })).status, 403);
    (await me.patch('/v1/users/me', { displayName: 'Eve' })).fails('user-banned');
    (await me.post('/v1/users/me/credentials', { username: 'ada-again', password: 'correct horse' })).fails(
      'user-banned',
    );
    (await api.at(url).post('/v1/auth/refresh', { refreshToken: first.session.refreshToken })).fails(
      'user-banned',
    );
    (await server.at(url).post(`/v1/users/${first.id}/sessions`)).fails('user-banned');
    (await me.get('/v1/users/me')).is(200, User);
  }
  (await on(counted.eventId, 'void')).is(200, AdminEvent);
  (await putBoard('arena', { operator: 'best' })).fails('leaderboard-in-use');
  await shown([[second.id, 1, 10]], [1]);

  (await ban('unban')).is(200, ModeratedUser);
  streams.push(await BoardStream.open(t, service.url, `user=${first.id}`, undefined, 'arena'));
  await shown(
    [
      [first.id, 1, 20],
      [second.id, 2, 10],
    ],
    [2, 1],
  );
  (await first.api.patch('/v1/users/me', { displayName: 'Eve' })).is(200, User);
  (await api.post('/v1/auth/refresh', { refreshToken: first.session.refreshToken })).is(200, Session);
});

t.test('a banned user does not come back by erasing itself, until it is unbanned', async (t) => {
  const externalId = 'steam-4711';
  const credentials = { username: 'Cheater', password: 'correct horse' };
  const provision = () => server.post('/v1/users', { displayName: 'Cheat', externalId });
  const { id } = (await provision()).is(201, User);
  const { accessToken } = (await server.post(`/v1/users/${id}/sessions`)).is(201, Session);
  const me = api.as(accessToken);
  (await me.post('/v1/users/me/credentials', credentials)).is(200, User);
  await score(id, 'walk', 10);
  (await admin.post(`/v1/admin/users/${id}/ban`, why)).is(200, ModeratedUser);
  (await provision()).fails('user-banned');
  (await api.post('/v1/auth/login', credentials)).fails('user-banned');
  (await me.delete('/v1/users/me')).isEmpty(204);
  (await provision()).fails('user-banned');
  (await api.post('/v1/auth/register', { ...credentials, username: 'CHEATER' })).fails('username-taken');
  (await api.post('/v1/auth/login', credentials)).fails('invalid-credentials');
  (await server.post(`/v1/users/${id}/sessions`)).fails('not-found');
  t.match((await admin.post(`/v1/admin/users/${id}/unban`, why)).is(200, ModeratedUser), {
    displayName: '',
    bannedAt: null,
  });
  const fresh = (await provision()).is(201, User);
  t.not(fresh.id, id);
  (await api.post('/v1/auth/register', credentials)).is(201, Session);
  (await api.get(`/v1/leaderboards/global/entries/${id}`)).fails('not-found');
});

t.test('a user who has erased itself can still be banned, and then does not come back', async (t) => {
  let made = 0;
  const provisioned = async () => {
    const externalId = `steam-of-cheat-${++made}`;
    const provision = (url = service.url) =>
      server.at(url).post('/v1/users', { displayName: 'Cheat', externalId });
    const batch = () => server.post('/v1/users/batch', { users: [{ displayName: 'Cheat', externalId }] });
    const { id } = (await provision()).is(201, User);
    const me = api.as((await server.post(`/v1/users/${id}/sessions`)).is(201, Session).accessToken);
    const ban = (what: 'ban' | 'unban', of = id, url = service.url) =>
      admin.at(url).post(`/v1/admin/users/${of}/${what}`, why);
    return { id, me, provision, batch, ban };
  };

  const { id, me, provision, batch, ban } = await provisioned();
  (await me.delete('/v1/users/me')).isEmpty(204);
  t.match((await ban('ban')).is(200, ModeratedUser), { id, displayName: '', bannedAt: /Z$/ });
  for (const { url } of [service, other]) (await provision(url)).fails('user-banned');
  t.match((await batch()).body, { items: [{ status: 403, problem: { code: 'user-banned' } }] });
  (await ban('unban')).is(200, ModeratedUser);
  const back = (await provision()).is(201, User);
  t.not(back.id, id);

  // It is back already, so the user that it is now is banned.
  t.match((await ban('ban')).is(200, ModeratedUser), { id: back.id, bannedAt: /Z$/ });
  (await provision()).fails('user-banned');
  t.match(await auditOf(back.id), [{ action: 'ban-user', details: { erasedUserId: id } }]);
  (await ban('unban', back.id)).is(200, ModeratedUser);
  t.equal((await provision()).is(200, User).id, back.id);

  const again = (await server.post(`/v1/users/${back.id}/sessions`)).is(201, Session);
  (await ban('ban', back.id)).is(200, ModeratedUser);
  (await api.as(again.accessToken).delete('/v1/users/me')).isEmpty(204);
  t.match((await ban('ban')).is(200, ModeratedUser), { id: back.id }, 'banned already, under its last id');

  await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const cheat = await provisioned();
      const [first, second] = i % 2 ? [service, other] : [other, service];
      const erasing = cheat.me.at(first.url).delete('/v1/users/me');
      const banning = cheat.ban('ban', cheat.id, second.url);
      const returning = cheat.provision(first.url);
      (await erasing).isEmpty(204);
      const banned = (await banning).is(200, ModeratedUser);
      await returning;
      t.not(banned.bannedAt, null);
      for (const { url } of [service, other]) (await cheat.provision(url)).fails('user-banned');
    }),
  );

  const { pool } = app.pg;
  const [old, banned, judged] = [await provisioned(), await provisioned(), await provisioned()];
  for (const { id: erased, me: own } of [old, banned, judged]) {
    (await own.delete('/v1/users/me')).isEmpty(204);
    await pool.query("UPDATE users SET erased_at = now() - interval '31 days' WHERE id = uuid_of($1)", [
      erased,
    ]);
  }
  (await banned.ban('ban')).is(200, ModeratedUser);
  const judge: Change = (client) =>
    client.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [judged.id]);
  await during(pool, judge, 1, () => addJob(pool, PURGE, {}));
  await eventually(async () => {
    const { rows } = await pool.query('SELECT external_key FROM users WHERE id = uuid_of($1)', [old.id]);
    assert.deepEqual(rows, [{ external_key: null }]);
  });
  (await old.ban('ban')).fails('not-found');
  for (const cheat of [banned, judged]) (await cheat.provision()).fails('user-banned');
});

t.test('events of an erased user can be voided, and it stays away', async (t) => {
  const player = await newPlayer(api);
  const [first, second] = [await score(player.id, 'walk', 10), await score(player.id, 'walk', 5)];
  (await on(first.eventId, 'void')).is(200, AdminEvent);
  (await player.api.delete('/v1/users/me')).isEmpty(204);
  t.equal((await on(second.eventId, 'void')).is(200, AdminEvent).status, 'voided');
  t.equal(
    (await app.pg.pool.query('SELECT FROM scores WHERE user_id = uuid_of($1)', [player.id])).rowCount,
    0,
  );
  for (const { url } of [service, other])
    (await api.at(url).get(`/v1/leaderboards/global/entries/${player.id}`)).fails('not-found');
});

t.test('administrators page through the ledger and the audit, and cursors are of one list', async (t) => {
  const { id } = await newPlayer(api);
  const made = [];
  for (let i = 0; i < 5; i++) made.unshift((await score(id, 'walk', i)).eventId);
  const read: string[] = [];
  for (let cursor = ''; ; ) {
    const page = await list(`userId=${id}&limit=2${cursor && `&cursor=${cursor}`}`);
    read.push(...page.items.map(({ eventId }) => eventId));
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  t.same(read, made);
  const { nextCursor: cursor } = await list(`userId=${id}&limit=2&from=${EVER.from}`);
  (await admin.get(`/v1/admin/events?userId=${id}&cursor=${cursor}`)).fails('validation-failed');
  (await admin.get(`/v1/admin/events?cursor=forged`)).fails('validation-failed');
  (await admin.get(`/v1/admin/audit?cursor=${cursor}`)).fails('validation-failed');
  const trail = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
  t.match(trail.items, [{ actor: /^svc_/ }]);
  const next = (await admin.get(`/v1/admin/audit?limit=1&cursor=${trail.nextCursor}`)).is(200, AuditTrail);
  t.ok((next.items[0]?.id ?? '') < (trail.items[0]?.id ?? ''));
});

t.test('a search looks back for 30 days, or as far as it is told, and says so', async (t) => {
  const { id } = await newPlayer(api);
  const { eventId } = await score(id, 'walk', 1);
  const hoursOld = [1, 800, 900].map((hours) => new Date(Date.now() - hours * 3_600_000));
  const old = hoursOld.map((at) => ({
    at,
    id: fromUuid('evt', `${firstKey('evt', at.getTime()).slice(0, 13)}${randomUUID().slice(13)}`),
  }));
  await app.pg.pool.query(
    `INSERT INTO score_events (id, user_id, token_id, points, accepted_at, status, action_id, boards)
     SELECT id, $2, gen_random_uuid(), 1, at, CASE n WHEN 2 THEN 'counted' ELSE 'held' END, 'walk', '{"global": 1}'
     FROM unnest($1::uuid[], $3::timestamptz[]) WITH ORDINALITY e (id, at, n)`,
    [old.map(({ id }) => toUuid('evt', id)), toUuid('usr', id), hoursOld],
  );
  const [recent, older, oldest] = old.map(({ id }) => id);
  const ids = ({ items }: AdminEvents) => items.map(({ eventId }) => eventId);
  const usual = await list(`userId=${id}`);
  t.same(ids(usual), [eventId, recent]);
  t.equal(usual.to, null);
  const days = (Date.now() - Date.parse(usual.from ?? '')) / 86_400_000;
  t.ok(days >= 30 && days < 30.1, 'it says since when');
  const from = '2020-01-01T00:00:00.000Z';
  const all = await list(`userId=${id}&from=2020-01-01T01:00:00%2B01:00`);
  t.match(all, { from, to: null });
  t.same(ids(all), [eventId, recent, older, oldest]);
  const held = await list('status=held&limit=100');
  t.equal(held.from, null, 'what is held waits, however old it is');
  t.same(
    ids(held).filter((id) => id === recent || id === oldest),
    [recent, oldest],
  );
  const to = hoursOld[2]?.toISOString();
  t.same(
    ids(await list(`userId=${id}&to=${hoursOld[1]?.toISOString()}`)),
    [oldest],
    'it looks back from the end',
  );
  t.match(await list(`userId=${id}&to=${to}`), { items: [], to });

  const first = await list(`userId=${id}&limit=1`);
  const next = await list(`userId=${id}&limit=1&cursor=${first.nextCursor}`);
  t.equal(next.from, first.from, 'all pages are of the same time');
  t.same([next.nextCursor, ...ids(next)], [null, recent]);
  const { items, from: since } = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
  t.equal(items.length, 1);
  t.ok(Date.parse(since ?? '') < Date.now() - 29 * 86_400_000);
  t.same((await admin.get(`/v1/admin/audit?to=${from}`)).is(200, AuditTrail).items, []);
});

t.test('changes of the catalog are audited too, with a reason if there is one', async (t) => {
  (await putAction('audited', { dailyLimit: 3, reason: 'Bots.' })).is(200, Action);
  (await putAction('audited', {})).is(200, Action);
  t.match(await auditOf('audited'), [
    { action: 'put-action', reason: null, details: { title: 'Test' } },
    { action: 'put-action', reason: 'Bots.', details: { dailyLimit: 3 } },
  ]);
  (await putBoard('audited', { reason: 'New.' })).is(200, Leaderboard);
  t.match(await auditOf('audited'), [{ action: 'put-leaderboard', reason: 'New.' }, {}, {}]);
});

t.test('what is not as the schema says is refused', async () => {
  const { id } = await newPlayer(api);
  const { eventId } = await score(id, 'walk', 1);
  for (const body of [{}, { reason: '' }, { reason: 'x'.repeat(501) }, { reason: 7 }, { ...why, x: 1 }]) {
    (await admin.post(`/v1/admin/events/${eventId}/void`, body)).fails('validation-failed');
    (await admin.post(`/v1/admin/users/${id}/ban`, body)).fails('validation-failed');
  }
  for (const body of [
    {},
    { userId: id },
    { userId: 'x' },
    { issuer: 'key_1' },
    { issuer: 'somebody' },
    { userId: id, from: 'yesterday' },
    { userId: id, to: EVER.from },
    { userId: id, from: '2016-12-31T23:59:60Z' },
  ]) {
    const complete = 'userId' in body && Object.keys(body).length === 1;
    const span = complete ? {} : EVER;
    (await admin.post('/v1/admin/events/void', { ...span, ...why, ...body })).fails('validation-failed');
  }
  for (const query of [
    'status=gone',
    'userId=x',
    'limit=0',
    'limit=101',
    'from=x',
    `from=${EVER.to}&to=${EVER.from}`,
  ])
    (await admin.get(`/v1/admin/events?${query}`)).fails('validation-failed');
  (await admin.post('/v1/admin/events/x/void', why)).fails('validation-failed');
});

t.test('a time is one that a clock and the database can have', async () => {
  const { id } = await newPlayer(api);
  for (const time of [
    '2027-06-30T23:59:60.000Z',
    '9999-12-31T23:59:60Z',
    '0000-01-01T00:00:00.000Z',
    '2027-02-30T00:00:00Z',
    '2027-06-30T24:00:01Z',
    '2027-06-30T00:00:00',
    '+002027-06-30T00:00:00Z',
  ]) {
    const text = encodeURIComponent(time);
    for (const list of ['events', 'audit'])
      for (const end of ['from', 'to'])
        (await admin.get(`/v1/admin/${list}?${end}=${text}`)).fails('validation-failed');
    (await admin.post('/v1/admin/events/void', { ...EVER, ...why, userId: id, from: time })).fails(
      'validation-failed',
    );
    const season = { endsAt: time, ...why };
    (await admin.patch('/v1/admin/leaderboards/global/seasons/1', season)).fails('validation-failed');
    (await admin.post('/v1/admin/leaderboards/global/seasons', season)).fails('validation-failed');
    (await admin.post(`/v1/admin/webhooks/${typeId('whk')}/replay`, { since: time })).fails(
      'validation-failed',
    );
  }
  // What reaches back from the first time does not reach further.
  for (const list of ['events', 'audit'])
    t.match((await admin.get(`/v1/admin/${list}?to=0001-01-02T00:00:00Z`)).body, {
      from: '0001-01-01T00:00:00.000Z',
      items: [],
    });
});

t.test('nobody but an administrator sees or does any of it', async () => {
  const player = await newPlayer(api);
  const { eventId } = await score(player.id, 'walk', 1);
  for (const [as, code] of [
    [player.api, 'forbidden'],
    [server, 'forbidden'],
    [api, 'unauthenticated'],
  ] as const) {
    (await as.get('/v1/admin/events')).fails(code);
    (await as.get('/v1/admin/audit')).fails(code);
    for (const path of [
      `events/${eventId}/void`,
      `events/${eventId}/release`,
      'events/void',
      `users/${player.id}/ban`,
      `users/${player.id}/unban`,
    ])
      (await as.post(`/v1/admin/${path}`, why)).fails(code);
  }
});
