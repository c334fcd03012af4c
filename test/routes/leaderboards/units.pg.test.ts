import assert from 'node:assert/strict';
import { ServerResponse } from 'node:http';
import { mock } from 'node:test';
import t from 'tap';
import { Action } from '../../../schemas/action.js';
import {
  Entries,
  EntryDetails,
  FriendEntries,
  Leaderboard,
  Leaderboards,
  PlannedLeaderboard,
} from '../../../schemas/leaderboard.js';
import { RankOf, ScoreAt } from '../../../schemas/position.js';
import { BatchedScores, Receipt } from '../../../schemas/score.js';
import { Seasons } from '../../../schemas/season.js';
import type { Unit } from '../../../schemas/unit.js';
import { newPlayer, projected, serviceApi, startApi } from '../../api.js';
import { Watcher } from '../../live/live-server.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, app, url } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const LAP = { kind: 'duration' } as const;
const put = async (id: string, more: object) => {
  const rules = { title: id, sort: 'asc', operator: 'best', ...more };
  return (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, PlannedLeaderboard);
};
/** A board with an action of its own, and a player with this score; all have its id. */
async function newBoard(id: string, points: number, more: object): Promise<string> {
  await put(id, more);
  const action = { title: id, leaderboards: [id], issuer: 'server', minDurationMs: 0 };
  (await admin.put(`/v1/admin/actions/${id}`, { ...action, points: { min: 0, max: points } })).is(
    200,
    Action,
  );
  const player = await newPlayer(api);
  await score(player.id, points, id);
  await projected(app);
  return player.id;
}
const score = async (userId: string, points: number, act: string) =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );
const inLanguage = (language: string) => ({ 'accept-language': language });
const formattedOn = async (path: string, headers?: Record<string, string>) => {
  const answer = await api.get(`/v1/leaderboards/${path}`, headers);
  return answer.is(200, Entries).items.map(({ formatted }) => formatted);
};

t.test('every read writes scores in the language of its caller', async (t) => {
  const user = await newBoard('laps', 83_456, { unit: LAP });
  t.match((await api.get('/v1/leaderboards/laps')).is(200, Leaderboard), { unit: LAP });
  for (const rest of ['', `/${user}/around`]) {
    t.same(await formattedOn(`laps/entries${rest}`), ['1:23.456']);
    t.same(await formattedOn(`laps/entries${rest}`, inLanguage('de-DE,en;q=0.5')), ['1:23,456']);
    t.same(await formattedOn(`laps/entries${rest}?locale=de`, inLanguage('en')), ['1:23,456']);
  }
  const friends = (await api.get(`/v1/leaderboards/laps/entries/batch?userIds=${user}&locale=de`)).is(
    200,
    FriendEntries,
  );
  t.match(friends.items, [{ score: 83_456, formatted: '1:23,456', position: 1 }]);
  const own = (await api.get(`/v1/leaderboards/laps/entries/${user}`)).is(200, EntryDetails);
  t.match(own, { score: 83_456, formatted: '1:23.456' });
  (await api.get('/v1/leaderboards/laps/entries?locale=de_DE')).fails('validation-failed');
});

t.test('receipts and positions write scores too', async (t) => {
  const user = await newBoard('shown', 83_456, { unit: LAP });
  const submission = { userId: user, action: 'shown', points: 81_999, idempotencyKey: 'shown-1' };
  const batch = await server.post('/v1/scores/batch', { submissions: [submission] });
  t.match(batch.is(200, BatchedScores).items, [
    { receipt: { leaderboards: [{ id: 'shown', score: 81_999, formatted: '1:21.999' }] } },
  ]);
  const actionToken = mint(user, { act: 'shown', pts: [80_000, 80_000] });
  const single = await server.send('POST', '/v1/scores', {
    json: { actionToken },
    headers: inLanguage('de'),
  });
  t.match(single.is(200, Receipt).leaderboards, [{ score: 80_000, formatted: '1:20,000' }]);
  const at = (rest: string) => api.get(`/v1/leaderboards/shown/${rest}`);
  t.match((await at('rank-of?score=79999&locale=de')).is(200, RankOf), { rank: 1, formatted: '1:19,999' });
  t.match((await at('score-at?rank=1')).is(200, ScoreAt), { sharedRank: 1, formatted: '1:20.000' });
  await newBoard('unwritten', 5, {});
  const plain = mint(user, { act: 'unwritten', pts: [1, 1] });
  const receipt = (await server.post('/v1/scores', { actionToken: plain })).is(200, Receipt);
  t.notMatch(receipt.leaderboards[0], { formatted: String });
});

