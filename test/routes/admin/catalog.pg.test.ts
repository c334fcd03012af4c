import assert from 'node:assert/strict';
import t from 'tap';
import { Action, Actions } from '../../../schemas/action.js';
import { Entries, Leaderboard, Leaderboards, PlannedLeaderboard } from '../../../schemas/leaderboard.js';
import { Receipt } from '../../../schemas/score.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const RULES = { title: 'Season one', sort: 'desc', operator: 'best' };
const ACTION = {
  title: 'Beat the boss',
  points: { min: -10, max: 1_000 },
  leaderboards: ['global'],
  issuer: 'player',
  minDurationMs: 0,
};
const putBoard = (id: string, body: object, as = admin) => as.put(`/v1/admin/leaderboards/${id}`, body);
const putAction = (id: string, body: object, as = admin) => as.put(`/v1/admin/actions/${id}`, body);
const score = async (userId: string, act: string, points: number, at = service.url) =>
  server.at(at).post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) });

t.test('a leaderboard is created, replaced and read', async (t) => {
  const put = async (rules: object) => (await putBoard('season-1', rules)).is(200, PlannedLeaderboard);
  const { now, ...made } = await put(RULES);
  t.ok(Math.abs(Date.parse(now) - Date.now()) < 60_000, now);
  const first = { id: 'season-1', ...RULES, revision: 1, season: 1, seasonEndsAt: null, entries: 0 };
  t.same(made, { ...first, preview: [] });
  t.hasStrict((await api.get('/v1/leaderboards/season-1')).is(200, Leaderboard), first);
  const other = { title: 'Golf ⛳', sort: 'asc', operator: 'latest' };
  t.hasStrict(await put(other), { ...first, ...other, revision: 2 });
  t.hasStrict((await api.get('/v1/leaderboards/season-1')).is(200, Leaderboard), {
    ...first,
    ...other,
    revision: 2,
  });
});

t.test('how a leaderboard with entries sorts and counts stays as it is', async (t) => {
  (await putBoard('in-use', RULES)).is(200, Leaderboard);
  (await putAction('use', { ...ACTION, leaderboards: ['in-use'] })).is(200, Action);
  const { id } = await newPlayer(api);
  (await score(id, 'use', 5)).is(200, Receipt);
  (await putBoard('in-use', { ...RULES, sort: 'asc' })).fails('leaderboard-in-use');
  (await putBoard('in-use', { ...RULES, operator: 'increment' })).fails('leaderboard-in-use');
  const renamed = { id: 'in-use', ...RULES, title: 'Renamed', season: 1, entries: 1 };
  t.hasStrict(
    (await putBoard('in-use', { ...RULES, title: 'Renamed' })).is(200, PlannedLeaderboard),
    renamed,
  );
  t.hasStrict((await api.get('/v1/leaderboards/in-use')).is(200, Leaderboard), renamed);
});

t.test('an action is created and replaced, and issues tokens as it now is', async (t) => {
  const player = await newPlayer(api);
  const issue = () => player.api.post('/v1/action-tokens', { action: 'boss' });
  (await issue()).fails('not-found');
  t.same((await putAction('boss', ACTION)).is(200, Action), { id: 'boss', ...ACTION });
  t.match((await issue()).body, { points: { min: -10, max: 1_000 } });
  (await putAction('boss', { ...ACTION, issuer: 'server', points: { min: 7, max: 7 } })).is(200, Action);
  (await issue()).fails('action-not-player-issuable');
  const { items } = (await api.get('/v1/actions')).is(200, Actions);
  t.match(
    items.find(({ id }) => id === 'boss'),
    { issuer: 'server', points: { min: 7, max: 7 } },
  );
});

t.test('an action feeds the boards that it now has', async () => {
  for (const id of ['left', 'right']) (await putBoard(id, RULES)).is(200, Leaderboard);
  const { id } = await newPlayer(api);
  const fed = async () => (await score(id, 'moving', 5)).is(200, Receipt).leaderboards.map(({ id }) => id);
  (await putAction('moving', { ...ACTION, leaderboards: ['left'] })).is(200, Action);
  assert.deepEqual(await fed(), ['left']);
  (await putAction('moving', { ...ACTION, leaderboards: ['right', 'left'] })).is(200, Action);
  assert.deepEqual(await fed(), ['left', 'right']);
  (await putAction('moving', { ...ACTION, leaderboards: ['right'] })).is(200, Action);
  assert.deepEqual(await fed(), ['right']);
});

