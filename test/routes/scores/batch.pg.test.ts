import assert from 'node:assert/strict';
import t from 'tap';
import { EntryDetails } from '../../../schemas/leaderboard.js';
import { ModeratedUser } from '../../../schemas/moderation.js';
import { type BatchedScore, BatchedScores, Receipt } from '../../../schemas/score.js';
import { purgeTokens } from '../../../src/ledger/purge-tokens.js';
import { type Api, newPlayer, scopedApi, serviceApi, startApi } from '../../api.js';
import { LogLines } from '../../log-lines.js';
import { mint, typeId } from '../../mint.js';

const lines = new LogLines();
const service = await startApi(t, { LOG_LEVEL: 'info' }, lines);
const { api, app, config } = service;
const server = await serviceApi(service, 'server');
const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });

const post = async (submissions: readonly unknown[], as: Api = server): Promise<BatchedScore[]> =>
  (await as.post('/v1/scores/batch', { submissions })).is(200, BatchedScores).items;
const scoreOf = async (userId: string) =>
  (await api.get(`/v1/leaderboards/global/entries/${userId}`)).is(200, EntryDetails).score;
const win = (userId: string, idempotencyKey: string, more: object = {}) => ({
  userId,
  action: 'win-match',
  points: 250,
  idempotencyKey,
  ...more,
});
const codes = (items: readonly BatchedScore[]) => items.map(({ status, problem }) => problem?.code ?? status);

t.test('submissions with and without tokens count, each with a receipt, in order', async (t) => {
  const players = await Promise.all(Array.from({ length: 3 }, () => newPlayer(api)));
  const [a = '', b = '', c = ''] = players.map(({ id }) => id);
  const items = await post([
    { actionToken: mint(a) },
    win(b, 'order-b', { metadata: { map: 'desert' } }),
    { actionToken: mint(c, { act: 'finish-level', pts: [1, 100] }), points: 42 },
    win(a, 'order-a'),
  ]);
  t.match(items, [
    { status: 200, receipt: { userId: a, action: 'win-match', points: 250, status: 'counted' } },
    { status: 200, receipt: { userId: b, points: 250 } },
    { status: 200, receipt: { userId: c, action: 'finish-level', points: 42 } },
    { status: 200, receipt: { userId: a, leaderboards: [{ id: 'global', score: 500, previousScore: 250 }] } },
  ]);
  t.same([await scoreOf(a), await scoreOf(b), await scoreOf(c)], [500, 250, 42]);
});

t.test('what is refused does not hold up the others, and says why', async (t) => {
  const [player, banned] = [await newPlayer(api), await newPlayer(api)];
  const admin = await serviceApi(service, 'admin');
  (await admin.post(`/v1/admin/users/${banned.id}/ban`, { reason: 'A test.' })).is(200, ModeratedUser);
  const items = await post([
    { actionToken: 'nonsense' },
    win(typeId('usr'), 'refused-1'),
    win(banned.id, 'refused-2'),
    win(player.id, 'refused-3', { action: 'no-such-action' }),
    win(player.id, 'refused-4', { points: 251 }),
    win(player.id, 'refused-5', { metadata: { text: 'x'.repeat(3_000) } }),
    win(player.id, 'refused-6'),
    win(player.id, 'refused-6'),
  ]);
  t.same(codes(items).slice(0, 6), [
    'action-token-invalid',
    'not-found',
    'user-banned',
    'not-found',
    'points-out-of-range',
    'validation-failed',
  ]);
  t.same(codes(items).slice(6).sort(), [200, 'already-counted']);
  t.equal(await scoreOf(player.id), 250);
  // A key is used up by what has counted, and by nothing else.
  t.same(codes(await post([win(player.id, 'refused-4'), win(player.id, 'refused-5')])), [200, 200]);
});

