import type pg from 'pg';
import t, { type Test } from 'tap';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import {
  type Answer,
  GameServer,
  groupBy,
  newToken,
  openPool,
  prepare,
  shuffled,
  sum,
  type Token,
  withPool,
} from './game-server.js';
import { agreement, countedOnce, deadlocks, events, truth, unbroken } from './truth.js';

const maintenance = process.env['TEST_POSTGRES_URL'] ?? '';
const pointsOf = (n: number) => 1 + ((n * 7919) % 100);

t.test('2,000 submissions by 100 users over 64 connections, a tenth of them twice', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 100);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const game = new GameServer(t);
  const tokens = Array.from({ length: 2_000 }, (_, n) =>
    newToken(users[n % users.length] ?? '', pointsOf(n)),
  );
  const order = shuffled(tokens);
  const twiceAtOnce = new Set(order.slice(0, 100));
  const onceMoreLater = order.slice(100, 200);
  const posts = [
    ...order.flatMap((token) => (twiceAtOnce.has(token) ? [token, token] : [token])),
    ...onceMoreLater,
  ];

  const start = performance.now();
  const answers = await Promise.all(posts.map((token) => game.post(url, token)));
  t.comment(
    `${posts.length} posts, ${Math.round((posts.length / (performance.now() - start)) * 1000)} a second`,
  );

  await withPool(databaseUrl, async (pool) => {
    t.equal(answers.filter(({ status }) => status === 200).length, 2_000);
    t.equal(answers.filter(({ status }) => status === 409).length, 200);
    countedOnce(t, tokens, await events(pool), answers);
    await finalScores(t, pool, tokens);
    await unbroken(t, pool, receiptsOf(answers));
    await agreement(t, pool, [url], 20_000);
  });
  await app.close();
  t.equal(await deadlocks(openPool(t, maintenance), databaseUrl), 0, 'no deadlock');
});

t.test('two instances, the same tokens to both at once, by users without any score so far', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 150);
  const first = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const second = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const game = new GameServer(t);
  // Two tokens a user: while both instances are at the first scores of the same users, their batches get in one
  // another's way.
  const tokens = Array.from({ length: 600 }, (_, n) => newToken(users[n % users.length] ?? '', pointsOf(n)));

  const answers = await Promise.all(
    tokens.flatMap((token, n) => {
      const urls = n % 2 === 0 ? [first.url, second.url] : [second.url, first.url];
      return urls.map((url) => game.post(url, token));
    }),
  );

  await withPool(databaseUrl, async (pool) => {
    t.equal(answers.filter(({ status }) => status === 200).length, 600);
    countedOnce(t, tokens, await events(pool), answers);
    await finalScores(t, pool, tokens);
    await unbroken(t, pool, receiptsOf(answers));
    const ms = await agreement(t, pool, [first.url, second.url], 20_000);
    t.comment(`both instances agree with PostgreSQL after ${Math.round(ms)} ms`);
  });
  await Promise.all([first.app.close(), second.app.close()]);
  t.equal(await deadlocks(openPool(t, maintenance), databaseUrl), 0, 'no deadlock');
});

const receiptsOf = (answers: readonly Answer[]) => answers.flatMap(({ receipt }) => receipt ?? []);

async function finalScores(t: Test, pool: pg.Pool, tokens: readonly Token[]): Promise<void> {
  const points = [...groupBy(tokens, ({ userId }) => userId)].map(
    ([userId, own]) => [userId, own.map((token) => token.points)] as const,
  );
  const scores = async (board: string) =>
    new Map((await truth(pool, board)).map(({ userId, score }) => [userId, score]));
  t.same(
    await scores('global'),
    new Map(points.map(([userId, own]) => [userId, sum(own)])),
    'sums are right',
  );
  t.same(
    await scores('best-race'),
    new Map(points.map(([userId, own]) => [userId, Math.max(...own)])),
    'bests are right',
  );
}
