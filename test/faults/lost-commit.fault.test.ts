import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../api.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { ACTION, GameServer, newToken, openPool, prepare, sum } from '../ledger/game-server.js';
import { agreement, countedOnce, events, truth, unbroken } from '../ledger/truth.js';
import { typeId } from '../mint.js';
import { COMMIT, type Fault, PostgresProxy } from './proxy.js';

/** The service, a proxy between it and its database, and a pool that bypasses the proxy. */
async function open(t: Test, players: number) {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, players);
  const proxy = await PostgresProxy.open(t, Number(new URL(databaseUrl).port));
  const { app, url } = await buildTestApp(t, { DATABASE_URL: proxy.via(databaseUrl) });
  return { app, url, proxy, users, game: new GameServer(t), pool: openPool(t, databaseUrl) };
}

/** The first half opens the connection and prepares the statement; the second half uses both. */
for (const fault of ['cut before', 'cut after', 'silence'] satisfies Fault[]) {
  t.test(`${fault}: each submission counts once, and its answer confirms it`, async (t) => {
    const { url, proxy, users, game, pool } = await open(t, 10);
    const tokens = Array.from({ length: 40 }, (_, n) => newToken(users[n % users.length] ?? '', n + 1));
    const answers = [];
    for (const part of [tokens.slice(0, 20), tokens.slice(20)]) {
      proxy.faults.push(fault);
      answers.push(...(await Promise.all(part.map((token) => game.post(url, token)))));
      t.same(proxy.faults, [], 'the fault has happened');
    }
    t.ok(answers.every(({ status }) => status === 200));
    countedOnce(t, tokens, await events(pool), answers);
    t.equal(sum((await truth(pool, 'global')).map(({ score }) => score)), (40 * 41) / 2);
    // Where the answer was lost, the previous scores of this event are unknown.
    if (fault === 'cut before')
      await unbroken(
        t,
        pool,
        answers.flatMap(({ receipt }) => receipt ?? []),
      );
    await agreement(t, pool, [url], 20_000);
  });
}

for (const fault of ['cut before', 'cut after', 'silence'] satisfies Fault[]) {
  t.test(
    `${fault} at the commit of a guarded batch: each score counts once, and uses up its limit once`,
    async (t) => {
      const databaseUrl = await buildTestDatabase(t);
      const users = await prepare(databaseUrl, 5);
      const pool = openPool(t, databaseUrl);
      await pool.query('UPDATE actions SET daily_limit = 6 WHERE id = $1', [ACTION]);
      await pool.query("UPDATE leaderboards SET max_points_per_minute = 32 WHERE id = 'best-race'");
      const proxy = await PostgresProxy.open(t, Number(new URL(databaseUrl).port), COMMIT);
      const { url } = await buildTestApp(t, { DATABASE_URL: proxy.via(databaseUrl) });
      const game = new GameServer(t);
      const tokens = users.flatMap((user) => Array.from({ length: 8 }, () => newToken(user, 8)));
      const answers = [];
      for (const part of [tokens.filter((_, n) => n % 2 === 0), tokens.filter((_, n) => n % 2 === 1)]) {
        proxy.faults.push(fault);
        answers.push(...(await Promise.all(part.map((token) => game.post(url, token)))));
        t.same(proxy.faults, [], 'the fault has happened');
      }
      const accepted = answers.filter(({ status }) => status === 200);
      t.equal(accepted.length, 30);
      t.equal(accepted.filter(({ receipt }) => receipt?.status === 'counted').length, 20);
      t.equal(accepted.filter(({ receipt }) => receipt?.leaderboards.length === 3).length, 20);
      t.ok(
        answers.every(({ status, problem }) => status === 200 || problem?.code === 'action-limit-reached'),
      );
      const recorded = accepted.map(({ token }) => token);
      countedOnce(t, recorded, await events(pool), accepted);
      t.same(
        (await truth(pool, 'global')).map(({ score }) => score),
        users.map(() => 32),
      );
      await agreement(t, pool, [url], 20_000);
    },
  );
}

t.test('the receipt of a lone submission is right even if its commit was lost', async (t) => {
  const { url, proxy, users, game } = await open(t, 1);
  const [user = ''] = users;
  for (const [score, previousScore] of [
    [10, null],
    [30, 10],
  ] as const) {
    proxy.faults.push('cut after');
    const { status, receipt } = await game.post(url, newToken(user, score - (previousScore ?? 0)));
    t.equal(status, 200);
    const global = receipt?.leaderboards.find(({ id }) => id === 'global');
    t.match(global, { score, previousScore, rank: 1 });
    t.equal(receipt?.leaderboards.length, 3);
  }
});

t.test(
  'a database that is silent for longer than the deadlines: 503 in time, and the boards show what was committed',
  async (t) => {
    const { url, proxy, users, game, pool } = await open(t, 2);
    // Two posts fill the two batches that may be in flight; each is tried twice.
    proxy.faults.push(...Array.from<Fault>({ length: 4 }).fill('silence'));
    const tokens = users.map((user) => newToken(user, 10));
    const answers = await Promise.all(tokens.map((token) => game.post(url, token)));
    t.ok(answers.every(({ status, retryAfter }) => status === 503 && retryAfter !== undefined));
    const last = Math.max(...answers.map(({ ms }) => ms));
    t.comment(`the last one after ${Math.round(last)} ms`);
    t.ok(last < 30_000);
    t.equal((await events(pool)).length, 2, 'they were committed nevertheless');
    await agreement(t, pool, [url], 20_000);

    proxy.faults.length = 0;
    const again = await Promise.all(tokens.map((token) => game.post(url, token)));
    t.ok(again.every(({ status }) => status === 409));
    countedOnce(t, tokens, await events(pool), again);
  },
);

t.test('a client that lost the answer and posts again receives the original receipt', async (t) => {
  const { app, url, users, game, pool } = await open(t, 1);
  const [user = ''] = users;
  const token = newToken(user, 10);
  const { hostname, port } = new URL(url);
  const { token: accessToken } = app.accessTokens.issue({ sub: typeId('svc'), role: 'server' });
  const body = JSON.stringify({ actionToken: token.text });
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.pause();
  socket.write(
    `POST /v1/scores HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${accessToken}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const [event] = await eventually(async () => {
    const found = await events(pool);
    if (found.length === 0) throw new Error('not yet');
    return found;
  });
  socket.destroy();
  const again = await game.post(url, token);
  t.equal(again.status, 409);
  t.equal(again.problem?.original?.eventId, event?.id);
});

t.test('an expired token that has counted is distinguished from one that never did', async (t) => {
  const { url, users, game, pool } = await open(t, 1);
  const [user = ''] = users;
  const exp = Date.now() / 1000 + 2;
  const [used, unused] = [newToken(user, 10, { exp }), newToken(user, 10, { exp })];
  const first = await game.post(url, used);
  t.equal(first.status, 200);
  await delay(Math.max(0, exp * 1000 - Date.now() + 1));
  const late = await game.post(url, used);
  t.match(late, { status: 409, problem: { original: { eventId: first.receipt?.eventId } } });
  t.match(await game.post(url, unused), { status: 403, problem: { code: 'action-token-expired' } });
  t.equal((await truth(pool, 'global'))[0]?.score, 10);
});
