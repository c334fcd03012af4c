import assert from 'node:assert/strict';
import t from 'tap';
import { Action, Actions } from '../../../schemas/action.js';
import { Entries, Leaderboard, Leaderboards } from '../../../schemas/leaderboard.js';
import { AdminEvent, AuditTrail } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { type Api, eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const other = await startApi(t, { DATABASE_URL: service.config.DATABASE_URL });
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const urls = [service.url, other.url];

const RULES = { title: 'A board', sort: 'desc', operator: 'increment' };
const why = { reason: 'The finals are over.' };
const putBoard = async (id: string, more: object = {}) =>
  (await admin.put(`/v1/admin/leaderboards/${id}`, { ...RULES, ...more })).is(200, Leaderboard);
const putAction = async (id: string, leaderboards: string[], more: object = {}) =>
  (
    await admin.put(`/v1/admin/actions/${id}`, {
      title: id,
      points: { min: 0, max: 100 },
      leaderboards,
      issuer: 'server',
      minDurationMs: 0,
      ...more,
    })
  ).is(200, Action);
const freeze = (id: string, body: object = why) => admin.post(`/v1/admin/leaderboards/${id}/freeze`, body);
const unfreeze = (id: string) => admin.post(`/v1/admin/leaderboards/${id}/unfreeze`, why);
const token = (userId: string, act: string, points: number) =>
  mint(userId, { act, pts: [points, points], jti: typeId('tok') });
const post = (actionToken: string, at = service.url) => server.at(at).post('/v1/scores', { actionToken });
const auditOf = async (target: string) =>
  (await admin.get('/v1/admin/audit?limit=100'))
    .is(200, AuditTrail)
    .items.filter((entry) => entry.target === target)
    .map(({ action, reason }) => [action, reason]);
const titles = ({ items }: { items: readonly { id: string }[] }) => items.map(({ id }) => id);

/** All pages of the list. */
async function listed(at: Api, limit?: number): Promise<string[][]> {
  const pages: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = [limit && `limit=${limit}`, cursor && `cursor=${cursor}`].filter(Boolean).join('&');
    const page = (await at.get(`/v1/leaderboards?${query}`)).is(200, Leaderboards);
    pages.push(titles(page));
    cursor = page.nextCursor;
  }
  return pages;
}

t.test('a frozen board takes nothing on any instance, and its receipt says so', async (t) => {
  for (const id of ['cup', 'league']) await putBoard(id);
  await putAction('goal', ['cup', 'league']);
  const { id } = await newPlayer(api);
  (await post(token(id, 'goal', 5))).is(200, Receipt);
  const frozen = (await freeze('cup')).is(200, Leaderboard);
  t.match(frozen, { id: 'cup', frozenAt: /Z$/, entries: 1 });
  for (const url of urls) {
    const { leaderboards } = (await post(token(id, 'goal', 7), url)).is(200, Receipt);
    t.match(leaderboards, [
      { id: 'cup', skipped: 'frozen' },
      { id: 'league', season: 1 },
    ]);
  }
  t.match((await api.get('/v1/leaderboards/cup/entries')).is(200, Entries).items, [{ score: 5 }]);
  t.match((await api.get('/v1/leaderboards/league/entries')).is(200, Entries).items, [{ score: 19 }]);

  (await freeze('league')).is(200, Leaderboard);
  const last = token(id, 'goal', 1);
  for (const url of urls) (await post(last, url)).fails('board-frozen');
  const open = (await unfreeze('cup')).is(200, Leaderboard);
  t.notOk('frozenAt' in open);
  t.match((await post(last)).is(200, Receipt).leaderboards, [
    { id: 'cup', score: 6, rank: 1 },
    { id: 'league', skipped: 'frozen' },
  ]);
  (await post(last)).fails('action-token-replayed');
});

t.test('freezing and unfreezing again change nothing, and each change is audited once', async (t) => {
  await putBoard('once');
  const { now: _, ...first } = (await freeze('once')).is(200, Leaderboard);
  t.hasStrict((await freeze('once', { reason: 'Again.' })).is(200, Leaderboard), first);
  t.same((await putBoard('once', { title: 'Other' })).frozenAt, first.frozenAt, 'a PUT does not unfreeze');
  await unfreeze('once');
  (await unfreeze('once')).is(200, Leaderboard);
  t.same(await auditOf('once'), [
    ['unfreeze-leaderboard', why.reason],
    ['put-leaderboard', null],
    ['freeze-leaderboard', why.reason],
    ['put-leaderboard', null],
  ]);
});

