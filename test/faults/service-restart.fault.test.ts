import assert from 'node:assert/strict';
import t from 'tap';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { type Answer, GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, countedOnce, events, truth } from '../ledger/truth.js';
import { Load, nothingLost, postAgain } from './load.js';
import { startService } from './service.js';

t.test('the service is killed twice under load (kill -9) and restarted', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 40);
  const pool = openPool(t, databaseUrl);
  let service = await startService(t, databaseUrl);
  const game = new GameServer(t);
  const load = new Load(game, users, 16, () => service.url);
  for (let kills = 0; kills < 2; kills++) {
    await load.more(200);
    service.process.kill('SIGKILL');
    t.equal(await service.ended, 'SIGKILL');
    service = await startService(t, databaseUrl);
  }
  await load.more(200);
  await load.stop();

  const { answers } = load;
  t.same(
    answers.filter(({ status }) => status !== 200 && status !== 0),
    [],
    'each answer is a 200, or was lost',
  );
  t.comment(nothingLost(t, answers, await truth(pool, 'global'), await events(pool)));
  const again = await postAgain(game, service.url, answers);
  const known = [...answers.filter(({ status }) => status === 200), ...again];
  countedOnce(t, [...new Set(known.map(({ token }) => token))], await events(pool), known);
  await agreement(t, pool, [service.url], 20_000);
});

t.test('SIGTERM: posts in flight are answered, new ones are refused, and the exit code is 0', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 20);
  const pool = openPool(t, databaseUrl);
  const { url, process, ended } = await startService(t, databaseUrl);
  const game = new GameServer(t);
  const load = new Load(game, users, 8, () => url);
  await load.more(100);
  await load.stop();

  // While the user's row is locked, posts of this user wait in the batch queue.
  const [held = ''] = users;
  const blocker = await pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [held]);
  const tokens = [newToken(held, 7), newToken(held, 8)];
  const inFlight: Promise<Answer>[] = [];
  for (const token of tokens) {
    inFlight.push(game.post(url, token));
    await eventually(async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      assert.equal(Number(/^score_ledger_queue_depth (\d+)$/m.exec(metrics)?.[1]), inFlight.length);
    });
  }
  const start = performance.now();
  process.kill('SIGTERM');
  await eventually(async () => {
    const status = await fetch(`${url}/v1/leaderboards`).then(
      (response) => response.status,
      () => 0,
    );
    assert(status !== 200);
  });
  const late = await game.post(url, newToken(held, 1));
  t.ok(late.status === 0 || (late.status === 503 && late.retryAfter !== undefined), 'refused cleanly');
  await blocker.query('COMMIT');
  blocker.release();
  const answers = await Promise.all(inFlight);
  t.same(
    answers.map(({ status }) => status),
    answers.map(() => 200),
    'each post in flight is answered',
  );
  t.equal(await ended, 0, 'exit code');
  t.ok(performance.now() - start < 30_000, 'as long as it may take');

  const recorded = await events(pool);
  countedOnce(
    t,
    tokens,
    recorded.filter(({ tokenId }) => tokens.some(({ id }) => id === tokenId)),
    answers,
  );
  nothingLost(t, [...load.answers, ...answers, late], await truth(pool, 'global'), recorded);
});

/** Makes SIGWINCH cause an unhandled rejection. */
const REJECT_ON_SIGWINCH = `--import data:text/javascript,${encodeURIComponent(
  'process.once("SIGWINCH", () => { Promise.reject(new Error("boom")); });',
)}`;

for (const [how, signal, exitCode] of [
  ['SIGTERM', 'SIGTERM', 0],
  ['SIGINT', 'SIGINT', 0],
  ['an unhandled rejection', 'SIGWINCH', 1],
] as const) {
  t.test(`${how} under load: each post is answered or refused cleanly, and nothing is lost`, async (t) => {
    const databaseUrl = await buildTestDatabase(t);
    const users = await prepare(databaseUrl, 20);
    const pool = openPool(t, databaseUrl);
    const { url, process, ended } = await startService(t, databaseUrl, { NODE_OPTIONS: REJECT_ON_SIGWINCH });
    const load = new Load(new GameServer(t), users, 32, () => url);
    await load.more(300);
    const start = performance.now();
    process.kill(signal);
    t.equal(await ended, exitCode);
    t.ok(performance.now() - start < 30_000, 'as long as it may take');
    await load.stop();
    const { answers } = load;
    const isClean = ({ status, retryAfter, fault }: Answer) =>
      status === 200 || (status === 503 && retryAfter !== undefined) || fault === 'ECONNREFUSED';
    t.same(
      answers.filter((answer) => !isClean(answer)),
      [],
      'accepted, refused with Retry-After, or not connected; no connection was cut',
    );
    t.comment(nothingLost(t, answers, await truth(pool, 'global'), await events(pool)));
  });
}
