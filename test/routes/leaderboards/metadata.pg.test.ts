import assert from 'node:assert/strict';
import { mock } from 'node:test';
import t from 'tap';
import { Action } from '../../../schemas/action.js';
import { Entries, EntryDetails, FriendEntries, Leaderboard } from '../../../schemas/leaderboard.js';
import { AdminEvent } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { boardKey } from '../../../src/board-key.js';
import { EntryMetadata } from '../../../src/leaderboard/public-metadata.js';
import { eventually, newPlayer, projected, serviceApi, startApi } from '../../api.js';
import { Watcher } from '../../live/live-server.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, app, url } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const feed = async (id: string, publicMetadata?: string[]) => {
  const points = { min: 0, max: 1_000 };
  const action = { title: id, points, leaderboards: [id], issuer: 'server', minDurationMs: 0 };
  (await admin.put(`/v1/admin/actions/${id}`, { ...action, publicMetadata })).is(200, Action);
};
/** A board with an action of its own, both with this id. */
async function newBoard(id: string, operator: string, publicMetadata?: string[]): Promise<void> {
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, sort: 'desc', operator })).is(
    200,
    Leaderboard,
  );
  await feed(id, publicMetadata);
}
const score = async (userId: string, act: string, points: number, metadata?: object) => {
  const actionToken = mint(userId, { act, pts: [points, points] });
  return (await server.post('/v1/scores', { actionToken, metadata })).is(200, Receipt).eventId;
};
const judge = async (eventId: string, what: 'void' | 'release') =>
  (await admin.post(`/v1/admin/events/${eventId}/${what}`, { reason: 'A test.' })).is(200, AdminEvent);
const page = async (id: string, query = '') =>
  (await api.get(`/v1/leaderboards/${id}/entries${query}`)).is(200, Entries);
const metadataOn = async (id: string, query = '') =>
  (await page(id, query)).items.map(({ metadata }) => metadata);

t.test('an entry shows what is public of the event that made its score', async (t) => {
  const cases = [
    ['best', [10, 30, 20, 30], 1],
    ['latest', [10, 30, 20, 20], 2],
    ['increment', [10, 30, 20, 0], 2],
  ] as const;
  for (const [operator, all, expected] of cases) {
    await newBoard(operator, operator, ['nth']);
    const { id } = await newPlayer(api);
    for (const [nth, points] of all.entries()) await score(id, operator, points, { nth, secret: 'x' });
    t.same(await metadataOn(operator), [{ nth: expected }], operator);
    // Read from PostgreSQL, and from the projection.
    await projected(app);
    t.same(await metadataOn(operator), [{ nth: expected }], operator);
  }
});

t.test('a score with the time of a worse one, written before it, still shows its own event', async (t) => {
  await newBoard('crossed', 'best', ['nth']);
  const { id } = await newPlayer(api);
  await score(id, 'crossed', 30, { nth: 'better' });
  await score(id, 'crossed', 10, { nth: 'worse' });
  const { pool } = app.pg;
  const { rows } = await pool.query<{ at: number }>(
    "SELECT extract(epoch FROM accepted_at)::float8 * 1000 AS at FROM score_events WHERE action_id = 'crossed' AND points = 10",
  );
  const entry = { userId: id, score: 30, achievedAt: rows[0]?.at ?? 0 };
  const keys = new Map([['crossed', ['nth']]]);
  const found = await new EntryMetadata(pool).of(boardKey('crossed', 1), [entry], keys);
  t.same(found.get(id), { nth: 'better' });
});

