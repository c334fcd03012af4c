import t from 'tap';
import { Temporal } from 'temporal-polyfill';
import { Action } from '../../../schemas/action.js';
import { Leaderboard, PlannedLeaderboard, type PlannedSeason } from '../../../schemas/leaderboard.js';
import { AuditTrail } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const RULES = { title: 'Cup', sort: 'desc', operator: 'increment' };
const WEEK = { every: 'week', weekday: 1, timeZone: 'Europe/Berlin' };
const HOUR_MS = 3_600_000;

const send = (id: string, body: object, query = '', headers = {}) =>
  admin.send('PUT', `/v1/admin/leaderboards/${id}${query}`, { json: { ...RULES, ...body }, headers });
const put = async (id: string, body: object) => (await send(id, body)).is(200, PlannedLeaderboard);
const read = async (id: string) => (await api.get(`/v1/leaderboards/${id}`)).is(200, Leaderboard);
const rulesOf = async (id: string) =>
  (
    await app.pg.pool.query<{ rules: object }>(
      'SELECT rules FROM seasons WHERE leaderboard_id = $1 ORDER BY season',
      [id],
    )
  ).rows.map(({ rules }) => rules);

/** Mondays at midnight in Berlin, from the one after today on. */
const MONDAYS = Array.from({ length: 7 }, (_, week) => {
  const today = Temporal.Now.plainDateISO('Europe/Berlin');
  const monday = today.add({ days: 8 - today.dayOfWeek, weeks: week });
  return new Date(monday.toZonedDateTime('Europe/Berlin').epochMilliseconds).toISOString();
});
const times = (seasons: readonly PlannedSeason[]) =>
  seasons.map(({ startsAt, endsAt }) => [startsAt, endsAt]);
const inHours = (hours: number) =>
  new Date(Math.ceil(Date.now() / 1000) * 1000 + hours * HOUR_MS).toISOString();

async function scoreOn(id: string): Promise<void> {
  const action = {
    title: 'Play',
    points: { min: 1, max: 9 },
    leaderboards: [id],
    issuer: 'server',
    minDurationMs: 0,
  };
  (await admin.put(`/v1/admin/actions/play-${id}`, action)).is(200, Action);
  const player = await newPlayer(api);
  const actionToken = mint(player.id, { act: `play-${id}`, pts: [5, 5] });
  (await server.post('/v1/scores', { actionToken })).is(200, Receipt);
}

t.test(
  'a leaderboard that is made with a schedule begins with it, and shows five more seasons',
  async (t) => {
    const made = await put('weekly', {
      schedule: WEEK,
      lateTokens: 'issued',
      graceMs: 60_000,
      keepSeasons: 8,
    });
    t.hasStrict(made, {
      season: 1,
      seasonEndsAt: MONDAYS[0],
      schedule: WEEK,
      lateTokens: 'issued',
      graceMs: 60_000,
      keepSeasons: 8,
    });
    t.same(
      made.preview,
      [0, 1, 2, 3, 4].map((n) => ({
        season: 2 + n,
        startsAt: MONDAYS[n],
        endsAt: MONDAYS[n + 1],
        label: null,
        sort: 'desc',
        operator: 'increment',
        lateTokens: 'issued',
        graceMs: 60_000,
      })),
    );
    const { now: _, preview: __, ...definition } = made;
    t.hasStrict(await read('weekly'), definition);
    const trail = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
    t.match(trail.items, [{ action: 'put-leaderboard', target: 'weekly', details: { schedule: WEEK } }]);
  },
);

t.test('another schedule takes effect with the next season', async (t) => {
  await put('changed', { schedule: WEEK });
  const daily = await put('changed', { schedule: { every: 'day', timeZone: 'Europe/Berlin' } });
  t.equal(daily.seasonEndsAt, MONDAYS[0]);
  t.equal(daily.preview[0]?.startsAt, MONDAYS[0]);
  const [, second] = daily.preview;
  t.match(second?.startsAt, new RegExp(`^${MONDAYS[0]?.slice(0, 8)}|-01T`));
  t.equal(Date.parse(second?.endsAt ?? '') - Date.parse(second?.startsAt ?? ''), 24 * HOUR_MS);
  t.hasStrict(await put('changed', { schedule: null }), {
    seasonEndsAt: MONDAYS[0],
    preview: [{ season: 2, startsAt: MONDAYS[0], endsAt: null }],
  });
  t.notOk('schedule' in (await read('changed')));
  t.same(times((await put('changed', { schedule: WEEK })).preview)[0], MONDAYS.slice(0, 2));
});

