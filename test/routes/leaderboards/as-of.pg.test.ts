import assert from 'node:assert/strict';
import t from 'tap';
import { Entries, EntryDetails, FriendEntries, Leaderboard } from '../../../schemas/leaderboard.js';
import { AdminEvent, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';
import { turnPages } from '../../seasons/turn-pages.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

async function newBoard(id: string): Promise<void> {
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort: 'desc', operator: 'increment' })).is(
    200,
    Leaderboard,
  );
  await admin.put(`/v1/admin/actions/${id}`, {
    title: id,
    points: { min: 0, max: 1_000 },
    leaderboards: [id],
    issuer: 'server',
    minDurationMs: 0,
  });
}
const score = async (act: string, userId: string, points: number) =>
  (await server.post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) })).is(
    200,
    Receipt,
  );
const page = async (id: string, query: string) =>
  (await api.get(`/v1/leaderboards/${id}/entries?${query}`)).is(200, Entries);
const shown = ({ items }: Entries) => items.map(({ displayName, rank, score }) => [displayName, rank, score]);

const databaseTime = async (): Promise<number> => {
  const { rows } = await app.pg.pool.query<{ now: number }>('SELECT now() AS now');
  return rows[0]?.now ?? Number.NaN;
};
/** A time behind all that was done before, and before all that is done after, whichever clock has timed it. */
async function moment(): Promise<string> {
  const begun = await databaseTime();
  await eventually(async () => assert((await databaseTime()) > begun + 100));
  return new Date(begun + 50).toISOString();
}

t.test('pages and entries show the board as it stood, and what was voided since', async (t) => {
  await newBoard('races');
  const [ada, bob, cyd] = [
    await newPlayer(api, 'Ada'),
    await newPlayer(api, 'Bob'),
    await newPlayer(api, 'Cyd'),
  ];
  const first = await score('races', ada.id, 30);
  await score('races', bob.id, 20);
  const early = await moment();
  await score('races', bob.id, 25);
  await score('races', cyd.id, 10);
  const later = await moment();
  (await admin.post(`/v1/admin/events/${first.eventId}/void`, { reason: 'A bot.' })).is(200, AdminEvent);
  const now = await moment();

  const stood = await page('races', `asOf=${early}`);
  t.match(stood, { asOf: early, season: 1, total: 2, voidedSince: 1, nextCursor: null, prevCursor: null });
  t.same(shown(stood), [
    ['Ada', 1, 30],
    ['Bob', 2, 20],
  ]);
  t.same(
    stood.items.map(({ voidedSince }) => voidedSince),
    [1, undefined],
  );
  t.same(shown(await page('races', `asOf=${later}`)), [
    ['Bob', 1, 45],
    ['Ada', 2, 30],
    ['Cyd', 3, 10],
  ]);
  const today = await page('races', `asOf=${now}`);
  t.same(shown(today), [
    ['Bob', 1, 45],
    ['Cyd', 2, 10],
  ]);
  t.equal(today.voidedSince, 0);
  t.same(shown(today), shown(await page('races', '')), 'as it is');

  const path = `/v1/leaderboards/races/entries/${ada.id}`;
  t.match((await api.get(`${path}?asOf=${later}`)).is(200, EntryDetails), {
    rank: 2,
    total: 3,
    score: 30,
    pointsToNextRank: 16,
    voidedSince: 1,
    asOf: later,
  });
  (await api.get(`${path}?asOf=${now}`)).fails('not-found');
  t.same(shown((await api.get(`${path}/around?radius=1&asOf=${early}`)).is(200, Entries)).length, 2);
  const friends = `/v1/leaderboards/races/entries/batch?userIds=${cyd.id},${ada.id}&asOf=${later}`;
  t.match((await api.get(friends)).is(200, FriendEntries), {
    asOf: later,
    items: [{ rank: 2, voidedSince: 1 }, { rank: 3 }],
  });
  const half = await page('races', `asOf=${later}&limit=2`);
  t.same(shown(await page('races', `asOf=${later}&limit=2&cursor=${half.nextCursor}`)), [['Cyd', 3, 10]]);
  t.same(shown(await page('races', `asOf=${later}&rank=2&limit=1`)), [['Ada', 2, 30]]);
  t.same((await page('races', 'asOf=2020-01-01T00:00:00Z')).items, []);

  t.same(
    (await page('races', `since=${early}`)).items.map(({ displayName, movement }) => [displayName, movement]),
    [
      ['Bob', 1],
      ['Cyd', null],
    ],
  );
  t.same(
    (await page('races', `asOf=${later}&since=${early}`)).items.map(({ movement }) => movement),
    [1, -1, null],
  );
  t.notOk((await page('races', '')).items.some((item) => 'movement' in item));

  (await admin.post(`/v1/admin/users/${bob.id}/ban`, { reason: 'A cheat.' })).is(200, ModeratedUser);
  await eventually(async () =>
    assert.deepEqual(shown(await page('races', `asOf=${early}`)), [['Ada', 1, 30]]),
  );
  for (const query of [
    'asOf=2100-01-01T00:00:00Z',
    'since=2100-01-01T00:00:00Z',
    'asOf=yesterday',
    'since=7',
  ]) {
    const { errors } = (await api.get(`/v1/leaderboards/races/entries?${query}`)).fails('validation-failed');
    t.match(errors, [{ path: new RegExp(query.slice(0, 4)) }]);
  }
  (await api.get(`/v1/leaderboards/nowhere/entries?asOf=${early}`)).fails('not-found');
});