t.test('every read of entries has it, and so has the stream, and a season that is over', async (t) => {
  await newBoard('reads', 'best', ['car']);
  const players = [await newPlayer(api), await newPlayer(api), await newPlayer(api)];
  for (const [i, { id }] of players.entries()) await score(id, 'reads', 30 - i, { car: `car ${i}` });
  const cars = [{ car: 'car 0' }, { car: 'car 1' }, { car: 'car 2' }];
  const [, second, third] = players.map(({ id }) => id);
  const path = '/v1/leaderboards/reads/entries';
  const check = async (season = '') => {
    const first = await page('reads', `?limit=1${season}`);
    t.same(
      first.items.map(({ metadata }) => metadata),
      cars.slice(0, 1),
    );
    t.same(await metadataOn('reads', `?cursor=${first.nextCursor}${season}`), cars.slice(1));
    const details = (await api.get(`${path}/${second}?${season}`)).is(200, EntryDetails);
    t.same(details.metadata, cars[1]);
    const around = (await api.get(`${path}/${third}/around?radius=1${season}`)).is(200, Entries);
    t.same(
      around.items.map(({ metadata }) => metadata),
      cars.slice(1),
    );
    const friends = (await api.get(`${path}/batch?userIds=${third}${season}`)).is(200, FriendEntries);
    t.same(friends.items[0]?.metadata, cars[2]);
  };
  await check();
  const watcher = new Watcher(t, `${url}/v1/leaderboards/reads/stream?limit=2`);
  t.match((await watcher.next()).data.items, [{ metadata: cars[0] }, { metadata: cars[1] }]);
  await score(third ?? '', 'reads', 40, { car: 'rocket' });
  const { data } = await watcher.until(({ data }) => data.items[0]?.score === 40);
  t.match(data.items, [{ metadata: { car: 'rocket' } }, { metadata: cars[0] }]);
  await judge(
    (
      await app.pg.pool.query<{ id: string }>(
        "SELECT typeid('evt', id) AS id FROM score_events WHERE points = 40",
      )
    ).rows[0]?.id ?? '',
    'void',
  );
  const { pool } = app.pg;
  await pool.query(
    "UPDATE leaderboards SET season = 2, season_starts_at = clock_timestamp() WHERE id = 'reads'",
  );
  await pool.query(
    `UPDATE seasons SET ends_at = clock_timestamp(), state = 'final', entries = 3, digest = repeat('ab', 32)
     WHERE leaderboard_id = 'reads' AND season = 1`,
  );
  app.catalog.forgetAll();
  await check('&season=1');
});

t.test('a void takes the metadata with it, and that of the event before comes back', async (t) => {
  for (const [operator, cars] of [
    ['best', ['good', 'best', 'bad']],
    ['latest', ['bad', 'good', 'best']],
    ['increment', ['bad', 'good', 'best']],
  ] as const) {
    const id = `void-${operator}`;
    await newBoard(id, operator, ['car']);
    const player = await newPlayer(api);
    const points = { bad: 1, good: 2, best: 3 };
    const events = new Map<string, string>();
    for (const car of cars) events.set(car, await score(player.id, id, points[car], { car }));
    await projected(app);
    t.same(await metadataOn(id), [{ car: 'best' }]);
    await judge(events.get('best') ?? '', 'void');
    t.same(await metadataOn(id), [{ car: 'good' }]);
    await judge(events.get('good') ?? '', 'void');
    t.same(await metadataOn(id), [{ car: 'bad' }]);
    await judge(events.get('bad') ?? '', 'void');
    t.same(await metadataOn(id), []);
  }
});

t.test('a score that is held shows nothing until it is released', async (t) => {
  const rules = { title: 'held', sort: 'desc', operator: 'best', maxPointsPerMinute: 5 };
  (await admin.put('/v1/admin/leaderboards/held', rules)).is(200, Leaderboard);
  await feed('held', ['car']);
  const { id } = await newPlayer(api);
  await score(id, 'held', 3, { car: 'Snail' });
  const held = await score(id, 'held', 50, { car: 'Comet' });
  t.same(await metadataOn('held'), [{ car: 'Snail' }]);
  await judge(held, 'release');
  t.same(await metadataOn('held'), [{ car: 'Comet' }]);
});

t.test('whatever is read while events are voided, no score has the metadata of another', async (t) => {
  await newBoard('race', 'best', ['points']);
  const { id } = await newPlayer(api);
  const all = Array.from({ length: 12 }, (_, i) => i + 1);
  const events: string[] = [];
  for (const points of all) events.push(await score(id, 'race', points, { points }));
  await projected(app);
  let done = false;
  let read = 0;
  const reads = Array.from({ length: 4 }, async () => {
    while (!done) {
      for (const { score, metadata } of (await page('race')).items) {
        if (metadata !== undefined) assert.deepEqual(metadata, { points: score });
        read++;
      }
    }
  });
  const watcher = new Watcher(t, `${url}/v1/leaderboards/race/stream`);
  try {
    for (const event of events.slice(1).reverse()) await judge(event, 'void');
  } finally {
    done = true;
  }
  await Promise.all(reads);
  t.ok(read > 0);
  t.same((await page('race')).items[0]?.metadata, { points: 1 }, 'and in the end it is right');
  const last = await watcher.until(({ data }) => data.items[0]?.score === 1);
  t.same(last.data.items[0]?.metadata, { points: 1 });
  for (const { data } of watcher.received)
    for (const { score, metadata } of data.items ?? [])
      if (metadata !== undefined) t.same(metadata, { points: score });
});

