import assert from 'node:assert/strict';
import t from 'tap';
import { Action } from '../../../schemas/action.js';
import { Leaderboard, PlannedLeaderboard } from '../../../schemas/leaderboard.js';
import { AuditTrail } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { SeasonSpan } from '../../../schemas/season.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { LogLines } from '../../log-lines.js';
import { mint } from '../../mint.js';
import { resultOn } from '../../receipts.js';
import { turnPages } from '../../seasons/turn-pages.js';

const lines = new LogLines();
const service = await startApi(t, { LOG_LEVEL: 'error' }, lines);
const { pool } = service.app.pg;
const [admin, server] = [await serviceApi(service, 'admin'), await serviceApi(service, 'server')];
const HOUR_MS = 3_600_000;
const start = Math.floor(Date.now() / 1000) * 1000;
const inHours = (hours: number) => new Date(start + hours * HOUR_MS).toISOString();
const reason = 'For the test.';
const RULES = { title: 'Cup', sort: 'desc', operator: 'increment' } as const;

const seasonsOf = (id: string) => `/v1/admin/leaderboards/${id}/seasons`;
const put = async (id: string, more: object = {}) =>
  (await admin.put(`/v1/admin/leaderboards/${id}`, { ...RULES, ...more })).is(200, PlannedLeaderboard);
const shown = async (id: string) => (await admin.get(`/v1/leaderboards/${id}`)).is(200, Leaderboard);
const bounds = async (id: string) => {
  const { rows } = await pool.query<
    Record<'season' | 'endsAt' | 'nextStartsAt' | 'nextEndsAt', number | null>
  >(
    `SELECT season, extract(epoch FROM season_ends_at) * 1000 AS "endsAt", extract(epoch FROM next_starts_at) * 1000 AS "nextStartsAt",
       extract(epoch FROM next_ends_at) * 1000 AS "nextEndsAt" FROM leaderboards WHERE id = $1`,
    [id],
  );
  return Object.values(rows[0] ?? {}).map((value, i) =>
    i === 0
      ? value
      : Number(value) === Number.POSITIVE_INFINITY
        ? null
        : new Date(Number(value)).toISOString(),
  );
};
/** As if so many hours had passed since the season has begun. */
const begun = (id: string, hours: number) =>
  pool.query(`UPDATE leaderboards SET season_starts_at = now() - $2 * interval '1 hour' WHERE id = $1`, [
    id,
    hours,
  ]);

t.test('a season is ended by hand, and the next one has a name', async (t) => {
  await put('by-hand');
  const { id } = await newPlayer(service.api);
  await admin.put('/v1/admin/actions/play', {
    title: 'Play',
    points: { min: 1, max: 9 },
    leaderboards: ['by-hand'],
    issuer: 'server',
    minDurationMs: 0,
  });
  const score = async () => {
    const actionToken = mint(id, { act: 'play', pts: [1, 1] });
    return resultOn('by-hand', (await server.post('/v1/scores', { actionToken })).is(200, Receipt));
  };
  await score();
  const before = Date.now();
  const ended = (await admin.post(seasonsOf('by-hand'), { label: 'Spring', reason })).is(202, SeasonSpan);
  t.match(ended, { leaderboard: 'by-hand', season: 1, label: null, startsAt: null });
  const ahead = Date.parse(ended.endsAt ?? '') - before;
  t.ok(ahead >= 4_900 && ahead < 20_000, `as soon as it can: in ${ahead} ms`);
  t.match(await score(), { season: 1, seasonEndsAt: ended.endsAt });
  t.same((await shown('by-hand')).seasonEndsAt, ended.endsAt);
  t.same(await bounds('by-hand'), [1, ended.endsAt, ended.endsAt, null]);

  await pool.query(
    "UPDATE leaderboards SET season_ends_at = now() - interval '1 second', next_starts_at = now() - interval '1 second' WHERE id = 'by-hand'",
  );
  t.match(await score(), { season: 2, score: 1, seasonEndsAt: null }, 'before the page is turned');
  await turnPages(pool, 'test');
  t.match(await score(), { season: 2, score: 2 });
  const { rows } = await pool.query(
    "SELECT season, label, state FROM seasons WHERE leaderboard_id = 'by-hand' ORDER BY 1",
  );
  t.same(rows, [
    { season: 1, label: null, state: 'closing' },
    { season: 2, label: 'Spring', state: 'open' },
  ]);
  const { items } = (await admin.get('/v1/admin/audit')).is(200, AuditTrail);
  t.match(
    items.find(({ action }) => action === 'end-season'),
    { target: 'by-hand', reason, details: { season: 1, endsAt: ended.endsAt } },
  );
});

