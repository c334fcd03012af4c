import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { PlayerExport } from '../../schemas/export.js';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { AuditTrail, ModeratedUser } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { User } from '../../schemas/user.js';
import { Exports } from '../../src/exports/exports.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { bring, csvOf } from '../imports/files.js';
import { mint } from '../mint.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const { pool } = app.pg;

async function newBoard(id: string): Promise<string> {
  const rules = { title: id, sort: 'desc', operator: 'increment' };
  (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, Leaderboard);
  return id;
}
const linesOf = (body: unknown): string[] => `${body}`.trimEnd().split('\n');
const objectsOf = (body: unknown): Record<string, unknown>[] =>
  linesOf(body).map((line): Record<string, unknown> => Object(JSON.parse(line)));

t.test('a board is exported in its order, and can be imported elsewhere', async (t) => {
  const board = await newBoard('out');
  const file = csvOf([
    { externalId: 'out-1', displayName: 'Zoë, "the first"', score: 900, achievedAt: '2020-06-11T19:09:00Z' },
    { externalId: '=1+2', displayName: '=HYPERLINK(1)', score: -5, achievedAt: '2021-06-11T19:09:00Z' },
    { externalId: 'out-3', displayName: '+Ada', score: -5, achievedAt: '2020-06-11T19:09:00Z' },
    // A file has one apostrophe more than the id, as our own exports have.
    { externalId: "''-4", displayName: "'Bea", score: -6, achievedAt: '2020-06-11T19:09:00Z' },
  ]);
  await bring(admin, `board=${board}`, file);
  const csv = await admin.get(`/v1/admin/exports?board=${board}`);
  t.match(csv.headers.get('content-type'), 'text/csv; charset=utf-8');
  t.match(csv.headers.get('x-export-at'), /^\d{4}-.*Z$/);
  const [head, ...rows] = linesOf(csv.body);
  t.equal(head, 'rank,sharedRank,userId,externalId,displayName,score,achievedAt');
  t.match(rows, [
    /^1,1,usr_\w+,out-1,"Zoë, ""the first""",900,2020-06-11T19:09:00.000Z$/,
    /^2,2,usr_\w+,out-3,'\+Ada,-5,2020-06-11T19:09:00.000Z$/,
    /^3,2,usr_\w+,'=1\+2,'=HYPERLINK\(1\),-5,2021-06-11T19:09:00.000Z$/,
    /^4,4,usr_\w+,''-4,'Bea,-6,2020-06-11T19:09:00.000Z$/,
  ]);
  const ndjson = await admin.get(`/v1/admin/exports?board=${board}&format=ndjson`);
  t.match(objectsOf(ndjson.body), [
    {
      rank: 1,
      sharedRank: 1,
      externalId: 'out-1',
      displayName: 'Zoë, "the first"',
      score: 900,
      achievedAt: '2020-06-11T19:09:00.000Z',
    },
    { rank: 2, sharedRank: 2, externalId: 'out-3', displayName: '+Ada' },
    { rank: 3, sharedRank: 2, externalId: '=1+2', displayName: '=HYPERLINK(1)' },
    { rank: 4, sharedRank: 4, externalId: "'-4", displayName: "'Bea" },
  ]);
  const copy = await newBoard('copy');
  t.match(await bring(admin, `board=${copy}`, `${csv.body}`), { counted: 4, faulty: 0, newUsers: 0 });
  const entriesOf = async (of: string) =>
    (await api.get(`/v1/leaderboards/${of}/entries`)).is(200, Entries).items;
  t.strictSame(await entriesOf(copy), await entriesOf(board), 'of the same players');
  const { items } = (await admin.get('/v1/admin/audit?limit=100')).is(200, AuditTrail);
  t.equal(items.filter(({ action, target }) => action === 'export-entries' && target === board).length, 2);
});

t.test('what cannot be exported is refused', async () => {
  const board = await newBoard('refusing');
  (await admin.get('/v1/admin/exports?board=unknown')).fails('not-found');
  (await admin.get(`/v1/admin/exports?board=${board}&season=2`)).fails('season-not-found');
  (await admin.get(`/v1/admin/exports?board=${board}&after=1`)).fails('validation-failed');
  (await admin.get(`/v1/admin/exports?board=${board}&format=xls`)).fails('validation-failed');
  (await server.get(`/v1/admin/exports?board=${board}`)).fails('forbidden');
  (await admin.get('/v1/admin/users/usr_01kcx7f0w3e5tt9m6d7kq2x1zb/export')).fails('not-found');
});

t.test('events of a time are exported, and continued behind one of them', async (t) => {
  const board = await newBoard('events-out');
  const from = new Date(Date.now() - 3_600_000).toISOString();
  await bring(admin, `board=${board}`, csvOf([3, 2, 1].map((n) => ({ externalId: `ev-${n}`, score: n }))));
  const to = new Date(Date.now() + 3_600_000).toISOString();
  const query = `from=${from}&to=${to}&board=${board}&format=ndjson`;
  const all = objectsOf((await admin.get(`/v1/admin/exports/events?${query}`)).body);
  t.match(
    all,
    [3, 2, 1].map((points) => ({
      action: 'import',
      points,
      externalId: `ev-${points}`,
      status: 'counted',
      boards: { [board]: 1 },
    })),
  );
  const rest = objectsOf(
    (await admin.get(`/v1/admin/exports/events?${query}&after=${all[0]?.['eventId']}`)).body,
  );
  t.strictSame(rest, all.slice(1));
  const csv = linesOf(
    (await admin.get(`/v1/admin/exports/events?from=${from}&to=${to}&board=${board}`)).body,
  );
  t.equal(csv.length, 4);
  t.match(csv[1], /^evt_\w+,usr_\w+,ev-3,import,3,.*,counted,"\{""events-out"": 1\}",$/);
});

