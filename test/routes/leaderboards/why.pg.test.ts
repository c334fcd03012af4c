import assert from 'node:assert/strict';
import t from 'tap';
import { Leaderboard } from '../../../schemas/leaderboard.js';
import { Act, AdminEvent } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { Why } from '../../../schemas/why.js';
import { toUuid } from '../../../src/stored-ids.js';
import { type Api, newPlayer, serviceApi, startApi } from '../../api.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const OPERATORS = ['increment', 'best', 'latest'] as const;
for (const operator of OPERATORS) {
  const rules = {
    title: operator,
    sort: 'desc',
    operator,
    ...(operator === 'increment' && { maxPointsPerMinute: 1_000 }),
  };
  (await admin.put(`/v1/admin/leaderboards/${operator}`, rules)).is(200, Leaderboard);
}
await admin.put('/v1/admin/actions/race', {
  title: 'Race',
  points: { min: 0, max: 5_000 },
  leaderboards: [...OPERATORS],
  issuer: 'player',
  minDurationMs: 0,
});

const score = async (userId: string, points: number) =>
  (
    await server.post('/v1/scores', {
      actionToken: mint(userId, { act: 'race', pts: [points, points] }),
      metadata: { points },
    })
  ).is(200, Receipt);
const why = async (board: string, userId: string, by: Api, query = '') =>
  (await by.get(`/v1/leaderboards/${board}/entries/${userId}/why${query}`)).is(200, Why);
const judge = async (eventId: string, what: 'release' | 'void', reason: string) =>
  (await admin.post(`/v1/admin/events/${eventId}/${what}`, { reason })).is(200, AdminEvent);
const pointsOf = ({ items }: Why, isWanted = (_: Why['items'][number]) => true) =>
  items.filter(isWanted).map(({ points }) => points);
const makes = ({ inScore }: Why['items'][number]) => inScore;

t.test('the events of a score are those that make it, by each operator', async (t) => {
  const player = await newPlayer(api);
  const events: Receipt[] = [];
  for (const points of [20, 50, 30, 50, 10]) events.push(await score(player.id, points));
  const [, best, , again, last] = events;
  const expected = { increment: [160, [10, 50, 30, 50, 20]], best: [50, [50]], latest: [10, [10]] } as const;
  for (const operator of OPERATORS) {
    const found = await why(operator, player.id, player.api);
    t.match(found, {
      leaderboard: operator,
      season: 1,
      userId: player.id,
      operator,
      archived: null,
      nextCursor: null,
    });
    t.same(pointsOf(found), [10, 50, 30, 50, 20], 'newest first');
    t.match(found.items[0], { action: 'race', status: 'counted', metadata: { points: 10 }, judgements: [] });
    const [stands, made] = expected[operator];
    t.equal(found.score, stands);
    t.same(pointsOf(found, makes), made);
  }
  const bestOf = async () =>
    (await why('best', player.id, player.api)).items.filter(makes).map(({ eventId }) => eventId);
  t.same(await bestOf(), [best?.eventId], 'the first of the same points');
  await judge(best?.eventId ?? '', 'void', 'It was lent.');
  await judge(last?.eventId ?? '', 'void', 'It was lent too.');
  t.same(await bestOf(), [again?.eventId]);
  const latest = await why('latest', player.id, player.api);
  t.equal(latest.score, 50);
  t.same(
    latest.items.filter(makes).map(({ eventId }) => eventId),
    [again?.eventId],
  );
  t.same(pointsOf(await why('increment', player.id, player.api), makes), [50, 30, 20]);
  const pages = [await why('increment', player.id, player.api, '?limit=2')];
  for (let [page] = pages; page?.nextCursor; pages.push(page))
    page = await why('increment', player.id, player.api, `?limit=2&cursor=${page.nextCursor}`);
  t.same(
    pages.flatMap((page) => pointsOf(page)),
    [10, 50, 30, 50, 20],
  );
  t.equal(pages.length, 3);
});