t.test('a season is extended, shortened, left open and named', async (t) => {
  await put('changed');
  const change = (season: number, body: object) =>
    admin.patch(`${seasonsOf('changed')}/${season}`, { ...body, reason });
  (await admin.post(seasonsOf('changed'), { endsAt: inHours(1), reason })).is(202, SeasonSpan);
  t.match((await change(1, { endsAt: inHours(3), label: 'Long' })).is(200, SeasonSpan), {
    season: 1,
    label: 'Long',
    endsAt: inHours(3),
  });
  t.same(await bounds('changed'), [1, inHours(3), inHours(3), null]);
  t.match((await change(2, { endsAt: inHours(5), label: 'Next' })).is(200, SeasonSpan), {
    season: 2,
    label: 'Next',
    startsAt: inHours(3),
    endsAt: inHours(5),
  });
  t.same(await bounds('changed'), [1, inHours(3), inHours(3), inHours(5)]);
  (await change(3, { label: 'None' })).fails('season-not-found');
  (await change(1, { endsAt: null })).is(200, SeasonSpan);
  t.same(await bounds('changed'), [1, null, null, null]);
  (await change(2, { label: 'None' })).fails('season-not-found');
  (await admin.patch(`${seasonsOf('nowhere')}/1`, { label: 'x', reason })).fails('not-found');
  (await admin.post(seasonsOf('nowhere'), { reason })).fails('not-found');
});

t.test('a season is not left open while the next one is to have other rules', async (t) => {
  await put('pending');
  await begun('pending', 1);
  const { id } = await newPlayer(service.api);
  const feeds = { points: { min: 1, max: 9 }, leaderboards: ['pending'], issuer: 'server', minDurationMs: 0 };
  (await admin.put('/v1/admin/actions/wait', { title: 'Wait', ...feeds })).is(200, Action);
  (await server.post('/v1/scores', { actionToken: mint(id, { act: 'wait', pts: [1, 1] }) })).is(200, Receipt);
  const change = (endsAt: string | null) => admin.patch(`${seasonsOf('pending')}/1`, { endsAt, reason });
  (await admin.post(seasonsOf('pending'), { endsAt: inHours(1), reason })).is(202, SeasonSpan);
  for (const rules of [
    { sort: 'asc' },
    { operator: 'best' },
    { lateTokens: 'refuse' },
    { lateTokens: 'issued', graceMs: 1_000 },
  ]) {
    await put('pending', rules);
    (await change(null)).fails('leaderboard-in-use');
    t.same(await bounds('pending'), [1, inHours(1), inHours(1), null], 'and it ends as before');
    (await change(inHours(2))).is(200, SeasonSpan);
    (await change(inHours(1))).is(200, SeasonSpan);
  }
  await put('pending');
  (await change(null)).is(200, SeasonSpan);
  t.same(await bounds('pending'), [1, null, null, null]);
});

t.test('an end is neither in the past nor too soon, and one that is there stays', async () => {
  await put('strict');
  const soon = new Date(Date.now() + 2_000).toISOString();
  (await admin.post(seasonsOf('strict'), { endsAt: soon, reason })).fails('validation-failed');
  (await admin.post(seasonsOf('strict'), { endsAt: inHours(-1), reason })).fails('validation-failed');
  await begun('strict', 0);
  (
    await admin.post(seasonsOf('strict'), { endsAt: new Date(Date.now() + 30_000).toISOString(), reason })
  ).fails('validation-failed');
  const { endsAt, startsAt } = (await admin.post(seasonsOf('strict'), { reason })).is(202, SeasonSpan);
  t.equal(Date.parse(endsAt ?? '') - Date.parse(startsAt ?? ''), 60_000, 'a season lasts a minute at least');
  await begun('strict', 1);
  await pool.query(
    "UPDATE leaderboards SET season_ends_at = now() + interval '3 s', next_starts_at = now() + interval '3 s' WHERE id = 'strict'",
  );
  (await admin.patch(`${seasonsOf('strict')}/1`, { endsAt: inHours(1), reason })).fails('season-ended');
  (await admin.post(seasonsOf('strict'), { reason })).fails('season-ended');
  (await admin.patch(`${seasonsOf('strict')}/1`, { label: 'Named', reason })).is(200, SeasonSpan);
});