t.test('a time of an earlier season shows that season, unless another is asked for', async (t) => {
  await newBoard('weeks');
  const [ada, bob] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  await score('weeks', ada.id, 10);
  const early = await moment();
  await app.pg.pool.query(
    `UPDATE leaderboards SET season_ends_at = now(), next_starts_at = now() WHERE id = 'weeks'`,
  );
  await turnPages(app.pg.pool, 'test');
  await eventually(async () => assert.equal((await page('weeks', '')).season, 2));
  await score('weeks', bob.id, 5);
  const later = await moment();
  t.match(await page('weeks', `asOf=${early}`), { season: 1, items: [{ displayName: 'Ada' }] });
  t.match(await page('weeks', `asOf=${later}`), { season: 2, items: [{ displayName: 'Bob' }] });
  t.match(await page('weeks', `asOf=${later}&season=1`), { season: 1, items: [{ displayName: 'Ada' }] });
  t.match(await page('weeks', `since=${early}`), { items: [{ displayName: 'Bob', movement: null }] });
  (await api.get(`/v1/leaderboards/weeks/entries?asOf=${later}&season=3`)).fails('season-not-found');
});

t.test('what is archived is refused, and computations are counted', async (t) => {
  const limited = await startApi(t, { RATE_LIMIT_READ: 60 });
  const anHourAgo = Date.now() - 3_600_000;
  const read = (second: number) =>
    limited.api.get(
      `/v1/leaderboards/global/entries?asOf=${new Date(anHourAgo + 1_000 * second).toISOString()}`,
    );
  for (const second of [0, 1, 2]) (await read(second)).is(200, Entries);
  const refused = await read(3);
  refused.fails('rate-limited');
  t.match(refused.headers.get('retry-after'), /^\d+$/);
  (await read(2)).is(200, Entries);
  (await limited.api.get('/v1/leaderboards/global/entries')).is(200, Entries);
  await app.pg.pool.query(
    `UPDATE archive_progress SET carried_before = '01900000-0000-7000-8000-000000000000'`,
  );
  const gone = await api.get('/v1/leaderboards/global/entries?asOf=2024-01-01T00:00:00Z');
  t.equal(gone.fails('history-archived').status, 410);
});