t.test('the first schedule of a leaderboard ends the season in force at its first boundary', async (t) => {
  await put('late', {});
  t.same(times((await put('late', { schedule: WEEK })).preview)[0], MONDAYS.slice(0, 2));
  const seasons = [
    { startsAt: inHours(-1), endsAt: inHours(1), label: 'Semi-finals' },
    { startsAt: inHours(2), endsAt: inHours(3), label: 'Final' },
  ];
  await put('league', {});
  const league = await put('league', { schedule: { seasons } });
  t.equal(league.seasonEndsAt, seasons[0]?.endsAt, 'that of the one which is under way');
  t.match(league.preview, [{ season: 2, ...seasons[1] }]);
  await put('cup', {});
  const cup = await put('cup', { schedule: { seasons: seasons.slice(1) } });
  t.equal(cup.seasonEndsAt, seasons[1]?.startsAt, 'or when the first begins');
  t.match(cup.preview, [{ season: 2, ...seasons[1] }]);
});

t.test('a leaderboard can be made before its first season', async (t) => {
  const final = { startsAt: inHours(2), endsAt: inHours(3), label: 'Final' };
  const made = await put('closed', { schedule: { seasons: [final] } });
  t.hasStrict(made, { season: 1, seasonEndsAt: final.endsAt, preview: [{ season: 1, ...final }] });
  t.equal(made.preview.length, 1);
  // Of no season is left what is over.
  (
    await send('closed', {
      schedule: { seasons: [{ ...final, startsAt: inHours(-3), endsAt: inHours(-1) }] },
    })
  ).fails('schedule-invalid');
});

t.test('a season of an hour each Sunday', async (t) => {
  const sunday = { every: 'week', weekday: 7, at: '12:00', timeZone: 'Europe/Berlin', activeMs: HOUR_MS };
  const { preview } = await put('sundays', { schedule: sunday });
  t.equal(preview.length, 5);
  for (const { startsAt, endsAt } of preview) {
    const local = Temporal.Instant.from(startsAt).toZonedDateTimeISO('Europe/Berlin');
    t.same([local.dayOfWeek, local.hour, local.minute], [7, 12, 0]);
    t.equal(Date.parse(endsAt ?? '') - Date.parse(startsAt), HOUR_MS);
  }
});

t.test('scores are sorted and counted otherwise with the next season, if there are some', async (t) => {
  await put('golf', {});
  await put('golf', { sort: 'asc' });
  await scoreOn('golf');
  (await send('golf', { sort: 'desc' })).fails('leaderboard-in-use');
  const planned = await put('golf', { sort: 'desc', operator: 'best', schedule: WEEK });
  t.hasStrict(planned, { sort: 'asc', operator: 'increment', preview: [{ sort: 'desc', operator: 'best' }] });
  t.hasStrict(await read('golf'), { sort: 'asc', operator: 'increment' });
  t.match(await rulesOf('golf'), [
    { sort: 'asc', operator: 'increment' },
    { sort: 'desc', operator: 'best' },
  ]);
  await put('golf', { sort: 'asc', schedule: WEEK });
  t.match((await rulesOf('golf'))[1], { sort: 'asc', operator: 'increment' }, 'and back');
  const final = { startsAt: inHours(-1), endsAt: inHours(1) };
  await put('last', { schedule: { seasons: [final] } });
  await scoreOn('last');
  (await send('last', { sort: 'asc', schedule: { seasons: [final] } })).fails('leaderboard-in-use');
});

t.test('the times of a schedule are shown as all times are', async (t) => {
  const seasons = [
    { startsAt: '2099-06-14t22:00:00.123456z', endsAt: '2099-06-16T00:00:00+02:00', label: 'Cup' },
  ];
  const listed = {
    seasons: [{ startsAt: '2099-06-14T22:00:00.123Z', endsAt: '2099-06-15T22:00:00.000Z', label: 'Cup' }],
  };
  t.same((await put('listed', { schedule: { seasons } })).schedule, listed);
  t.same((await read('listed')).schedule, listed);
  const hourly = { every: 'hour', from: '2026-01-01T00:00:00.000Z' };
  t.same(
    (await put('hourly', { schedule: { ...hourly, from: '2026-01-01T01:00:00.0009+01:00' } })).schedule,
    hourly,
  );
  const trail = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
  t.match(trail.items, [{ target: 'hourly', details: { schedule: hourly } }]);
});

