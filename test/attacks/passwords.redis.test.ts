import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { User } from '../../schemas/user.js';
import { type Answer, type Api, eventually, newPlayer, startApi } from '../api.js';
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
const times = (n: number) => Array.from({ length: n }, (_, i) => i);

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
  const median = (all: number[]) => all.sort((a, b) => a - b)[all.length / 2] ?? 0;
  const ratio = median(unknown) / median(known);
  t.comment(`known ${median(known).toFixed(1)} ms, unknown ${median(unknown).toFixed(1)} ms`);
  // Without a hash to compare with, it would be some 0.1.
  t.ok(ratio > 0.6 && ratio < 1.6, `${ratio.toFixed(2)} times as long`);
});

t.test('an account that is guessed at waits, longer each time, whether it exists or not', async (t) => {
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
    await eventually(async () => (await guess(api, 'victim')).fails('invalid-credentials'), 10_000);
    const refused = await guess(api, 'victim');
    refused.fails('rate-limited');
    t.equal(retryAfter(refused), wait);
  }
  await eventually(async () => (await login(api, 'victim', PASSWORD)).is(200, Session), 15_000);
  for (const _ of times(FREE_TRIES)) (await guess(api, 'victim')).fails('invalid-credentials');
  (await guess(api, 'victim')).fails('rate-limited');
});

t.test('names that PostgreSQL would fold into one are not counted as several', async (t) => {
  await register(api, 'kiki');
  for (const name of ['\u212aiki', 'k\u0130ki', 'kik\u0131', 'kiki\0', ' kiki']) {
    (await login(api, name, PASSWORD)).fails('invalid-credentials');
  }
  t.equal((await login(api, 'KIKI', PASSWORD)).status, 200);
});

t.test('of fifty guesses at the same time not one more gets through', async (t) => {
  await register(api, 'raced');
  for (const username of ['raced', 'not-there-to-be-raced']) {
    const answers = await Promise.all(times(50).map((i) => guess(api, username, `192.0.2.${i}`)));
    const codes = answers.map((answer) => answer.problem().code).sort();
    t.same(codes, [...Array(FREE_TRIES).fill('invalid-credentials'), ...Array(45).fill('rate-limited')]);
  }
});

t.test('whoever guesses does not lock the owner out', async () => {
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
  const guesses = (username: string) =>
    Promise.all(times(20).map((i) => guess(i % 2 ? one.api : two.api, username)));
  const through = (answers: Answer[]) =>
    answers.filter((answer) => answer.problem().code === 'invalid-credentials').length;
  t.equal(through(await guesses('shared')), FREE_TRIES);
  t.equal(through(await guesses('unknown')), FREE_TRIES);
  (await login(two.api, 'shared', PASSWORD)).fails('rate-limited');
  await eventually(async () => (await login(two.api, 'shared', PASSWORD)).is(200, Session));
  (await login(one.api, 'shared', PASSWORD)).is(200, Session);

  // However many there were, nobody waits longer than a quarter of an hour, and nothing is kept for ever.
  const client = await connectTestRedis(t, redis.url);
  const keys = await client.keys('scoreboard:login:*');
  for (const key of keys) {
    await client.hset(key, 'tries', 5_000);
    t.ok((await client.pttl(key)) > 0);
    t.notMatch(key, /shared|unknown|192\.0\.2/, 'names and addresses are not kept');
  }
  await eventually(async () => (await guess(one.api, 'unknown')).fails('invalid-credentials'));
  t.equal(retryAfter(await guess(two.api, 'unknown')), 900);

  await redis.kill();
  t.equal(through(await guesses('another')), 2 * FREE_TRIES);
});

t.test('a flood of logins is refused in part, and does not hold up scores', async (t) => {
  const ada = await newPlayer(api);
  const statuses: number[] = [];
  let scored = false;
  const flood = times(4).map(async (wave) => {
    for (let round = 0; !scored || round === 0; round++) {
      const answers = await Promise.all(times(50).map((i) => guess(api, `flood-${wave}-${round}-${i}`)));
      for (const answer of answers) statuses.push(answer.status);
    }
  });
  let slowest = 0;
  for (const _ of times(20)) {
    const start = performance.now();
    (await ada.api.post('/v1/scores', { actionToken: mint(ada.id) })).is(200, Receipt);
    slowest = Math.max(slowest, performance.now() - start);
  }
  scored = true;
  await Promise.all(flood);
  t.comment(`the slowest score took ${slowest.toFixed(0)} ms; logins: ${[...new Set(statuses)].join()}`);
  t.ok(slowest < 3_000);
  t.same(new Set(statuses), new Set([401, 503]));
});