t.test('administrators correct a frozen board', async (t) => {
  await putBoard('judged');
  await putAction('jump', ['judged']);
  const { id } = await newPlayer(api);
  const [first] = [(await post(token(id, 'jump', 5))).is(200, Receipt), await post(token(id, 'jump', 7))];
  (await freeze('judged')).is(200, Leaderboard);
  (await admin.post(`/v1/admin/events/${first.eventId}/void`, why)).is(200, AdminEvent);
  t.match((await api.get('/v1/leaderboards/judged/entries')).is(200, Entries).items, [{ score: 7 }]);
});

t.test('a hidden leaderboard is not listed, and can be read by its id', async (t) => {
  t.hasStrict(await putBoard('secret', { hidden: true }), { id: 'secret', ...RULES, hidden: true });
  t.match((await api.get('/v1/leaderboards/secret')).is(200, Leaderboard), { hidden: true });
  t.notOk((await listed(api)).flat().includes('secret'));
  t.notOk('hidden' in (await putBoard('secret', { hidden: false })));
  t.ok((await listed(api)).flat().includes('secret'));
});

t.test('leaderboards are listed in pages, by id', async (t) => {
  await app.pg.pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator)
    SELECT 'level-' || lpad(n::text, 3, '0'), 'Level', 'desc', 'best' FROM generate_series(1, 250) n`);
  await putAction('pass', ['level-007']);
  const { id } = await newPlayer(api);
  (await post(token(id, 'pass', 5))).is(200, Receipt);
  const { rows } = await app.pg.pool.query<{ id: string }>(
    'SELECT id FROM leaderboards WHERE removed_at IS NULL AND NOT hidden ORDER BY id COLLATE "C"',
  );
  const all = rows.map((row) => row.id);
  t.ok(all.length > 250);
  for (const url of urls) {
    const pages = await listed(api.at(url));
    t.same(
      pages.map(({ length }) => length),
      [100, 100, all.length - 200],
      '100 a page if nothing is said',
    );
    t.same(pages.flat(), all);
  }
  t.same((await listed(api, 7)).flat(), all);
  const { items } = (await api.get('/v1/leaderboards?limit=100')).is(200, Leaderboards);
  t.same(
    items.filter(({ entries }) => entries > 0).map((board) => [board.id, board.entries]),
    await counted(items.map((board) => board.id)),
  );
  for (const query of ['limit=0', 'limit=101', 'limit=x', 'cursor=x'])
    (await api.get(`/v1/leaderboards?${query}`)).fails('validation-failed');
  const { nextCursor } = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
  (await api.get(`/v1/leaderboards?cursor=${nextCursor}`)).fails('validation-failed');
});

async function counted(ids: readonly string[]): Promise<unknown[]> {
  const { rows } = await app.pg.pool.query<{ id: string; entries: number }>(
    `SELECT leaderboard_id AS id, count(*) AS entries FROM scores WHERE leaderboard_id = ANY ($1) AND score IS NOT NULL
     GROUP BY 1 ORDER BY 1`,
    [ids],
  );
  return rows.map(({ id, entries }) => [id, entries]);
}

t.test('a leaderboard is deleted on all instances, and can be made again', async (t) => {
  await putBoard('finals');
  await putAction('win', ['finals']);
  const { id } = await newPlayer(api);
  (await post(token(id, 'win', 5))).is(200, Receipt);
  for (const url of urls) (await api.at(url).get('/v1/leaderboards/finals')).is(200, Leaderboard);
  const remove = (query = '') => admin.delete(`/v1/admin/leaderboards/finals${query}`);
  (await remove()).fails('leaderboard-in-use');
  await putAction('win', ['global']);
  (await remove()).fails('leaderboard-in-use');
  (await freeze('finals')).is(200, Leaderboard);
  (await remove('?reason=')).fails('validation-failed');
  const streams = await Promise.all(urls.map((url) => fetch(`${url}/v1/leaderboards/finals/stream`)));
  (await remove('?reason=Cleaned+up.')).isEmpty(204);
  for (const stream of streams) t.match(await stream.text(), /event: snapshot/, 'its streams end');
  for (const url of urls) {
    const there = api.at(url);
    await eventually(async () => (await there.get('/v1/leaderboards/finals')).fails('not-found'));
    for (const path of [
      '/entries',
      `/entries/${id}`,
      `/entries/${id}/around`,
      `/entries/batch?userIds=${id}`,
    ])
      (await there.get(`/v1/leaderboards/finals${path}`)).fails('not-found');
    assert(!(await listed(there)).flat().includes('finals'));
  }
  (await remove()).fails('not-found');
  (await freeze('finals')).fails('not-found');
  const [audited] = await auditOf('finals');
  t.same(audited, ['delete-leaderboard', 'Cleaned up.']);
  const invalid = await admin.put('/v1/admin/actions/win', {
    title: 'Win',
    points: { min: 0, max: 100 },
    leaderboards: ['finals'],
    issuer: 'server',
    minDurationMs: 0,
  });
  t.match(invalid.fails('validation-failed').errors, [{ path: '/leaderboards' }]);

  t.match(await putBoard('finals'), { season: 2, entries: 0 });
  await putAction('win', ['finals']);
  for (const url of urls) {
    await eventually(async () => {
      const { season, items } = (await api.at(url).get('/v1/leaderboards/finals/entries')).is(200, Entries);
      assert.deepEqual([season, items], [2, []]);
    });
  }
  t.match((await post(token(id, 'win', 3))).is(200, Receipt).leaderboards, [
    { id: 'finals', season: 2, score: 3, previousScore: null, rank: 1, previousRank: null },
  ]);
  t.equal((await putBoard('finals')).entries, 1);
  await eventually(async () => {
    const { rows } = await app.pg.pool.query("SELECT season FROM scores WHERE leaderboard_id = 'finals'");
    assert.deepEqual(rows, [{ season: 2 }], 'the scores of the deleted one leave soon');
  });
});

t.test('an action is deleted on all instances, and its tokens are refused', async (t) => {
  await putBoard('gate', { maxPointsPerMinute: 10 });
  await putAction('run', ['gate']);
  const { id } = await newPlayer(api);
  const held = (await post(token(id, 'run', 50))).is(200, Receipt);
  t.equal(held.status, 'held');
  const remove = () => admin.delete('/v1/admin/actions/run?reason=Unfair.');
  (await remove()).fails('action-in-use');
  (await admin.post(`/v1/admin/events/${held.eventId}/void`, why)).is(200, AdminEvent);
  // The other instance knows the action, and may learn of its deletion later than the next token arrives.
  (await other.api.get('/v1/actions')).is(200, Actions);
  (await remove()).isEmpty(204);
  const late = token(id, 'run', 5);
  for (const url of [other.url, service.url]) (await post(late, url)).fails('action-token-invalid');
  for (const url of urls) {
    await eventually(async () => {
      const { items } = (await api.at(url).get('/v1/actions')).is(200, Actions);
      assert(!titles({ items }).includes('run'));
    });
  }
  (await server.post('/v1/action-tokens', { action: 'run', userId: id })).fails('not-found');
  (await remove()).fails('not-found');
  t.same((await auditOf('run'))[0], ['delete-action', 'Unfair.']);
  await putAction('run', ['gate']);
  (await post(late)).is(200, Receipt);
});

t.test(
  'nobody but an administrator does any of it, and not without a reason where one is needed',
  async () => {
    const player = await newPlayer(api);
    for (const [as, code] of [
      [player.api, 'forbidden'],
      [server, 'forbidden'],
      [api, 'unauthenticated'],
    ] as const) {
      for (const act of ['freeze', 'unfreeze'])
        (await as.post(`/v1/admin/leaderboards/global/${act}`, why)).fails(code);
      for (const path of ['leaderboards/global', 'actions/collect-coin'])
        (await as.delete(`/v1/admin/${path}`)).fails(code);
    }
    for (const body of [{}, { reason: '' }, { ...why, more: 1 }])
      (await freeze('global', body)).fails('validation-failed');
    (await freeze('no-such-board')).fails('not-found');
    (await unfreeze('no-such-board')).fails('not-found');
    (await admin.delete('/v1/admin/leaderboards/no-such-board')).fails('not-found');
    (await admin.delete('/v1/admin/leaderboards/No')).fails('validation-failed');
  },
);