t.test('the schedule says what comes behind an end by hand', async (t) => {
  await put('scheduled', { schedule: { every: 'hour', interval: 3, from: inHours(2) } });
  const [, endsAt = null, , nextEndsAt = null] = await bounds('scheduled');
  (await admin.post(seasonsOf('scheduled'), { endsAt: inHours(1), reason })).is(202, SeasonSpan);
  t.same(await bounds('scheduled'), [1, inHours(1), inHours(1), endsAt], 'the next one has what is left');
  (await admin.patch(`${seasonsOf('scheduled')}/1`, { endsAt: inHours(3.5), reason })).is(200, SeasonSpan);
  t.same(await bounds('scheduled'), [1, inHours(3.5), inHours(3.5), nextEndsAt]);
  (await admin.patch(`${seasonsOf('scheduled')}/1`, { endsAt: null, reason })).fails('validation-failed');

  const seasons = [
    [-1, 1],
    [2, 4],
    [4, 6],
  ].map(([start = 0, end = 0]) => ({ startsAt: inHours(start), endsAt: inHours(end) }));
  await put('exact', { schedule: { seasons } });
  t.same(await bounds('exact'), [1, inHours(1), inHours(2), inHours(4)]);
  const end = async (hours: number) =>
    (await admin.patch(`${seasonsOf('exact')}/1`, { endsAt: inHours(hours), reason })).is(200, SeasonSpan);
  await end(0.5);
  t.same(await bounds('exact'), [1, inHours(0.5), inHours(2), inHours(4)], 'what is left of it is no season');
  await end(3);
  t.same(await bounds('exact'), [1, inHours(3), inHours(3), inHours(4)], 'the next one begins later');
  await end(4);
  t.same(await bounds('exact'), [1, inHours(4), inHours(4), inHours(6)]);
  await end(7);
  t.same(await bounds('exact'), [1, inHours(7), null, null], 'none is left');
  (await admin.post(seasonsOf('exact'), { endsAt: inHours(8), label: 'x', reason })).fails(
    'validation-failed',
  );
});

t.test('a board whose schedule cannot be computed any more is mended by another one', async (t) => {
  const boards = ['lost', 'lost-late', 'found'];
  for (const id of boards) await put(id);
  await admin.put('/v1/admin/actions/play-on', {
    title: 'Play',
    points: { min: 1, max: 9 },
    leaderboards: boards,
    issuer: 'server',
    minDurationMs: 0,
  });
  await pool.query(
    `UPDATE leaderboards SET schedule = '{"every": "day", "timeZone": "Mars/Phobos"}', season_ends_at = now() - interval '2 s',
       next_starts_at = now() - interval '2 s', next_ends_at = CASE id WHEN 'lost' THEN $1 ELSE now() - interval '1 s' END
     WHERE id = ANY ('{lost,lost-late}')`,
    [inHours(1)],
  );
  const { id } = await newPlayer(service.api);
  const score = async () => {
    const actionToken = mint(id, { act: 'play-on', pts: [1, 1] });
    return (await server.post('/v1/scores', { actionToken })).is(200, Receipt).leaderboards;
  };
  t.match(
    await score(),
    [
      { id: 'found', season: 1 },
      { id: 'lost', season: 2, seasonEndsAt: inHours(1) },
      { id: 'lost-late', skipped: 'closed' },
    ],
    'other boards of the action go on',
  );
  await eventually(async () => {
    const named = lines.of('Season not planned').map(({ data }) => data?.['leaderboard']);
    assert.deepEqual(named.sort(), ['lost', 'lost-late']);
  });
  t.same(await bounds('lost'), [2, inHours(1), null, null]);

  const schedule = { every: 'hour', from: inHours(2) };
  const preview = (await put('lost', { schedule })).preview;
  t.match(preview[0], { season: 3, startsAt: inHours(1) }, 'what follows is by the new schedule');
  t.match((await put('lost', { schedule: null })).preview, [
    { season: 3, startsAt: inHours(1), endsAt: null },
  ]);
  await put('lost-late');
  t.match(await score(), [
    { id: 'found' },
    { id: 'lost', season: 2 },
    { id: 'lost-late', season: 3, score: 1 },
  ]);
  // As if PostgreSQL knew the zone again.
  await pool.query(
    "UPDATE leaderboards SET schedule = '{\"every\": \"day\"}', next_starts_at = 'infinity', next_ends_at = 'infinity' WHERE id = 'lost'",
  );
  t.match((await put('lost', { schedule: { every: 'day' } })).preview[0], {
    season: 3,
    startsAt: inHours(1),
  });
});
