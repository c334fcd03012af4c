import assert from 'node:assert/strict';
import t from 'tap';
import { Action } from '../../../schemas/action.js';
import { ModeratedUserDetails } from '../../../schemas/admin-user.js';
import { EntryDetails, Leaderboard } from '../../../schemas/leaderboard.js';
import { Act, AdminEvent, AuditTrail, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { User } from '../../../schemas/user.js';
import { BUNDLES } from '../../../src/access/scopes.js';
import { eventually, newPlayer, scopedApi, serviceApi, startApi } from '../../api.js';
import { equalsRecomputed } from '../../ledger/recomputed.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const { pool } = app.pg;
const why = { reason: 'A test of the police.' };
const EVER = { from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
const RULES = { title: 'Test', sort: 'desc', operator: 'best' };
const ACTION = { title: 'Test', points: { min: -1_000, max: 1_000 }, issuer: 'server', minDurationMs: 0 };

(await admin.put('/v1/admin/leaderboards/slow', { ...RULES, maxPointsPerMinute: 100 })).is(200, Leaderboard);
(await admin.put('/v1/admin/leaderboards/best', RULES)).is(200, Leaderboard);
(await admin.put('/v1/admin/actions/sprint', { ...ACTION, leaderboards: ['global', 'slow'] })).is(
  200,
  Action,
);
(await admin.put('/v1/admin/actions/walk', { ...ACTION, leaderboards: ['global', 'best'] })).is(200, Action);
await eventually(async () => assert(other.app.catalog.limits('sprint') !== null));

const score = async (userId: string, points: number, act = 'walk') =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );
const voidAll = async (filter: object) =>
  (await admin.post('/v1/admin/events/void', { ...EVER, ...why, ...filter })).is(200, Act);
const undo = (id: string, url = service.url) => admin.at(url).post(`/v1/admin/acts/${id}/undo`, why);
const event = (eventId: string, what: 'void' | 'release') =>
  admin.post(`/v1/admin/events/${eventId}/${what}`, why);
const statusesOf = async (userId: string) => {
  const { events } = (await admin.get(`/v1/admin/users/${userId}`)).is(200, ModeratedUserDetails);
  return new Map(events.map(({ eventId, status }) => [eventId, status]));
};
const entry = async (userId: string, board = 'global', url = service.url) => {
  const answer = await api.at(url).get(`/v1/leaderboards/${board}/entries/${userId}`);
  return answer.status === 404 ? null : answer.is(200, EntryDetails).score;
};
const everywhere = async (userId: string, wanted: number | null, board = 'global') => {
  for (const { url } of [service, other])
    await eventually(async () => assert.equal(await entry(userId, board, url), wanted));
};
const auditOf = async (target: string) =>
  (await admin.get(`/v1/admin/audit?target=${target}`)).is(200, AuditTrail).items;
const lastActOn = async (target: string) => (await auditOf(target))[0]?.id ?? '';

t.test('an undo gives back exactly the events that the void has voided, as they were', async (t) => {
  const { id } = await newPlayer(api);
  const before = await score(id, 40);
  (await event(before.eventId, 'void')).is(200, AdminEvent);
  const counted = await score(id, 30);
  const held = await score(id, 500, 'sprint');
  const released = await score(id, 600, 'sprint');
  t.same([held.status, released.status], ['held', 'held']);
  (await event(released.eventId, 'release')).is(200, AdminEvent);
  await everywhere(id, 630);
  const act = await voidAll({ userId: id });
  t.equal(act.voided, 3);
  await everywhere(id, null);
  const after = await score(id, 7);
  const undone = (await undo(act.id, other.url)).is(200, Act);
  t.match(undone, { state: 'done', voided: 3, total: 3, problem: null, undoes: act.id });
  await everywhere(id, 637);
  t.same(
    await statusesOf(id),
    new Map([
      [after.eventId, 'counted'],
      [released.eventId, 'counted'],
      [held.eventId, 'held'],
      [counted.eventId, 'counted'],
      [before.eventId, 'voided'],
    ]),
  );
  (await undo(act.id)).fails('act-undone');
  (await undo(undone.id)).fails('act-not-undoable');
  t.match(
    (await auditOf('events')).filter(({ id: of }) => of === act.id || of === undone.id),
    [
      { action: 'unvoid-events', undoneBy: null },
      { action: 'void-events', undoneBy: undone.id },
    ],
  );
  await equalsRecomputed(t, pool);
});

t.test('what was voided again since stays voided', async (t) => {
  const { id } = await newPlayer(api);
  const { eventId } = await score(id, 40);
  const first = await voidAll({ userId: id });
  (await undo(first.id)).is(200, Act);
  (await event(eventId, 'void')).is(200, AdminEvent);
  (await undo(first.id)).fails('act-undone');
  t.equal((await statusesOf(id)).get(eventId), 'voided');
  await everywhere(id, null);
});

t.test('undoes, voids and releases of the same events at once leave what the ledger says', async (t) => {
  for (let round = 0; round < 3; round++) {
    const players = await Promise.all([newPlayer(api), newPlayer(api)]);
    const held: string[] = [];
    for (const { id } of players)
      for (let i = 0; i < 6; i++) held.push((await score(id, 101 + i, 'sprint')).eventId);
    for (const { id } of players) for (let i = 0; i < 6; i++) await score(id, 10 + i);
    const acts = [];
    for (const { id } of players) acts.push(await voidAll({ userId: id }));
    const answers = await Promise.all([
      ...acts.map(({ id }) => undo(id, other.url)),
      ...acts.map(({ id }) => undo(id)),
      ...players.map(({ id }) => admin.post('/v1/admin/events/void', { ...EVER, ...why, userId: id })),
      ...held.map((eventId, i) => event(eventId, i % 2 ? 'release' : 'void')),
    ]);
    const undoes = answers.slice(0, 4).map(({ status }) => status);
    t.same(undoes.sort(), [200, 200, 409, 409], 'each is undone once');
    const { rows } = await pool.query(
      "SELECT FROM score_events WHERE (status = 'voided') <> (voided_by IS NOT NULL) OR status = 'held' AND hold_ended_by IS NOT NULL",
    );
    t.same(rows, []);
  }
  await equalsRecomputed(t, pool);
});

t.test('a judgement of one event is undone, unless it was judged since', async (t) => {
  const { id } = await newPlayer(api);
  const counted = await score(id, 40);
  (await event(counted.eventId, 'void')).is(200, AdminEvent);
  await everywhere(id, null);
  (await undo(await lastActOn(counted.eventId))).is(200, Act);
  await everywhere(id, 40);
  const held = await score(id, 500, 'sprint');
  (await event(held.eventId, 'release')).is(200, AdminEvent);
  const release = await lastActOn(held.eventId);
  await everywhere(id, 540);
  (await undo(release)).is(200, Act);
  await everywhere(id, 40);
  t.equal((await statusesOf(id)).get(held.eventId), 'held');
  (await event(held.eventId, 'release')).is(200, AdminEvent);
  const again = await lastActOn(held.eventId);
  (await event(held.eventId, 'void')).is(200, AdminEvent);
  (await undo(again)).fails('act-not-undoable');
  t.same(
    (await auditOf(held.eventId)).map(({ action }) => action),
    ['void-event', 'release-event', 'hold-event', 'release-event'],
  );
  await equalsRecomputed(t, pool);
});

t.test('acts about a user are undone, unless they are over', async (t) => {
  const player = await newPlayer(api, 'Before');
  const { id } = player;
  await score(id, 5);
  const patch = async (body: object) =>
    (await admin.patch(`/v1/admin/users/${id}`, { ...why, ...body })).is(200, ModeratedUser);
  const ban = async (body: object) =>
    (await admin.post(`/v1/admin/users/${id}/ban`, { ...why, ...body })).is(200, ModeratedUser);
  const moderated = async () => (await admin.get(`/v1/admin/users/${id}`)).is(200, ModeratedUserDetails);

  await patch({ hidden: true });
  const hiding = await lastActOn(id);
  t.match((await undo(hiding)).is(200, Act), { state: 'done', undoes: hiding });
  await everywhere(id, 5);
  t.match((await auditOf(id))[0], { action: 'unhide-user', reason: why.reason });
  await patch({ hidden: true });
  (await undo(hiding)).fails('act-undone');
  await patch({ hidden: false });
  (await undo((await auditOf(id))[1]?.id ?? '')).fails('act-not-undoable');

  await patch({ displayName: 'After' });
  (await undo(await lastActOn(id))).is(200, Act);
  t.match(await moderated(), { displayName: 'Before', nameLocked: false });
  await patch({ displayName: 'After', nameLocked: false });
  const naming = await lastActOn(id);
  (await player.api.patch('/v1/users/me', { displayName: 'Own' })).is(200, User);
  (await undo(naming)).fails('act-not-undoable');

  await ban({ until: '2099-01-01T00:00:00.000Z' });
  await ban({});
  const [later, sooner] = (await auditOf(id)).map((act) => act.id);
  (await undo(sooner ?? '')).fails('act-not-undoable');
  (await undo(later ?? '')).is(200, Act);
  t.match(await moderated(), { bannedUntil: '2099-01-01T00:00:00.000Z' });
  (await undo(await lastActOn(id))).is(200, Act);
  t.match(await moderated(), { bannedUntil: null, bannedAt: /Z$/ });
  await everywhere(id, null);

  (await admin.delete(`/v1/admin/users/${id}?${new URLSearchParams(why)}`)).isEmpty(204);
  (await undo(await lastActOn(id))).fails('act-not-undoable');
  (await undo(typeId('aud'))).fails('not-found');
});

t.test('a freeze is undone, unless somebody has unfrozen the board since', async (t) => {
  const freeze = (what: string) => admin.post(`/v1/admin/leaderboards/best/${what}`, why);
  (await freeze('freeze')).is(200, Leaderboard);
  const first = await lastActOn('best');
  const moderator = await scopedApi(service, BUNDLES.moderator);
  const refused = (await moderator.post(`/v1/admin/acts/${first}/undo`, why)).fails('forbidden');
  t.equal(refused.detail, 'This needs the scope boards:write.');
  (await undo(first)).is(200, Act);
  t.notOk('frozenAt' in (await api.get('/v1/leaderboards/best')).is(200, Leaderboard));
  (await freeze('freeze')).is(200, Leaderboard);
  const second = await lastActOn('best');
  (await freeze('unfreeze')).is(200, Leaderboard);
  (await undo(second)).fails('act-not-undoable');
  (await undo(await lastActOn('best'))).fails('act-not-undoable');
});

t.test('two moderators who undo the same at once undo it once', async (t) => {
  const { id } = await newPlayer(api);
  await score(id, 12);
  (await admin.post(`/v1/admin/users/${id}/ban`, why)).is(200, ModeratedUser);
  const act = await lastActOn(id);
  const answers = await Promise.all([undo(act), undo(act, other.url), undo(act), undo(act, other.url)]);
  const won = answers.filter(({ status }) => status === 200);
  t.equal(won.length, 1);
  for (const answer of answers.filter(({ status }) => status !== 200))
    t.match(answer.problem().code, /^act-(undone|not-undoable)$/);
  t.equal((await auditOf(id)).length, 2);
  await everywhere(id, 12);
});

t.test(
  'the entry of a user is deleted, a new score makes a new one, and the old one can be given back',
  async (t) => {
    const { id } = await newPlayer(api);
    await score(id, 40);
    await score(id, 30);
    const path = `/v1/admin/leaderboards/best/entries/${id}`;
    (await admin.delete(path)).fails('validation-failed');
    const act = (await admin.delete(`${path}?${new URLSearchParams(why)}`)).is(200, Act);
    t.match(act, { state: 'done', voided: 2 });
    await everywhere(id, null, 'best');
    (await admin.delete(`${path}?${new URLSearchParams(why)}`)).fails('not-found');
    await score(id, 8);
    await everywhere(id, 8, 'best');
    t.match((await auditOf(id))[0], {
      action: 'delete-entry',
      details: { leaderboard: 'best', season: 1, score: 40, voided: 2 },
      reason: why.reason,
    });
    (await undo(act.id)).is(200, Act);
    await everywhere(id, 40, 'best');
    await everywhere(id, 78, 'global');
    t.match(
      (await auditOf(id)).map(({ action }) => action),
      ['restore-entry', 'delete-entry'],
    );
    await equalsRecomputed(t, pool);
  },
);