t.test('what was held, released and voided is said, and who did it only to administrators', async (t) => {
  const player = await newPlayer(api);
  const [held, refused] = [await score(player.id, 2_000), await score(player.id, 3_000)];
  t.equal(held.status, 'held');
  const counted = await score(player.id, 5);
  t.match(await why('increment', player.id, player.api), {
    score: 5,
    items: [{}, { status: 'held', inScore: false }, {}],
  });
  await judge(held.eventId, 'release', 'Seen on video.');
  await judge(refused.eventId, 'void', 'Not seen.');
  const lump = {
    userId: player.id,
    from: counted.acceptedAt,
    to: '2100-01-01T00:00:00.000Z',
    reason: 'A bot.',
  };
  const bot = (await admin.post('/v1/admin/events/void', lump)).is(200, Act);
  t.equal(bot.state, 'done');
  const own = await why('increment', player.id, player.api);
  t.equal(own.score, 2_000);
  const byAdmin = await why('increment', player.id, admin);
  t.same(
    own.items.map(({ judgements }) => judgements.map(({ status }) => status)),
    [['voided'], ['held', 'voided'], ['held', 'counted']],
  );
  t.same(
    byAdmin.items.map(({ judgements }) => judgements.map(({ reason }) => reason)),
    [['A bot.'], [undefined, 'Not seen.'], [undefined, 'Seen on video.']],
  );
  t.equal(byAdmin.items[0]?.judgements[0]?.act, bot.id);
  const [, released] = byAdmin.items[2]?.judgements ?? [];
  t.match(released, { act: /^aud_/, actor: /^svc_/, actorName: /./ });
  t.match(byAdmin.items, [{ issuer: 'server', issuedBy: null, signingKey: /^key_/ }, {}, {}]);
  for (const secret of ['actor', 'actorName', 'reason', 'act', 'issuedBy', 'signingKey'])
    for (const seen of [own, await why('increment', player.id, server)])
      t.notOk(JSON.stringify(seen).includes(`"${secret}"`), secret);
  const asked = await player.api.post('/v1/action-tokens', { action: 'race' });
  t.equal(asked.status, 201);
  assert(typeof asked.body === 'object' && asked.body !== null && 'actionToken' in asked.body);
  (await player.api.post('/v1/scores', { actionToken: asked.body.actionToken, points: 7 })).is(200, Receipt);
  t.match((await why('increment', player.id, player.api)).items[0], { points: 7, issuer: 'player' });
  t.match((await why('increment', player.id, admin)).items[0], { issuedBy: 'player' });
});

t.test('only the player itself, game servers and administrators may ask', async (t) => {
  const [ada, bob] = [await newPlayer(api), await newPlayer(api)];
  const path = `/v1/leaderboards/increment/entries/${ada.id}/why`;
  (await api.get(path)).fails('unauthenticated');
  (await bob.api.get(path)).fails('forbidden');
  for (const by of [ada.api, server, admin])
    t.match((await by.get(path)).is(200, Why), { score: null, items: [] });
  (await admin.get(`/v1/leaderboards/nowhere/entries/${ada.id}/why`)).fails('not-found');
  (await admin.get(`${path}?season=7`)).fails('season-not-found');
  t.match((await admin.get(`/v1/leaderboards/increment/entries/${typeId('usr')}/why`)).body, { items: [] });
});

t.test('events that are archived make what they have made together', async (t) => {
  const player = await newPlayer(api);
  await score(player.id, 40);
  await app.pg.pool.query(
    `INSERT INTO archived_standings SELECT 'increment', 1, $1, 60, '2026-01-31T12:00:00Z'`,
    [toUuid('usr', player.id)],
  );
  t.match(await why('increment', player.id, player.api), {
    archived: { points: 60, achievedAt: '2026-01-31T12:00:00.000Z' },
    items: [{ points: 40 }],
  });
});
