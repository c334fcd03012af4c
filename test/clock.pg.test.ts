import t, { type Test } from 'tap';
import { jwt } from '../dev/mint.js';
import { ActionToken } from '../schemas/action.js';
import { Receipt } from '../schemas/score.js';
import { Session } from '../schemas/session.js';
import { User } from '../schemas/user.js';
import { WindowCounters } from '../src/redis/window-counters.js';
import { newPlayer, serviceApi, startApi } from './api.js';
import { clockOff, startService } from './faults/service.js';
import { JWT_SECRET } from './helper.js';
import { putLimitedActions } from './limited-actions.js';
import { mint } from './mint.js';

/** More than the time in an id may be off. */
const OFF_MS = 11 * 60_000;
const DAY_S = 86_400;
const nowS = () => Math.floor(Date.now() / 1000);

/** The service on a machine whose clock is wrong. */
const wrongClock = async (t: Test, databaseUrl: string, offMs: number): Promise<string> =>
  (await startService(t, databaseUrl, { ...clockOff(offMs), RATE_LIMIT_AUTH: '1000' })).url;

const service = await startApi(t);
const { api, config } = service;
const slow = await wrongClock(t, config.DATABASE_URL, -OFF_MS);
const fast = await wrongClock(t, config.DATABASE_URL, OFF_MS);
const everywhere = [slow, service.url, fast];
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

t.test('limits by time hold, whichever instance has written and whichever is asked', async (t) => {
  await putLimitedActions(admin);
  const score = (at: string, userId: string, act: string, points: number) =>
    server.at(at).post('/v1/scores', { actionToken: mint(userId, { act, pts: [points, points] }) });
  for (const first of everywhere) {
    const { id } = await newPlayer(api);
    for (const act of ['cool', 'daily']) {
      (await score(first, id, act, 1)).is(200, Receipt);
      for (const then of everywhere) (await score(then, id, act, 1)).fails('action-limit-reached');
    }
    t.equal((await score(first, id, 'points', 10)).is(200, Receipt).status, 'counted');
    for (const then of everywhere)
      t.equal((await score(then, id, 'points', 10)).is(200, Receipt).status, 'held');
  }
});

t.test('tokens of any instance are good on all, for as long as they say', async (t) => {
  for (const issuer of everywhere) {
    const player = await newPlayer(api.at(issuer));
    const { expiresIn, refreshExpiresIn } = player.session;
    t.equal(expiresIn, DAY_S);
    t.ok(Math.abs(refreshExpiresIn - 30 * DAY_S) < 60, `${refreshExpiresIn} s`);
    for (const url of everywhere) {
      (await player.api.at(url).get('/v1/users/me')).is(200, User);
      const token = (await player.api.at(issuer).post('/v1/action-tokens', { action: 'collect-coin' })).is(
        201,
        ActionToken,
      );
      t.ok(Math.abs(Date.parse(token.notBefore) - Date.now()) < 60_000, token.notBefore);
      (await player.api.at(url).post('/v1/scores', { actionToken: token.actionToken })).is(200, Receipt);
    }
    const { refreshToken } = player.session;
    (await api.at(fast).post('/v1/auth/refresh', { refreshToken })).is(200, Session);
  }
});

t.test('tokens whose time is over, or has not come, are refused everywhere', async () => {
  const { id, session } = await newPlayer(api);
  const sid = `ses_${session.refreshToken.split('.')[0]}`;
  const access = (iat: number, exp: number) =>
    api.as(
      jwt(
        { alg: 'HS256', typ: 'JWT' },
        { iss: 'scoreboard-api', aud: 'scoreboard-api', sub: id, sid, role: 'player', iat, exp },
        JWT_SECRET,
      ),
    );
  const action = (claims: { iat: number; nbf: number; exp: number }) =>
    mint(id, { ...claims, act: 'collect-coin', pts: [10, 10] });
  for (const url of everywhere) {
    const now = nowS();
    (
      await access(now - 300, now + 60)
        .at(url)
        .get('/v1/users/me')
    ).is(200, User);
    (
      await access(now - 300, now - 5)
        .at(url)
        .get('/v1/users/me')
    ).fails('unauthenticated');
    (
      await access(now - DAY_S - 5, now + 60)
        .at(url)
        .get('/v1/users/me')
    ).fails('unauthenticated');
    const post = (actionToken: string) => server.at(url).post('/v1/scores', { actionToken });
    (await post(action({ iat: now - 100, nbf: now - 100, exp: now - 5 }))).fails('action-token-expired');
    (await post(action({ iat: now, nbf: now + 60, exp: now + 120 }))).fails('action-token-premature');
    (await post(action({ iat: now, nbf: now, exp: now + 120 }))).is(200, Receipt);
  }
});

t.test('what a process counts by itself does not care for a clock that is set', async (t) => {
  const counters = new WindowCounters();
  counters.increment('somebody', 60_000);
  for (const off of [-OFF_MS, OFF_MS]) {
    const right = Date.now;
    t.intercept(Date, 'now', { value: () => right() + off });
  }
  const { current, ttl } = counters.increment('somebody', 60_000);
  t.equal(current, 2);
  t.ok(ttl > 0 && ttl <= 60_000);
});