t.test('caches keep one answer for each language, and none that is outdated', async (t) => {
  const user = await newBoard('cached', 83_456, { unit: LAP });
  const path = '/v1/leaderboards/cached/entries';
  const german = await api.get(path, inLanguage('de'));
  const english = await api.get(path, inLanguage('en'));
  for (const { headers } of [german, english]) t.match(headers.get('vary'), /\bAccept-Language\b/);
  const etag = german.headers.get('etag') ?? '';
  t.not(english.headers.get('etag'), etag);
  const again = await api.get(path, { ...inLanguage('de'), 'if-none-match': etag });
  again.isEmpty(304);
  t.match(again.headers.get('vary'), /\bAccept-Language\b/);
  (await api.get(path, { ...inLanguage('en'), 'if-none-match': etag })).is(200, Entries);
  const chosen = await api.get(`${path}?locale=de`);
  t.notMatch(chosen.headers.get('vary') ?? '', /Accept-Language/, 'the address says the language');
  await put('cached', { unit: { kind: 'duration', decimals: 1 } });
  const other = await api.get(path, { ...inLanguage('de'), 'if-none-match': etag });
  t.match(other.is(200, Entries).items, [{ formatted: '1:23,4' }], 'another unit is another answer');
  await score(user, 9_999, 'cached');
  t.same(await formattedOn('cached/entries', inLanguage('de')), ['0:09,9']);
  for (const language of ['de', 'en', 'fr', 'pt', 'de']) {
    const separator = language === 'en' ? '.' : ',';
    t.same(await formattedOn('cached/entries', inLanguage(language)), [`0:09${separator}9`], language);
  }
});

t.test('an unchanged page is sent as the bytes that were sent before, in each language', async (t) => {
  await newBoard('bytes', 1_000, { unit: LAP });
  const ended = mock.method(ServerResponse.prototype, 'end');
  t.teardown(() => ended.mock.restore());
  const sent = async (language: string) => {
    const calls = ended.mock.callCount();
    await formattedOn('bytes/entries', inLanguage(language));
    return ended.mock.calls[calls]?.arguments[0];
  };
  const [german, english] = [await sent('de'), await sent('en')];
  assert(Buffer.isBuffer(german));
  t.not(german, english);
  t.equal(await sent('de'), german);
  t.equal(await sent('de-DE-1996;q=0.7, en;q=0.3'), await sent('de-DE'), 'one for all who read the same');
});

t.test('a board without a unit has scores as they are, unless a language is asked for', async (t) => {
  await newBoard('plain', 1_234, {});
  const plain = await api.get('/v1/leaderboards/plain/entries', inLanguage('de'));
  t.notMatch(plain.is(200, Entries).items[0], { formatted: String });
  t.notMatch(plain.headers.get('vary') ?? '', /Accept-Language/);
  t.same(await formattedOn('plain/entries?locale=de'), ['1.234']);
  t.same(await formattedOn('plain/entries?locale=und'), ['1,234']);
  t.same(await formattedOn('plain/entries'), [undefined], 'which nobody else gets');
});

t.test('a unit must be one', async (t) => {
  const wrong: [unit: unknown, path: string][] = [
    [{ kind: 'money' }, '/unit/currency'],
    [{ kind: 'number', currency: 'EUR' }, '/unit/currency'],
    [{ kind: 'money', currency: 'eur' }, '/unit/currency'],
    [{ kind: 'number', input: 's' }, '/unit/input'],
    [{ kind: 'duration', framesPerSecond: 60 }, '/unit/framesPerSecond'],
    [{ kind: 'duration', input: 'frames', framesPerSecond: 0 }, '/unit/framesPerSecond'],
    [{ kind: 'number', decimals: 7 }, '/unit/decimals'],
    [{ kind: 'number', suffix: '\u202e' }, '/unit/suffix'],
  ];
  const rules = { title: 'Wrong', sort: 'asc', operator: 'best' };
  for (const [unit, path] of wrong) {
    const problem = (await admin.put('/v1/admin/leaderboards/wrong', { ...rules, unit })).fails(
      'validation-failed',
    );
    t.match(problem.errors, [{ path }], JSON.stringify(unit));
  }
});