t.test('a player gets everything that is kept about it, and nobody else', async (t) => {
  const { id, api: player } = await newPlayer(api, 'Ada');
  await admin.put('/v1/admin/actions/kept', {
    title: 'Kept',
    points: { min: 0, max: 10 },
    leaderboards: ['global'],
    issuer: 'player',
    minDurationMs: 0,
  });
  const receipt = (
    await player.post('/v1/scores', {
      actionToken: mint(id, { act: 'kept', pts: [7, 7] }),
      metadata: { level: 3 },
    })
  ).is(200, Receipt);
  const own = (await player.get('/v1/users/me/export')).is(200, PlayerExport);
  t.match(own, {
    user: { id, displayName: 'Ada', username: null, externalId: null, bannedAt: null },
    sessions: [{ revokedAt: null }],
    entries: [{ leaderboard: 'global', season: 1, score: 7 }],
    archived: [],
    events: [
      {
        eventId: receipt.eventId,
        points: 7,
        metadata: { level: 3 },
        boards: { global: 1 },
        status: 'counted',
      },
    ],
  });
  t.notOk('acts' in own);
  t.notMatch(JSON.stringify(own), /hash|secret/i);
  (await admin.post(`/v1/admin/users/${id}/ban`, { reason: 'Cheated.' })).is(200, ModeratedUser);
  const all = (await admin.get(`/v1/admin/users/${id}/export`)).is(200, PlayerExport);
  t.match(all, {
    acts: [{ action: 'ban-user', reason: 'Cheated.' }],
    entries: [{ score: 7 }],
  });
  t.match((await admin.get(`/v1/admin/audit?target=${id}`)).body, {
    items: [{ action: 'export-user' }, { action: 'ban-user' }],
  });
  t.ok(all.user.bannedAt);
  (await server.get('/v1/users/me/export')).fails('forbidden');
  (await api.get('/v1/users/me/export')).fails('unauthenticated');
});

t.test('an export while scores are written is of one moment', async (t) => {
  const board = await newBoard('moment');
  const lines = Array.from({ length: 12_000 }, (_, n) => ({ externalId: `moment-${n}`, score: 10 }));
  await bring(admin, `board=${board}`, csvOf(lines));
  await admin.put('/v1/admin/actions/move', {
    title: 'Move',
    points: { min: 1, max: 1 },
    leaderboards: [board],
    issuer: 'server',
    minDurationMs: 0,
  });
  const id = (await server.post('/v1/users', { displayName: 'Last', externalId: 'moment-11999' })).is(
    200,
    User,
  ).id;
  const { at, stream } = await app.exports.entries({ board, format: 'ndjson', after: 0 }, 'operator');
  // The first page is read, and the others are not: a player goes from the last place to the first.
  (await server.post('/v1/scores', { actionToken: mint(id, { act: 'move', pts: [1, 1] }) })).is(200, Receipt);
  const exported = objectsOf(await text(stream));
  t.equal(exported.length, 12_000);
  t.equal(new Set(exported.map(({ userId }) => userId)).size, 12_000);
  t.ok(exported.every(({ rank, score }, n) => rank === n + 1 && score === 10));
  const past = (await api.get(`/v1/leaderboards/${board}/entries?asOf=${at}&limit=3`)).is(200, Entries);
  t.equal(past.total, 12_000);
  t.strictSame(
    exported.slice(0, 3).map(({ userId }) => userId),
    past.items.map(({ userId }) => userId),
  );
});

t.test('a client that does not read is cut off, and its snapshot ends', async (t) => {
  const board = 'moment';
  const exports = new Exports(pool, 50);
  const { stream } = await exports.entries({ board, format: 'ndjson', after: 0 }, 'operator');
  await assert.rejects(once(stream, 'end'), /does not read/);
  const open = async () =>
    assert.equal(
      (
        await pool.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
        )
      ).rowCount,
      0,
    );
  await eventually(open);
  const patient = new Exports(pool);
  const first = await patient.entries({ board, format: 'csv', after: 0 }, 'operator');
  const second = await patient.entries({ board, format: 'csv', after: 0 }, 'operator');
  await assert.rejects(patient.entries({ board, format: 'csv', after: 0 }, 'operator'), {
    code: 'rate-limited',
  });
  for (const { stream } of [first, second]) stream.destroy();
  await eventually(open);
  const again = await patient.entries({ board, format: 'csv', after: 0 }, 'operator');
  t.equal(linesOf(await text(again.stream)).length, 12_001);
});

t.test('a client that goes away ends its export', async () => {
  const token = app.accessTokens.issue({
    sub: (await app.serviceAccounts.create('leaves', 'admin')).id,
    role: 'admin',
  }).token;
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  socket.write(
    `GET /v1/admin/exports?board=moment HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  await once(socket, 'data');
  socket.destroy();
  await eventually(async () =>
    assert.equal(
      (
        await pool.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
        )
      ).rowCount,
      0,
    ),
  );
});