t.test('a dry run says what would be, and changes nothing', async (t) => {
  const tried = await send('tried', { schedule: WEEK }, '?dryRun=true');
  t.hasStrict(tried.is(200, PlannedLeaderboard), { revision: 1, entries: 0, seasonEndsAt: MONDAYS[0] });
  (await api.get('/v1/leaderboards/tried')).fails('not-found');
  await put('tried', {});
  await scoreOn('tried');
  const { now: _, ...before } = await read('tried');
  const [again] = [(await send('tried', { schedule: WEEK }, '?dryRun=true')).is(200, PlannedLeaderboard)];
  t.hasStrict(again, { revision: 2, entries: 1, seasonEndsAt: MONDAYS[0], schedule: WEEK });
  t.hasStrict(await read('tried'), before);
  t.notOk('schedule' in before);
  (await send('tried', { schedule: { every: 'day', weekday: 1 } }, '?dryRun=true')).fails('schedule-invalid');
  (await send('tried', { sort: 'asc' }, '?dryRun=true')).fails('leaderboard-in-use');
  const { rows } = await app.pg.pool.query("SELECT FROM admin_audit WHERE target = 'tried'");
  t.equal(rows.length, 1);
});

t.test('of two who change the same revision, the second is told', async (t) => {
  const as = (tag: string, id = 'shared') => send(id, {}, '', { 'if-match': tag });
  t.match((await as('*')).fails('revision-changed').detail, /there is none/);
  const made = await send('shared', {});
  t.equal(made.headers.get('etag'), '"1"');
  t.equal((await as('"1"')).is(200, PlannedLeaderboard).revision, 2);
  t.match((await as('"1"')).fails('revision-changed').detail, /it has the revision "2"/);
  t.equal((await as('"1", "2"')).is(200, PlannedLeaderboard).revision, 3);
  t.equal((await as('*')).headers.get('etag'), '"4"');
  for (const tag of ['4', 'W/"4"', '', '"04"']) (await as(tag)).fails('revision-changed');
  t.equal((await read('shared')).revision, 4);

  const seasons = '/v1/admin/leaderboards/shared/seasons';
  const reason = 'A test.';
  for (const act of [
    () => admin.post('/v1/admin/leaderboards/shared/freeze', { reason }),
    () => admin.post('/v1/admin/leaderboards/shared/unfreeze', { reason }),
    () => admin.post(seasons, { endsAt: inHours(1), reason }),
    () => admin.patch(`${seasons}/1`, { label: 'Named', reason }),
  ]) {
    const { revision } = await read('shared');
    await act();
    t.equal((await read('shared')).revision, revision + 1, 'so is whoever has not seen what else was done');
    (await as(`"${revision}"`)).fails('revision-changed');
  }
  await admin.post('/v1/admin/leaderboards/shared/unfreeze', { reason });
  t.equal((await read('shared')).revision, 8, 'what changes nothing does not count');
});

t.test('what is wrong with a schedule is said in words, and changes nothing', async (t) => {
  const { now: _, ...before } = await put('right', { schedule: WEEK });
  const wrong = (await send('right', { schedule: { ...WEEK, timeZone: '+02:00' } })).fails(
    'schedule-invalid',
  );
  t.match(wrong, {
    detail: /\/schedule\/timeZone must be a name like Europe\/Berlin/,
    errors: [{ path: '/schedule/timeZone' }],
  });
  (await send('right', { schedule: { every: 'fortnight' } })).fails('validation-failed');
  (await send('right', { schedule: WEEK, graceMs: 1 })).fails('validation-failed');
  (await send('right', { schedule: WEEK, lateTokens: 'issued', graceMs: 86_400_000 })).fails(
    'validation-failed',
  );
  const { preview: __, ...definition } = before;
  t.hasStrict(await read('right'), definition);
});

t.test('a deleted leaderboard has no seasons to come, and one of its name begins anew', async (t) => {
  await put('gone', { schedule: WEEK });
  (await admin.delete('/v1/admin/leaderboards/gone')).isEmpty(204);
  const { rows } = await app.pg.pool.query(
    "SELECT season FROM seasons WHERE leaderboard_id = 'gone' AND ends_at < 'infinity' OR season > 1 AND leaderboard_id = 'gone'",
  );
  t.same(rows, []);
  const final = { startsAt: inHours(2), endsAt: inHours(3) };
  t.hasStrict(await put('gone', { schedule: { seasons: [final] } }), {
    season: 2,
    seasonEndsAt: final.endsAt,
    preview: [{ season: 2, ...final }],
  });
});