t.test('a season that is over keeps the unit that it had', async (t) => {
  await newBoard('units', 5, { unit: { kind: 'number', suffix: ' laps' } });
  t.same(await formattedOn('units/entries'), ['5 laps']);
  await put('units', { unit: { kind: 'number', suffix: ' rounds' } });
  t.same(await formattedOn('units/entries'), ['5 rounds'], 'a change is seen at once');
  const { pool } = app.pg;
  await pool.query(
    "UPDATE leaderboards SET season = 2, season_starts_at = clock_timestamp() WHERE id = 'units'",
  );
  await pool.query(
    "UPDATE seasons SET ends_at = clock_timestamp(), state = 'closing' WHERE leaderboard_id = 'units' AND season = 1",
  );
  app.catalog.forgetAll();
  const schedule = { every: 'week', timeZone: 'UTC' };
  for (const unit of [{ kind: 'percent' }, undefined, { kind: 'percent' }]) {
    await put('units', { unit, schedule });
    const seasons = (await api.get('/v1/leaderboards/units/seasons')).is(200, Seasons);
    t.match(seasons.items.at(-1), { season: 1, top: [{ score: 5, formatted: '5 rounds' }] });
    t.same(await formattedOn('units/entries?season=1'), ['5 rounds']);
    t.same(await formattedOn('units/entries?season=1&locale=de'), ['5 rounds']);
    const rules = await pool.query<{ unit: Unit | null }>(
      "SELECT rules->'unit' AS unit FROM seasons WHERE leaderboard_id = 'units' AND season > 1 ORDER BY season",
    );
    t.same(
      rules.rows,
      [{ unit: unit ?? null }, { unit: unit ?? null }],
      'this season and the next have the new one',
    );
  }
});

t.test('a stream says the unit, and a change of it', async (t) => {
  await newBoard('live', 83_456, { unit: LAP });
  const watcher = new Watcher(t, `${url}/v1/leaderboards/live/stream`);
  t.match((await watcher.next()).data, { unit: LAP, items: [{ score: 83_456 }] });
  await put('live', { unit: { ...LAP, decimals: 1 } });
  t.match((await watcher.next()).data, { unit: { ...LAP, decimals: 1 } });
  await put('live', {});
  t.notMatch((await watcher.next()).data, { unit: Object });
});

t.test('a title comes in the language of the caller', async (t) => {
  const titles = { en: 'Fastest lap', de: 'Schnellste Runde' };
  t.match(await put('titled', { titles }), { title: 'titled', titles });
  const path = '/v1/leaderboards/titled';
  const titleOf = async (query: string, headers?: Record<string, string>) => {
    const answer = await api.get(path + query, headers);
    return answer.is(200, Leaderboard).title;
  };
  t.equal(await titleOf('', inLanguage('de-AT')), 'Schnellste Runde');
  t.equal(await titleOf('?locale=en', inLanguage('de')), 'Fastest lap');
  t.equal(await titleOf('?locale=und'), 'titled', 'as it was put');
  t.equal(await titleOf('', inLanguage('fr')), 'titled');
  const listed = await api.get('/v1/leaderboards', inLanguage('de'));
  t.match(listed.headers.get('vary'), /\bAccept-Language\b/);
  t.match(
    listed.is(200, Leaderboards).items.find(({ id }) => id === 'titled'),
    { title: 'Schnellste Runde', titles },
  );
  const rules = { title: 'Wrong', sort: 'asc', operator: 'best' };
  for (const titles of [{ de_DE: 'x' }, { de: '' }])
    (await admin.put('/v1/admin/leaderboards/wrong', { ...rules, titles })).fails('validation-failed');
});
