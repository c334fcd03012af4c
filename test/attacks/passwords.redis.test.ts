import t, { type Test } from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { User } from '../../schemas/user.js';
import { type Answer, type Api, newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { mint } from '../mint.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';

t.setTimeout(120_000);

const PASSWORD = 'correct horse battery staple';
const FREE_TRIES = 5;

const register = async (api: Api, username: string) =>
  (await api.post('/v1/auth/register', { username, password: PASSWORD })).is(201, Session);
/** From an address, as a proxy that is trusted tells it. */
const login = (api: Api, username: string, password: string, from = '192.0.2.1') =>
  api.send('POST', '/v1/auth/login', { json: { username, password }, headers: { 'x-forwarded-for': from } });
const guess = (api: Api, username: string, from?: string) => login(api, username, 'a guess', from);
const retryAfter = ({ headers }: Answer) => Number(headers.get('retry-after'));
const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
const times = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Stops the clock of the service, which runs in this process. @returns what lets milliseconds pass */
function stopClock(t: Test) {
  let now = Math.round(performance.now());
  t.intercept(performance, 'now', { value: () => now });
  return (milliseconds: number) => {
    now += milliseconds;
  };
}

const behindProxy = { TRUST_PROXY: ['127.0.0.0/8'] };
const service = await startApi(t, behindProxy);
const { api } = service;

t.test('an unknown user takes as long as a wrong password', async (t) => {
  const NAMES = 6;
  for (const i of times(NAMES)) await register(api, `timed${i}`);
  const took = async (username: string) => {
    const start = performance.now();
    (await guess(api, username)).fails('invalid-credentials');
    return performance.now() - start;
  };
  const known: number[] = [];
  const unknown: number[] = [];
  // Taken in turns, so that whatever else the machine does slows both down.
  for (const i of times(4 * NAMES)) {
    known.push(await took(`timed${i % NAMES}`));
    unknown.push(await took(`untold${i % NAMES}`));
  }
  const ratio = median(unknown) / median(known);
  t.comment(`known ${median(known).toFixed(1)} ms, unknown ${median(unknown).toFixed(1)} ms`);
  // Without a hash to compare with, it would be some 0.1.
  t.ok(ratio > 0.4 && ratio < 2.5, `${ratio.toFixed(2)} times as long`);
});

t.test('an account that is guessed at waits, longer each time, whether it exists or not', async (t) => {
  const pass = stopClock(t);
  await register(api, 'victim');
  const course = async (username: string) => {
    const answers: Answer[] = [];
    // Each from another address: it is the account that is counted.
    for (const i of times(FREE_TRIES + 1)) answers.push(await guess(api, username, `192.0.2.${i}`));
    return answers;
  };
  const [known, unknown] = [await course('victim'), await course('no-such-victim')];
  for (const answers of [known, unknown]) {
    for (const answer of answers.slice(0, FREE_TRIES)) answer.fails('invalid-credentials');
    const [refused] = answers.slice(FREE_TRIES);
    refused?.fails('rate-limited');
    t.equal(refused && retryAfter(refused), 1);
  }
  const told = (answers: Answer[]) =>
    answers.map((answer) => ({ ...answer.problem(), requestId: '', status: answer.status }));
  t.same(told(unknown), told(known), 'and the answers do not tell which is which');

  // Another spelling is no other account.
  (await guess(api, 'VICTIM')).fails('rate-limited');
  (await login(api, 'victim', PASSWORD)).fails('rate-limited');
  // It is one try, then twice the wait; asking meanwhile costs nothing.
  for (const wait of [2, 4]) {
    pass((wait / 2) * 1_000 - 1);
    (await guess(api, 'victim')).fails('rate-limited');
    pass(1);
    (await guess(api, 'victim')).fails('invalid-credentials');
    const refused = await guess(api, 'victim');
    refused.fails('rate-limited');
    t.equal(retryAfter(refused), wait);
  }
  pass(4_000);
  (await login(api, 'victim', PASSWORD)).is(200, Session);
  for (const _ of times(FREE_TRIES)) (await guess(api, 'victim')).fails('invalid-credentials');
  (await guess(api, 'victim')).fails('rate-limited');
});

t.test('names that PostgreSQL would fold into one are not counted as several', async (t) => {
  await register(api, 'kiki');
  for (const name of ['\u212aiki', 'k\u0130ki', 'kik\u0131', ' kiki']) {
    (await login(api, name, PASSWORD)).fails('invalid-credentials');
  }
  t.equal((await login(api, 'KIKI', PASSWORD)).status, 200);
});

t.test('of fifty guesses at the same time not one more gets through', async (t) => {
  stopClock(t);
  await register(api, 'raced');
  for (const username of ['raced', 'not-there-to-be-raced']) {
    const answers = await Promise.all(times(50).map((i) => guess(api, username, `192.0.2.${i}`)));
    const codes = answers.map((answer) => answer.problem().code).sort();
    t.same(codes, [...Array(FREE_TRIES).fill('invalid-credentials'), ...Array(45).fill('rate-limited')]);
  }
});

t.test('guesses do not lock the owner out', async (t) => {
  stopClock(t);
  const session = await register(api, 'owner');
  (await login(api, 'owner', PASSWORD, '198.51.100.7')).is(200, Session);
  for (const _ of times(FREE_TRIES)) (await guess(api, 'owner')).fails('invalid-credentials');
  (await login(api, 'owner', PASSWORD)).fails('rate-limited');
  // Where the owner has logged in before, the guesses from elsewhere do not count.
  (await login(api, 'owner', PASSWORD, '198.51.100.7')).is(200, Session);
  (await guess(api, 'owner')).fails('rate-limited');
  // Nor do they anywhere for a session that is open.
  (await api.as(session.accessToken).get('/v1/users/me')).is(200, User);
  (await api.post('/v1/auth/refresh', { refreshToken: session.refreshToken })).is(200, Session);
  // From there, too, only so many guesses are free.
  for (const _ of times(FREE_TRIES)) (await guess(api, 'owner', '198.51.100.7')).fails('invalid-credentials');
  (await guess(api, 'owner', '198.51.100.7')).fails('rate-limited');
});

t.test('all instances count the guesses together, and each alone while Redis is away', async (t) => {
  const redis = await RedisServer.start(t);
  const options = {
    ...behindProxy,
    DATABASE_URL: await buildTestDatabase(t),
    REDIS_MODE: 'single' as const,
    REDIS_URL: redis.url,
  };
  const [one, two] = [await startApi(t, options), await startApi(t, options)];
  await register(one.api, 'shared');
  const client = await connectTestRedis(t, redis.url);
  /** Until then, in milliseconds since the epoch, all accounts wait. */
  const waitUntil = async (time: number) => {
    for (const key of await client.keys('scoreboard:login:*')) await client.hset(key, 'until', time);
  };
  /** Guesses at the same moment, half of them at each instance. @returns how many were compared, of how many at most */
  const guesses = async (username: string) => {
    const start = performance.now();
    const answers = await Promise.all(times(20).map((i) => guess(i % 2 ? one.api : two.api, username)));
    const seconds = (performance.now() - start) / 1_000;
    const through = answers.filter((answer) => answer.problem().code === 'invalid-credentials').length;
    // After the free ones the account waits 1 s, then 2 s more: a slow machine may get that far.
    return { through, most: FREE_TRIES + Math.floor(Math.log2(seconds + 1)) };
  };
  for (const username of ['shared', 'unknown']) {
    const { through, most } = await guesses(username);
    t.ok(through >= FREE_TRIES && through <= most, `${through} of at most ${most}`);
  }
  await waitUntil(Date.now() + 600_000);
  (await login(two.api, 'shared', PASSWORD)).fails('rate-limited');
  await waitUntil(0);
  (await login(two.api, 'shared', PASSWORD)).is(200, Session);
  (await login(one.api, 'shared', PASSWORD)).is(200, Session);

  // However many there were, nobody waits longer than a quarter of an hour, and nothing is kept for ever.
  for (const key of await client.keys('scoreboard:login:*')) {
    await client.hset(key, 'tries', 5_000);
    t.ok((await client.pttl(key)) > 0);
    t.notMatch(key, /shared|unknown|192\.0\.2/, 'names and addresses are not kept');
  }
  await waitUntil(0);
  (await guess(one.api, 'unknown')).fails('invalid-credentials');
  t.equal(retryAfter(await guess(two.api, 'unknown')), 900);

  await redis.kill();
  stopClock(t);
  t.equal((await guesses('another')).through, 2 * FREE_TRIES);
});

t.test('a flood of logins is refused in part, and does not hold up scores', async (t) => {
  const ada = await newPlayer(api);
  const statuses = new Set<number>();
  const logins: number[] = [];
  const scores: number[] = [];
  const timed = async (ask: Promise<Answer>, into: number[], counts = (_: Answer) => true) => {
    const start = performance.now();
    const answer = await ask;
    if (counts(answer)) into.push(performance.now() - start);
    return answer;
  };
  const hashed = ({ status }: Answer) => status === 401;
  let scored = false;
  const flood = times(4).map(async (wave) => {
    for (let round = 0; !scored || round === 0; round++) {
      const guesses = times(50).map((i) => timed(guess(api, `flood-${wave}-${round}-${i}`), logins, hashed));
      for (const { status } of await Promise.all(guesses)) statuses.add(status);
    }
  });
  for (const _ of times(20)) {
    const answer = await timed(ada.api.post('/v1/scores', { actionToken: mint(ada.id) }), scores);
    answer.is(200, Receipt);
  }
  scored = true;
  await Promise.all(flood);
  t.same(statuses, new Set([401, 503]));
  t.comment(
    `median of a score ${median(scores).toFixed(0)} ms, of a hashed login ${median(logins).toFixed(0)} ms`,
  );
  t.ok(median(scores) < median(logins) / 2, 'a score does not wait in the queue of the hashes');
});
