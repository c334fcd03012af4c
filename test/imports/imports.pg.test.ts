import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { Import, Imports } from '../../schemas/import.js';
import { Entries, Entry, Leaderboard } from '../../schemas/leaderboard.js';
import { AdminEvents, AuditTrail, ModeratedUser } from '../../schemas/moderation.js';
import { User } from '../../schemas/user.js';
import { Why } from '../../schemas/why.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { differencesAt } from '../ledger/old-months.js';
import { bring, csvOf, send } from './files.js';

const service = await startApi(t);
const { api, app, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

async function newBoard(id: string, operator = 'increment', sort = 'desc'): Promise<string> {
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort, operator })).is(200, Leaderboard);
  return id;
}
const userOf = async (externalId: string, displayName = 'Somebody'): Promise<string> => {
  const answer = await server.post('/v1/users', { displayName, externalId });
  return answer.is(answer.status, User).id;
};
const standings = async (board: string) =>
  (await api.get(`/v1/leaderboards/${board}/entries?limit=100`))
    .is(200, Entries)
    .items.map(({ displayName, score, achievedAt }) => [displayName, score, achievedAt]);
const isVerified = async () => assert.deepEqual(await differencesAt(config.DATABASE_URL), []);

t.test('rows count as they are given', async (t) => {
  const board = await newBoard('given');
  const file =
    '\ufeffexternalId,displayName,score,achievedAt,metadata\r\n' +
    'p1,"Ada ""the first"", Countess",900,2020-06-11T19:09:00Z,"{""level"": 3}"\r\n' +
    'p2,Zoë,-5,2021-01-01T00:00:00+01:00,\r\n' +
    '\r\n' +
    'p3,,700,,\r\n';
  const done = await bring(admin, `board=${board}`, file);
  t.match(done, {
    state: 'done',
    problem: null,
    rows: 3,
    done: 3,
    counted: 3,
    known: 0,
    faulty: 0,
    newUsers: 3,
    faults: [],
  });
  t.equal(done.receivedBytes, Buffer.byteLength(file));
  const p3 = await userOf('p3');
  t.strictSame(await standings(board), [
    ['Ada "the first", Countess', 900, '2020-06-11T19:09:00.000Z'],
    [`Guest ${p3.slice(-6).toUpperCase()}`, 700, done.begunAt],
    ['Zoë', -5, '2020-12-31T23:00:00.000Z'],
  ]);
  const ada = await userOf('p1');
  const { items } = (await admin.get(`/v1/admin/events?userId=${ada}`)).is(200, AdminEvents);
  t.match(items, [
    {
      action: 'import',
      points: 900,
      achievedAt: '2020-06-11T19:09:00.000Z',
      importId: done.id,
      metadata: { level: 3 },
    },
  ]);
  const why = (await admin.get(`/v1/leaderboards/${board}/entries/${ada}/why`)).is(200, Why);
  t.match(why.items, [{ points: 900, achievedAt: '2020-06-11T19:09:00.000Z', inScore: true }]);
  await isVerified();
});

t.test('a row counts once for ever', async (t) => {
  const board = await newBoard('once');
  const lines = Array.from({ length: 30 }, (_, i) => ({
    externalId: `once-${i}`,
    displayName: `Player ${i}`,
    score: i,
  }));
  const file = csvOf(lines);
  t.match(await bring(admin, `board=${board}`, file), { counted: 30, known: 0 });
  t.match(await bring(admin, `board=${board}`, file), { counted: 0, known: 30, newUsers: 0 });
  const more = csvOf([
    ...lines.toReversed(),
    { externalId: 'once-0', displayName: 'x', score: 1 },
    { externalId: 'once-0', displayName: 'x', score: 1 },
  ]);
  t.match(await bring(admin, `board=${board}`, more), { counted: 1, known: 31 });
  // With keys of its own a row counts as often as it has others.
  const keyed = csvOf([1, 2, 2].map((key) => ({ key, externalId: 'once-0', score: 10 })));
  t.match(await bring(admin, `board=${board}`, keyed), { counted: 2, known: 1 });
  t.match((await api.get(`/v1/leaderboards/${board}/entries/${await userOf('once-0')}`)).is(200, Entry), {
    score: 21,
  });
  // Of an erased user it brings nobody back.
  const gone = await userOf('once-29');
  await app.userChanges.erase(gone);
  t.match(await bring(admin, `board=${board}`, file), { counted: 0, known: 30, newUsers: 0 });
  // Another board is another matter.
  t.match(await bring(admin, `board=${await newBoard('once-more')}`, file), { counted: 30, newUsers: 1 });
  await isVerified();
});