t.test('an action shows at once what it makes public, and hides what it does no more', async (t) => {
  await newBoard('open', 'best');
  const { id } = await newPlayer(api);
  await score(id, 'open', 5, { car: 'Comet', flag: 'NZ' });
  await projected(app);
  const path = '/v1/leaderboards/open/entries';
  const seen = async () => {
    const answer = await api.get(path);
    return [answer.is(200, Entries).items[0]?.metadata, answer.headers.get('etag')] as const;
  };
  const tags = new Set<string | null>();
  for (const [keys, expected] of [
    [undefined, undefined],
    [['car'], { car: 'Comet' }],
    [['flag', 'car', 'other'], { flag: 'NZ', car: 'Comet' }],
    [['other'], undefined],
    [['car'], { car: 'Comet' }],
    [[], undefined],
  ] as const) {
    await feed('open', keys && [...keys]);
    const [metadata, etag] = await seen();
    t.same(metadata, expected, String(keys));
    t.same((await seen())[1], etag, 'the same answer again');
    tags.add(etag);
  }
  t.equal(tags.size, 3, 'each with a tag of its own');
});

t.test('only what can be shown to everybody is shown', async (t) => {
  await newBoard('values', 'best', ['a', 'b', 'c', 'd', 'e', 'f', 'g', '__proto__']);
  const { id } = await newPlayer(api);
  const metadata = { a: 1.5, b: false, c: { deep: 1 }, d: null, e: 'x'.repeat(257), f: 'a\u202eb', g: 'ok' };
  await score(id, 'values', 5, metadata);
  t.same(await metadataOn('values'), [{ a: 1.5, b: false, g: 'ok' }]);
  const many = Array.from({ length: 9 }, (_, i) => `key${i}`);
  const action = { title: 'x', points: { min: 0, max: 1 }, leaderboards: ['values'], issuer: 'server' };
  for (const publicMetadata of [many, [''], ['x'.repeat(65)], ['a', 'a']])
    (await admin.put('/v1/admin/actions/values', { ...action, minDurationMs: 0, publicMetadata })).fails(
      'validation-failed',
    );
});

t.test('what a user who is erased has sent is gone from seasons that are final too', async (t) => {
  await newBoard('erased', 'best', ['car']);
  const player = await newPlayer(api);
  await score(player.id, 'erased', 5, { car: 'Comet' });
  const { pool } = app.pg;
  await pool.query(
    "UPDATE leaderboards SET season = 2, season_starts_at = clock_timestamp() WHERE id = 'erased'",
  );
  await pool.query(
    `UPDATE seasons SET ends_at = clock_timestamp(), state = 'final', entries = 1, digest = repeat('ab', 32)
     WHERE leaderboard_id = 'erased' AND season = 1`,
  );
  app.catalog.forgetAll();
  t.same(await metadataOn('erased', '?season=1'), [{ car: 'Comet' }]);
  (await player.api.delete('/v1/users/me')).isEmpty(204);
  t.same(await metadataOn('erased', '?season=1'), [undefined]);
});

t.test('a board whose actions make nothing public reads nothing for it', async (t) => {
  await newBoard('none', 'best');
  await newBoard('some', 'best', ['car']);
  const { id } = await newPlayer(api);
  for (const board of ['none', 'some']) await score(id, board, 5, { car: 'Comet' });
  await projected(app);
  await eventually(async () => assert.equal((await page('none')).total, 1));
  const query = mock.method(app.pg.pool, 'query');
  t.teardown(() => query.mock.restore());
  const readEvents = () =>
    query.mock.calls.filter(({ arguments: [text] }) => /archived_standings a\b/.test(JSON.stringify(text)))
      .length;
  await score(id, 'none', 6, { car: 'Comet' });
  const before = readEvents();
  for (const rest of ['', '?limit=3', `/${id}`, `/${id}/around`, `/batch?userIds=${id}`])
    t.equal((await api.get(`/v1/leaderboards/none/entries${rest}`)).status, 200);
  t.equal(readEvents(), before);
  await page('some', '?limit=7');
  t.equal(readEvents(), before + 1, 'another one does');
  await page('some', '?limit=8');
  t.equal(readEvents(), before + 1, 'once for each score');
});
