import assert from 'node:assert/strict';
import t from 'tap';
import { ModeratedUserDetails, ModeratedUsers } from '../../../schemas/admin-user.js';
import { AuditTrail, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { Session } from '../../../schemas/session.js';
import { User } from '../../../schemas/user.js';
import { newPlayer, serviceApi, startApi } from '../../api.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const { api } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const why = { reason: 'A test of the police.' };

const list = async (query: Record<string, string>) =>
  (await admin.get(`/v1/admin/users?${new URLSearchParams(query)}`)).is(200, ModeratedUsers);
const namesOf = async (query: Record<string, string>) =>
  (await list(query)).items.map(({ displayName }) => displayName);
const score = async (userId: string, points: number) =>
  (
    await server.post('/v1/scores', {
      actionToken: mint(userId, { act: 'win-match', pts: [points, points] }),
    })
  ).is(200, Receipt);

t.test('users are found by the beginning of their names, however these are written', async (t) => {
  const names = ['Zorro', 'ZORRO 2', 'z0rr0-3', 'Ζοrrο', 'Zörrö', 'Z o r r o', 'Zurro', 'Azorro'];
  for (const name of names) await newPlayer(api, name);
  const alike = names.slice(0, 6).sort();
  for (const q of [
    'zorro',
    'ZORRO',
    'zo',
    'ƵORR'.normalize('NFKD').replace('Ƶ', 'Z'),
    '2orro'.replace('2', 'z'),
  ])
    t.same((await namesOf({ q, limit: '100' })).sort(), alike, q);
  t.same(await namesOf({ q: 'Azo' }), ['Azorro']);
  t.same(await namesOf({ q: '---' }), [], 'signs alone are no name');
  t.same(await namesOf({ q: '%' }), []);
  t.same(await namesOf({ q: 'nobody is called so' }), []);
});

t.test('names of other scripts are found, without regard to case', async (t) => {
  for (const [name, q] of [
    ['Дмитрий', 'дмит'],
    ['ΣΩΚΡΑΤΗΣ', 'σωκ'],
    ['勇者', '勇'],
    ['ｆｕｌｌ', 'full'],
    ['🦊🦊fox', '🦊f'],
  ] as const) {
    const { id } = await newPlayer(api, name);
    t.ok(
      (await list({ q, limit: '100' })).items.some((user) => user.id === id),
      `${name} by ${q}`,
    );
  }
});

t.test('users are found by username, external id and id', async (t) => {
  const { user } = (
    await api.post('/v1/auth/register', {
      username: 'Quentin.Q',
      password: 'correct horse battery',
      displayName: 'Somebody',
    })
  ).is(201, Session);
  t.match((await list({ q: 'quentin.' })).items, [{ id: user.id, username: 'Quentin.Q' }]);
  t.match((await list({ q: user.id })).items, [{ id: user.id }]);
  t.same((await list({ q: typeId('usr') })).items, []);
  const brought = (await server.post('/v1/users', { displayName: 'Brought', externalId: 'steam 1' })).is(
    201,
    User,
  );
  t.match((await list({ externalId: 'steam 1' })).items, [{ id: brought.id, externalId: 'steam 1' }]);
  t.same((await list({ externalId: 'steam' })).items, []);
  t.same((await list({ externalId: 'steam 1', q: 'other' })).items, [], 'filters are combined');
  t.match((await list({ externalId: 'steam 1', q: 'brou', banned: 'false' })).items, [{ id: brought.id }]);
});

t.test('who is found by name and by username comes once', async (t) => {
  const credentials = { username: 'twice', password: 'correct horse battery' };
  (await api.post('/v1/auth/register', credentials)).is(201, Session);
  t.same(await namesOf({ q: 'twi' }), ['twice']);
});

t.test('pages of users go on behind the last one, whoever comes meanwhile', async (t) => {
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push((await newPlayer(api, `Pager ${'abcdefg'[i % 3]}`)).id);
  for (const query of [{ q: 'pager' }, {}]) {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: ModeratedUsers = await list({ ...query, limit: '2', ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      await newPlayer(api, 'Pager a');
    } while (cursor !== null && seen.length < 400);
    t.equal(new Set(seen).size, seen.length, 'none twice');
    for (const id of ids) t.ok(seen.includes(id));
  }
  const { nextCursor } = await list({ q: 'pager', limit: '1' });
  assert(nextCursor !== null);
  const other = new URLSearchParams({ q: 'other', cursor: nextCursor });
  (await admin.get(`/v1/admin/users?${other}`)).fails('validation-failed');
  const long = await list({ q: 'Pager'.padEnd(128, ' '), limit: '1' });
  t.ok((await list({ q: 'Pager'.padEnd(128, ' '), limit: '1', cursor: long.nextCursor ?? '' })).items.length);
});

t.test('banned users are found, also when they were erased, and others are forgotten', async (t) => {
  const [bad, worse, good] = [
    await newPlayer(api, 'Police A'),
    await newPlayer(api, 'Police B'),
    await newPlayer(api, 'Police C'),
  ];
  for (const { id } of [bad, worse])
    (await admin.post(`/v1/admin/users/${id}/ban`, why)).is(200, ModeratedUser);
  t.same(await namesOf({ q: 'police', banned: 'true' }), ['Police A', 'Police B']);
  t.same(await namesOf({ q: 'police', banned: 'false' }), ['Police C']);
  (await worse.api.delete('/v1/users/me')).isEmpty(204);
  (await good.api.delete('/v1/users/me')).isEmpty(204);
  t.same(await namesOf({ q: 'police' }), ['Police A']);
  t.match((await list({ banned: 'true' })).items, [
    { id: worse.id, displayName: '', erasedAt: /Z$/, bannedAt: /Z$/ },
    { id: bad.id },
  ]);
  (await admin.get(`/v1/admin/users/${good.id}`)).fails('not-found');
  t.match((await admin.get(`/v1/admin/users/${worse.id}`)).is(200, ModeratedUserDetails), { entries: [] });
});

t.test('one user has its scores, events, sessions and the acts about it', async (t) => {
  const { id, session } = await newPlayer(api, 'Watched');
  const first = await score(id, 30);
  const second = await score(id, 40);
  const details = (await admin.get(`/v1/admin/users/${id}`)).is(200, ModeratedUserDetails);
  t.match(details, {
    id,
    displayName: 'Watched',
    nameLocked: false,
    hiddenAt: null,
    bannedUntil: null,
    entries: [
      { leaderboard: 'global', title: 'Global', season: 1, score: 70, rank: Number, withheld: false },
    ],
    events: [{ eventId: second.eventId }, { eventId: first.eventId }],
    sessions: [{ revokedAt: null }],
    acts: [],
  });
  t.ok(session.refreshToken);
  (await admin.post(`/v1/admin/users/${id}/ban`, why)).is(200, ModeratedUser);
  const banned = (await admin.get(`/v1/admin/users/${id}`)).is(200, ModeratedUserDetails);
  t.match(banned, {
    entries: [{ score: 70, rank: null, withheld: true }],
    acts: [{ action: 'ban-user', reason: why.reason, actorName: /^test admin/, undoneBy: null }],
  });
  (await admin.get(`/v1/admin/users/${typeId('usr')}`)).fails('not-found');
});

t.test('the audit is searched by actor, action, target and time', async (t) => {
  const other = await serviceApi(service, 'admin');
  const [one, two] = [await newPlayer(api), await newPlayer(api)];
  for (const [by, { id }] of [
    [admin, one],
    [other, one],
    [other, two],
  ] as const)
    for (const what of ['ban', 'unban'])
      (await by.post(`/v1/admin/users/${id}/${what}`, why)).is(200, ModeratedUser);
  const search = async (query: Record<string, string>) =>
    (await admin.get(`/v1/admin/audit?${new URLSearchParams(query)}`)).is(200, AuditTrail);
  const ofOne = (await search({ target: one.id })).items;
  t.equal(ofOne.length, 4);
  const [{ actor, actorName } = { actor: '', actorName: '' }] = ofOne;
  t.equal((await search({ actor })).items.length, 4);
  t.same((await search({ actor: actorName ?? '' })).items, (await search({ actor })).items);
  t.same(
    (await search({ actor, target: one.id, action: 'ban-user' })).items.map(({ action }) => action),
    ['ban-user'],
  );
  t.same((await search({ target: one.id, to: '2020-01-01T00:00:00.000Z' })).items, []);
  (await admin.get('/v1/admin/audit?action=dance')).fails('validation-failed');
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: AuditTrail = await search({ target: one.id, limit: '1', ...(cursor && { cursor }) });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  t.same(
    seen,
    ofOne.map(({ id }) => id),
  );
});

t.test('players see no users, and game servers see only the list', async (t) => {
  const player = await newPlayer(api);
  t.ok((await server.get('/v1/admin/users')).is(200, ModeratedUsers).items.length > 0);
  (await server.get(`/v1/admin/users/${player.id}`)).fails('forbidden');
  for (const path of ['/v1/admin/users', `/v1/admin/users/${player.id}`]) {
    (await player.api.get(path)).fails('forbidden');
    (await api.get(path)).fails('unauthenticated');
  }
});