t.test('each line that does not count says why', async (t) => {
  const board = await newBoard('faults');
  const banned = await userOf('banned');
  (await admin.post(`/v1/admin/users/${banned}/ban`, { reason: 'A test.' })).is(200, ModeratedUser);
  const gone = await userOf('banned-and-erased');
  (await admin.post(`/v1/admin/users/${gone}/ban`, { reason: 'A test.' })).is(200, ModeratedUser);
  await app.userChanges.erase(gone);
  const head = 'externalId,displayName,score,achievedAt,metadata';
  const rows: [line: string | Buffer, code: string | null][] = [
    ['f1,Ada,1,,', null],
    ['f2,Ada,1', 'wrong-columns'],
    ['f2,Ada,1,,,', 'wrong-columns'],
    [Buffer.concat([Buffer.from('f2,'), Buffer.from([0x5a, 0x6f, 0xeb]), Buffer.from(',1,,')]), 'not-utf-8'],
    [',Ada,1,,', 'external-id-invalid'],
    [`${'x'.repeat(129)},Ada,1,,`, 'external-id-invalid'],
    ['f3,Administrator,1,,', 'name-invalid'],
    [`f3,${'x'.repeat(33)},1,,`, 'name-invalid'],
    ['f4,Ada,1.5,,', 'score-invalid'],
    ['f4,Ada,,,', 'score-invalid'],
    ['f4,Ada,9007199254740992,,', 'points-out-of-range'],
    ['f5,Ada,1,2999-01-01T00:00:00Z,', 'time-invalid'],
    ['f5,Ada,1,yesterday,', 'time-invalid'],
    ['f5,Ada,1,1969-12-31T00:00:00Z,', 'time-invalid'],
    ['f6,Ada,1,,[]', 'metadata-invalid'],
    [`f6,Ada,1,,"{""a"":""${'x'.repeat(2_048)}""}"`, 'metadata-invalid'],
    ['banned,Ada,1,,', 'user-banned'],
    ['banned-and-erased,Ada,1,,', 'user-banned'],
    ['f7,Ada,9007199254740991,,', null],
    ['f7,Ada,1,,', 'points-out-of-range'],
    ['f7,Ada,-2,,', 'points-out-of-range'],
    ['f8,"a ""quoted"" name",1,,', null],
  ];
  const file = Buffer.concat([
    Buffer.from(`${head}\n`),
    ...rows.flatMap(([line]) => [Buffer.from(line), Buffer.from('\n')]),
  ]);
  const expected = rows.flatMap(([, code], i) => (code === null ? [] : [{ line: i + 2, code }]));
  const tried = await bring(admin, `board=${board}&dryRun=true`, file);
  const done = await bring(admin, `board=${board}`, file);
  for (const { faults, ...found } of [tried, done]) {
    t.strictSame(
      faults.map(({ line, code }) => ({ line, code })).sort((a, b) => a.line - b.line),
      expected,
    );
    t.ok(faults.every(({ message }) => message.length > 5));
    t.match(found, {
      state: 'done',
      rows: rows.length,
      done: rows.length,
      counted: 3,
      known: 0,
      faulty: expected.length,
      newUsers: 3,
    });
  }
  t.match(tried, { dryRun: true });
  await isVerified();
});

t.test('a dry run counts nothing', async (t) => {
  const board = await newBoard('dry');
  const file = csvOf([{ externalId: 'dry-1', displayName: 'Dry', score: 5 }]);
  t.match(await bring(admin, `board=${board}&dryRun=true`, file), { dryRun: true, counted: 1, newUsers: 1 });
  t.strictSame(await standings(board), []);
  t.match(await bring(admin, `board=${board}`, file), { counted: 1, newUsers: 1 });
  t.match(await bring(admin, `board=${board}&dryRun=true`, file), { counted: 0, known: 1, newUsers: 0 });
});

t.test('faults that are told are bounded', async (t) => {
  const board = await newBoard('many-faults');
  const file = csvOf(Array.from({ length: 400 }, (_, i) => ({ externalId: `many-${i}`, score: 'none' })));
  const { faults, faulty } = await bring(admin, `board=${board}`, file);
  t.equal(faulty, 400);
  t.equal(faults.length, 100);
});

t.test('a file that is no CSV of scores is refused whole', async (t) => {
  const board = await newBoard('refused');
  for (const file of [
    '',
    'externalId\nx\n',
    'externalId,score,achieved_at\nx,1,\n',
    'externalId,score,score\nx,1,1\n',
    'externalId,score\np1,1\n"p"2,1\n',
    `externalId,score\np1,1\n"p2,1\n${'p3,1\n'.repeat(10_000)}`,
    Buffer.from('\ufeffexternalId,score\np1,1\n', 'utf16le'),
  ]) {
    (await send(admin, `board=${board}`, file)).fails('file-refused');
  }
  t.strictSame(await standings(board), []);
  const { items } = (await admin.get('/v1/admin/imports?limit=7')).is(200, Imports);
  t.ok(items.every(({ state, problem }) => state === 'failed' && problem === 'file-refused'));
  const { rowCount } = await app.pg.pool.query(
    `SELECT FROM pg_class WHERE relname LIKE 'import_rows_%' AND relkind = 'r'`,
  );
  t.equal(rowCount, 0, 'no rows are left behind');
});