t.test('a key counts once for its account, on all instances, and is never forgotten', async (t) => {
  const player = await newPlayer(api);
  const batch = Array.from({ length: 20 }, (_, i) => win(player.id, `once-${i}`));
  const elsewhere = server.at(other.url);
  const answers = await Promise.all(
    [server, elsewhere, server, elsewhere, server, elsewhere].map((as) => post(batch, as)),
  );
  for (let i = 0; i < batch.length; i++) {
    const ofKey = answers.flatMap((items) => items[i] ?? []);
    const counted = ofKey.flatMap(({ receipt }) => receipt ?? []);
    t.equal(counted.length, 1);
    const originals = ofKey.flatMap(({ problem }) => problem?.original?.eventId ?? []);
    t.same(originals, Array(5).fill(counted[0]?.eventId));
  }
  t.equal(await scoreOf(player.id), 20 * 250);
  const stranger = await newPlayer(api);
  const [again] = await post([win(stranger.id, 'once-0')]);
  t.equal(again?.problem?.original?.eventId, answers.flatMap((items) => items[0]?.receipt?.eventId ?? [])[0]);

  await app.pg.pool.query('UPDATE consumed_tokens SET expires_at = $1 WHERE isfinite(expires_at)', [
    new Date(0),
  ]);
  const rows = async () => Number((await app.pg.pool.query('SELECT FROM consumed_tokens_keys')).rowCount);
  const kept = await rows();
  // A game server may make any 128 bits an id of its own: this one is among the keys, and leaves.
  const foreign = mint(player.id, { jti: `tok_7z${'z'.repeat(24)}` });
  (await server.post('/v1/scores', { actionToken: foreign })).is(200, Receipt);
  t.equal(await rows(), kept + 1);
  await app.pg.pool.query('UPDATE consumed_tokens SET expires_at = $1 WHERE isfinite(expires_at)', [
    new Date(0),
  ]);
  while (await purgeTokens(app.pg.pool, 100));
  t.equal(await rows(), kept);
  t.same(new Set(codes(await post(batch))), new Set(['already-counted']));

  const another = await serviceApi(service, 'server');
  t.same(codes(await post([win(player.id, 'once-0')], another)), [200], 'a key belongs to its account');
});

t.test('a batch whose connections to PostgreSQL are cut counts once, however often it is sent', async (t) => {
  const players = await Promise.all(Array.from({ length: 10 }, () => newPlayer(api)));
  const batch = Array.from({ length: 400 }, (_, i) => win(players[i % 10]?.id ?? '', `cut-${i}`));
  const unanswered = new Set(batch);
  let cuts = 0;
  for (let round = 0; unanswered.size > 0; round++) {
    assert(round < 20, 'a batch that is never answered');
    const sent = [...unanswered];
    const answering = post(sent, round % 2 ? server : server.at(other.url));
    if (round < 3) {
      const { rowCount } = await app.pg.pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%consumed_tokens%' AND pid <> pg_backend_pid()",
      );
      cuts += rowCount ?? 0;
    }
    for (const [i, { status, problem }] of (await answering).entries()) {
      t.ok(
        status === 200 || status === 503 || problem?.code === 'already-counted',
        String(problem?.code ?? status),
      );
      const submission = sent[i];
      if (status !== 503 && submission) unanswered.delete(submission);
    }
  }
  t.comment(`${cuts} connections cut`);
  for (const { id } of players) t.equal(await scoreOf(id), 40 * 250);
});

t.test('a batch is one line in the log, and one for each reason why tokens are rejected', async (t) => {
  const player = await newPlayer(api);
  const before = lines.text.length;
  await post([win(player.id, 'logged-1'), win(player.id, 'logged-2'), { actionToken: 'nonsense' }]);
  const written = lines.text
    .slice(before)
    .split('\n')
    .filter((line) => line.includes('"Scores updated"'));
  t.equal(written.length, 1);
  t.match(JSON.parse(written[0] ?? ''), { data: { submissions: 3, accepted: 2, rejected: 1 } });
  const warned = lines.text
    .slice(before)
    .split('\n')
    .filter((line) => line.includes('"Action token rejected"'));
  t.match(
    warned.map((line) => JSON.parse(line)),
    [{ level: 'warn', data: { code: 'action-token-invalid', count: 1 } }],
  );
});

t.test('a batch has 1 to 500 submissions of at most 1 MiB, and comes from a game server', async (t) => {
  const player = await newPlayer(api);
  const many = (n: number, more = {}) => ({
    submissions: Array.from({ length: n }, (_, i) => win(player.id, `many-${i}`, more)),
  });
  (await server.post('/v1/scores/batch', many(0))).fails('validation-failed');
  (await server.post('/v1/scores/batch', many(501))).fails('validation-failed');
  (await server.post('/v1/scores/batch', many(500, { metadata: { text: 'x'.repeat(2_100) } }))).fails(
    'payload-too-large',
  );
  (await server.post('/v1/scores/batch', { submissions: [{ points: 3 }] })).fails('validation-failed');
  const reader = await scopedApi(service, ['read']);
  for (const caller of [player.api, reader])
    (await caller.post('/v1/scores/batch', many(1))).fails('forbidden');
  (await api.post('/v1/scores/batch', many(1))).fails('unauthenticated');
  t.equal((await post(many(500).submissions)).filter(({ status }) => status === 200).length, 500);
  t.equal(await scoreOf(player.id), 500 * 250);
});