t.test('all instances follow within a second', async () => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const { id } = await newPlayer(api);
  (await putBoard('followed', RULES)).is(200, Leaderboard);
  (await putAction('follow', { ...ACTION, leaderboards: ['followed'] })).is(200, Action);
  await eventually(async () => {
    const { items } = (await other.api.get('/v1/actions')).is(200, Actions);
    assert(items.some((action) => action.id === 'follow'));
    (await other.api.get('/v1/leaderboards/followed')).is(200, Leaderboard);
  });
  (await putBoard('followed', { ...RULES, sort: 'asc' }, admin.at(other.url))).is(200, Leaderboard);
  await eventually(async () => {
    assert.equal((await api.get('/v1/leaderboards/followed')).is(200, Leaderboard).sort, 'asc');
  });
  // The ranking, too, is that of the new order, on both.
  const second = await newPlayer(api);
  (await score(id, 'follow', 9)).is(200, Receipt);
  (await score(second.id, 'follow', 4, other.url)).is(200, Receipt);
  for (const { url } of [service, other]) {
    await eventually(async () => {
      const { items } = (await api.at(url).get('/v1/leaderboards/followed/entries')).is(200, Entries);
      assert.deepEqual(
        items.map(({ score }) => score),
        [4, 9],
      );
    });
  }
});

t.test('what is not as the schema says is refused and changes nothing', async (t) => {
  const defined = async () => {
    const { items } = (await api.get('/v1/leaderboards')).is(200, Leaderboards);
    return [items.map(({ now: _, ...board }) => board), (await api.get('/v1/actions')).body];
  };
  const before = await defined();
  const boards: [path: string, body: object][] = [
    ['/title', { ...RULES, title: '' }],
    ['/title', { ...RULES, title: 'x'.repeat(101) }],
    ['/title', { ...RULES, title: 'a\nb' }],
    ['/title', { ...RULES, title: 7 }],
    ['/sort', { ...RULES, sort: 'up' }],
    ['/operator', { ...RULES, operator: 'sum' }],
    ['/', { ...RULES, season: 2 }],
    ['/', { title: 'x' }],
  ];
  for (const [path, body] of boards) {
    t.match(
      (await putBoard('bad', body)).fails('validation-failed').errors,
      [{ path }],
      JSON.stringify(body),
    );
  }
  const actions: [path: string, body: object][] = [
    ['/points', { ...ACTION, points: { min: 2, max: 1 } }],
    ['/points/min', { ...ACTION, points: { min: '1', max: 2 } }],
    ['/points/max', { ...ACTION, points: { min: 1, max: 2 ** 53 } }],
    ['/points', { ...ACTION, points: { min: 1, max: 2, step: 1 } }],
    ['/points', { ...ACTION, points: [1, 2] }],
    ['/leaderboards', { ...ACTION, leaderboards: [] }],
    ['/leaderboards', { ...ACTION, leaderboards: ['global', 'global'] }],
    ['/leaderboards', { ...ACTION, leaderboards: ['no-such-board'] }],
    ['/leaderboards', { ...ACTION, leaderboards: 'global' }],
    ['/leaderboards/0', { ...ACTION, leaderboards: ['Global'] }],
    ['/issuer', { ...ACTION, issuer: 'admin' }],
    ['/minDurationMs', { ...ACTION, minDurationMs: -1 }],
    ['/minDurationMs', { ...ACTION, minDurationMs: 0.5 }],
    ['/minDurationMs', { ...ACTION, minDurationMs: '0' }],
    // Its tokens would expire before they are good.
    ['/minDurationMs', { ...ACTION, minDurationMs: config.ACTION_TOKEN_TTL * 1_000 }],
    ['/', { ...ACTION, cooldown: 5 }],
  ];
  for (const [path, body] of actions) {
    t.match(
      (await putAction('bad', body)).fails('validation-failed').errors,
      [{ path }],
      JSON.stringify(body),
    );
  }
  for (const id of ['Bad', '-bad', 'x'.repeat(64), 'b_d', 'b%20d']) {
    (await putBoard(id, RULES)).fails('validation-failed');
    (await putAction(id, ACTION)).fails('validation-failed');
  }
  t.same(await defined(), before);
});

t.test('nobody but an administrator changes anything', async () => {
  const player = await newPlayer(api);
  for (const as of [player.api, server]) {
    (await putBoard('season-1', RULES, as)).fails('forbidden');
    (await putAction('boss', ACTION, as)).fails('forbidden');
  }
  (await putBoard('season-1', RULES, api)).fails('unauthenticated');
  (await putAction('boss', ACTION, api)).fails('unauthenticated');
  // Not even what is wrong with the body is told before that.
  (await putBoard('season-1', {}, player.api)).fails('forbidden');
});