t.test('boards that take no scores refuse a file', async () => {
  const board = await newBoard('frozen');
  const file = csvOf([{ externalId: 'fr-1', score: 5 }]);
  (await admin.post(`/v1/admin/leaderboards/${board}/freeze`, { reason: 'A test.' })).is(200, Leaderboard);
  (await send(admin, `board=${board}`, file)).fails('board-frozen');
  (await send(admin, 'board=unknown', file)).fails('not-found');
  (await send(admin, `board=${board}&season=2`, file)).fails('season-not-found');
  (await send(admin, '', file)).fails('validation-failed');
  (await send(server, `board=${board}`, file)).fails('forbidden');
  (await admin.post('/v1/admin/imports?board=global', { score: 1 })).fails('unsupported-media-type');
  (await admin.get('/v1/admin/imports/imp_01kcx7k4s5e8n2p6s9t4v7w0yc')).fails('not-found');
});

t.test('a file that is refused by its headers begins no import', async (t) => {
  const board = await newBoard('unbegun');
  const refused = { 'content-type': 'text/csv', 'content-encoding': 'gzip' };
  const sent = { body: gzipSync('externalId,score\nun-1,5\n'), headers: refused };
  for (let i = 0; i < 5; i++)
    (await admin.send('POST', `/v1/admin/imports?board=${board}`, sent)).fails('unsupported-media-type');
  const { items } = (await admin.get('/v1/admin/imports?limit=100')).is(200, Imports);
  t.strictSame(
    items.filter(({ leaderboard }) => leaderboard === board),
    [],
  );
  t.match(await bring(admin, `board=${board}`, csvOf([{ externalId: 'un-1', score: 5 }])), { counted: 1 });
});

t.test('an import is in the audit', async (t) => {
  const board = await newBoard('audited');
  const { id } = await bring(admin, `board=${board}`, csvOf([{ externalId: 'au-1', score: 5 }]));
  const { items } = (await admin.get('/v1/admin/audit?limit=1')).is(200, AuditTrail);
  t.match(items, [
    { action: 'import-scores', target: board, details: { importId: id, season: 1, dryRun: false } },
  ]);
});

t.test('a file that was cut off is resumed where it was cut', async (t) => {
  const board = await newBoard('resumed');
  const file = Buffer.from(
    csvOf(
      Array.from({ length: 25_000 }, (_, i) => ({
        externalId: `cut-${i}`,
        displayName: `Zoë, ${i}`,
        score: i,
      })),
    ),
  );
  async function* half() {
    yield file.subarray(0, 700_000);
    throw new Error('cut');
  }
  await assert.rejects(
    app.imports
      .begin({ board, dryRun: false }, { actor: 'operator', reason: null })
      .then(({ id }) => app.imports.receive(id, 0, half())),
    /cut/,
  );
  const [cut] = (await admin.get('/v1/admin/imports?limit=1')).is(200, Imports).items;
  assert(cut !== undefined);
  t.match(cut, { state: 'receiving', done: 0 });
  t.ok(cut.rows > 10_000 && cut.rows < 25_000);
  (await send(admin, `resume=${cut.id}`, file)).fails('import-not-resumable');
  const rest = file.subarray(cut.receivedBytes);
  const done = (await send(admin, `resume=${cut.id}&offset=${cut.receivedBytes}`, rest)).is(202, Import);
  t.match(done, { id: cut.id, rows: 25_000 });
  const counted = await eventually(async () => {
    const found = (await admin.get(`/v1/admin/imports/${cut.id}`)).is(200, Import);
    assert.equal(found.state, 'done');
    return found;
  }, 120_000);
  t.match(counted, { counted: 25_000, faulty: 0, receivedBytes: file.length });
  const { items } = (await admin.get(`/v1/admin/audit?target=${board}&limit=2`)).is(200, AuditTrail);
  t.match(items, [
    { actor: /^svc_/, action: 'import-scores', details: { importId: cut.id, offset: cut.receivedBytes } },
    { actor: 'operator', action: 'import-scores', details: { importId: cut.id } },
  ]);
  (await send(admin, `resume=${cut.id}&offset=${file.length}`, '')).fails('import-not-resumable');
  t.match(await bring(admin, `board=${board}`, file), { counted: 0, known: 25_000 });
  await isVerified();
});
