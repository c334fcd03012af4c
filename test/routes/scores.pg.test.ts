import t from 'tap';
import { jwt } from '../../dev/mint.js';
import { ActionToken } from '../../schemas/action.js';
import { EntryDetails } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { type Api, eventually, newPlayer, scopedApi, serviceApi, startApi } from '../api.js';
import { ACTION_TOKEN_SECRET } from '../helper.js';
import { actionClaims, mint, typeId } from '../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const server = await serviceApi(service, 'server');

const post = (as: Api, body: object) => as.post('/v1/scores', body);
/** What the user has on the board: nothing acknowledged is lost, and nothing refused counts. */
const scoreOf = async (userId: string) => {
  const answer = await api.get(`/v1/leaderboards/global/entries/${userId}`);
  return answer.status === 404 ? null : answer.is(200, EntryDetails).score;
};
const issue = async (as: Api, action: string) =>
  (await as.post('/v1/action-tokens', { action })).is(201, ActionToken);

t.test('a player finishes an action, and its points are on the board', async (t) => {
  const player = await newPlayer(api);
  const before = Date.now();
  const first = (
    await post(player.api, { actionToken: (await issue(player.api, 'collect-coin')).actionToken })
  ).is(200, Receipt);
  const second = (
    await post(player.api, { actionToken: (await issue(player.api, 'collect-coin')).actionToken })
  ).is(200, Receipt);
  t.match(first, {
    userId: player.id,
    action: 'collect-coin',
    points: 10,
    leaderboards: [{ id: 'global', season: 1, score: 10, previousScore: null, rank: 1, previousRank: null }],
  });
  t.match(second.leaderboards, [{ score: 20, previousScore: 10, rank: 1, previousRank: 1 }]);
  const acceptedAt = Date.parse(first.acceptedAt);
  t.ok(acceptedAt >= before - 1_000 && acceptedAt <= Date.now() + 1_000);
  t.not(first.eventId, second.eventId);
  t.equal(await scoreOf(player.id), 20);
  const { rows } = await app.pg.pool.query(
    "SELECT typeid('evt', id) AS id, points FROM score_events WHERE user_id = uuid_of($1) ORDER BY id",
    [player.id],
  );
  t.match(rows, [
    { id: first.eventId, points: 10 },
    { id: second.eventId, points: 10 },
  ]);
});

t.test('a game server mints on its own and posts for the user of the token', async (t) => {
  const { id } = await newPlayer(api);
  t.match((await post(server, { actionToken: mint(id) })).is(200, Receipt), {
    userId: id,
    action: 'win-match',
    points: 250,
  });
  t.equal(await scoreOf(id), 250);
});

t.test('a player may post what the game server gave it', async (t) => {
  const player = await newPlayer(api);
  const token = (await server.post('/v1/action-tokens', { action: 'win-match', userId: player.id })).is(
    201,
    ActionToken,
  );
  (await post(player.api, { actionToken: token.actionToken })).is(200, Receipt);
  t.equal(await scoreOf(player.id), 250);
});

t.test('where the token leaves a range, the points must be said and lie in it', async (t) => {
  const player = await newPlayer(api);
  const actionToken = mint(player.id, { act: 'finish-level', pts: [-5, 100] });
  t.match((await post(player.api, { actionToken })).fails('validation-failed').errors, [{ path: '/points' }]);
  for (const points of [-6, 101, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    (await post(player.api, { actionToken, points })).fails('points-out-of-range');
  }
  for (const points of ['10', 10.5, 1e17, null, true, [10]]) {
    t.match((await post(player.api, { actionToken, points })).fails('validation-failed').errors, [
      { path: '/points' },
    ]);
  }
  t.equal(await scoreOf(player.id), null);
  // Whatever was refused has not used the token up.
  t.equal((await post(player.api, { actionToken, points: -5 })).is(200, Receipt).points, -5);
  (await post(player.api, { actionToken: mint(player.id, { pts: [-5, 100] }), points: 100 })).is(
    200,
    Receipt,
  );
  t.equal(await scoreOf(player.id), 95);
});

t.test('where the token fixes the points, they need not be said, and cannot be others', async (t) => {
  const player = await newPlayer(api);
  const actionToken = mint(player.id);
  (await post(player.api, { actionToken, points: 249 })).fails('points-out-of-range');
  (await post(player.api, { actionToken, points: 250 })).is(200, Receipt);
  (await post(player.api, { actionToken: mint(player.id, { pts: [0, 0] }) })).is(200, Receipt);
  t.equal(await scoreOf(player.id), 250);
});

t.test('metadata is a JSON object of up to 2 KiB, kept with the event', async (t) => {
  const player = await newPlayer(api);
  const actionToken = mint(player.id);
  const ofBytes = (bytes: number) => ({ x: 'ü'.repeat((bytes - 8) / 2) });
  t.equal(Buffer.byteLength(JSON.stringify(ofBytes(2_048))), 2_048);
  for (const metadata of [ofBytes(2_050), 'text', 7, [1], true, null]) {
    t.match((await post(player.api, { actionToken, metadata })).fails('validation-failed').errors, [
      { path: '/metadata' },
    ]);
  }
  t.equal(await scoreOf(player.id), null);
  (await post(player.api, { actionToken, metadata: ofBytes(2_048) })).is(200, Receipt);
  const { items } = (await player.api.get('/v1/users/me/events')).is(200, ScoreEvents);
  t.same(items[0]?.metadata, ofBytes(2_048));
});

t.test('a token counts once, and says to its user as what', async (t) => {
  const player = await newPlayer(api);
  const jti = typeId('tok');
  const actionToken = mint(player.id, { jti });
  const { eventId, acceptedAt } = (await post(player.api, { actionToken })).is(200, Receipt);
  for (const as of [player.api, server]) {
    t.same((await post(as, { actionToken })).fails('action-token-replayed').original, {
      eventId,
      acceptedAt,
    });
  }
  // The same id in another token is the same token.
  t.same(
    (await post(player.api, { actionToken: mint(player.id, { jti, pts: [9, 9] }) })).fails(
      'action-token-replayed',
    ).original,
    {
      eventId,
      acceptedAt,
    },
  );
  // Whose event it was is nobody else's business.
  const other = await newPlayer(api);
  t.notOk(
    'original' in
      (await post(other.api, { actionToken: mint(other.id, { jti }) })).fails('action-token-replayed'),
  );
  t.equal(await scoreOf(player.id), 250);
  t.equal(await scoreOf(other.id), null);
});

t.test(
  'who lost the answer and asks only after the token has expired learns that it was counted',
  async (t) => {
    const player = await newPlayer(api);
    const jti = typeId('tok');
    const past = Math.floor(Date.now() / 1000) - 200;
    const late = mint(player.id, { jti, iat: past, nbf: past, exp: past + 100 });
    (await post(player.api, { actionToken: late })).fails('action-token-expired');
    const { eventId, acceptedAt } = (await post(player.api, { actionToken: mint(player.id, { jti }) })).is(
      200,
      Receipt,
    );
    t.same((await post(player.api, { actionToken: late })).fails('action-token-replayed').original, {
      eventId,
      acceptedAt,
    });
    t.equal(await scoreOf(player.id), 250);
  },
);

t.test('a token raced on two instances counts once', async (t) => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const player = await newPlayer(api);
  const actionToken = mint(player.id);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      post(i % 2 ? player.api : player.api.at(other.url), { actionToken }),
    ),
  );
  const [receipt, ...more] = answers
    .filter(({ status }) => status === 200)
    .map((answer) => answer.is(200, Receipt));
  t.equal(more.length, 0);
  for (const answer of answers) {
    if (answer.status === 200) continue;
    t.equal(answer.fails('action-token-replayed').original?.eventId, receipt?.eventId);
  }
  t.equal(await scoreOf(player.id), 250);
});

t.test('an action cannot be finished before it can be, but then', async (t) => {
  const player = await newPlayer(api);
  const level = await issue(player.api, 'finish-level');
  (await post(player.api, { actionToken: level.actionToken, points: 50 })).fails('action-token-premature');
  t.equal(await scoreOf(player.id), null);
  const actionToken = mint(player.id, { nbf: Date.now() / 1000 + 0.2 });
  (await post(player.api, { actionToken })).fails('action-token-premature');
  await eventually(async () => (await post(player.api, { actionToken })).is(200, Receipt));
  await eventually(async () =>
    (await post(player.api, { actionToken: level.actionToken, points: 50 })).is(200, Receipt),
  );
  t.equal(await scoreOf(player.id), 300);
});

t.test('an expired token counts for nothing', async (t) => {
  const player = await newPlayer(api);
  const now = Math.floor(Date.now() / 1000);
  (
    await post(player.api, { actionToken: mint(player.id, { iat: now - 300, nbf: now - 300, exp: now }) })
  ).fails('action-token-expired');
  t.equal(await scoreOf(player.id), null);
});

t.test('a player posts its own tokens only', async (t) => {
  const [ada, eve] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Eve')];
  const actionToken = mint(ada.id);
  (await post(eve.api, { actionToken })).fails('action-token-user-mismatch');
  (await post(await scopedApi(service, ['boards:write']), { actionToken })).fails(
    'action-token-user-mismatch',
  );
  (await post(api, { actionToken })).fails('unauthenticated');
  t.equal(await scoreOf(ada.id), null);
  t.equal(await scoreOf(eve.id), null);
  (await post(ada.api, { actionToken })).is(200, Receipt);
});

t.test('a banned user may read but not score', async (t) => {
  const player = await newPlayer(api);
  (await post(player.api, { actionToken: mint(player.id) })).is(200, Receipt);
  await app.pg.pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [player.id]);
  const actionToken = mint(player.id);
  for (const as of [player.api, server]) (await post(as, { actionToken })).fails('user-banned');
  (await player.api.get('/v1/users/me')).is(200, User);
  (await player.api.get('/v1/users/me/events')).is(200, ScoreEvents);
  t.equal(await scoreOf(player.id), 250);
  await app.pg.pool.query('UPDATE users SET banned_at = NULL WHERE id = uuid_of($1)', [player.id]);
  (await post(player.api, { actionToken })).is(200, Receipt);
});

t.test('a token for somebody who does not exist finds nobody', async () => {
  (await post(server, { actionToken: mint(typeId('usr')) })).fails('not-found');
});

t.test('a score stays an exact integer', async (t) => {
  const player = await newPlayer(api);
  const MAX = Number.MAX_SAFE_INTEGER;
  const score = (points: number) =>
    post(player.api, { actionToken: mint(player.id, { pts: [points, points] }) });
  (await score(MAX)).is(200, Receipt);
  for (const points of [1, MAX]) (await score(points)).fails('points-out-of-range');
  t.equal(await scoreOf(player.id), MAX);
  (await score(-MAX)).is(200, Receipt);
  (await score(-MAX)).is(200, Receipt);
  (await score(-1)).fails('points-out-of-range');
  t.equal(await scoreOf(player.id), -MAX);
  // A score that fails takes no other with it.
  const other = await newPlayer(api);
  const [bad, good] = await Promise.all([score(-1), post(other.api, { actionToken: mint(other.id) })]);
  bad.fails('points-out-of-range');
  good.is(200, Receipt);
});

t.test('what is not a good action token is told so, whatever is wrong with it', async (t) => {
  const player = await newPlayer(api);
  const header = { alg: 'HS256', typ: 'action+jwt' };
  const now = Math.floor(Date.now() / 1000);
  const good = mint(player.id);
  const bad: Record<string, string> = {
    'signed with another secret': mint(player.id, {}, config.JWT_SECRET),
    'of another issuer': mint(player.id, { iss: 'somebody' }),
    'for another audience': mint(player.id, { aud: 'scoreboard-api' }),
    'for an unknown action': mint(player.id, { act: 'no-such-action' }),
    'good for too long': mint(player.id, { exp: now + 302 }),
    'issued in the future': mint(player.id, { iat: now + 120, nbf: now, exp: now + 200 }),
    HS512: jwt({ ...header, alg: 'HS512' }, actionClaims(player.id), ACTION_TOKEN_SECRET, 'sha512'),
    'not signed': jwt({ ...header, alg: 'none' }, actionClaims(player.id), '').replace(/[^.]*$/, ''),
    'of type JWT': jwt({ ...header, typ: 'JWT' }, actionClaims(player.id), ACTION_TOKEN_SECRET),
    'with another header': jwt({ ...header, kid: 'x' }, actionClaims(player.id), ACTION_TOKEN_SECRET),
    'an access token': player.session.accessToken,
    'an access token, signed like an action token': jwt(
      { alg: 'HS256', typ: 'JWT' },
      { sub: player.id, role: 'server' },
      ACTION_TOKEN_SECRET,
    ),
    'changed at the end': good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'),
    '8 KiB of garbage': 'x'.repeat(8_192),
    x: 'x',
  };
  for (const claim of ['iss', 'aud', 'sub', 'jti', 'act', 'pts', 'iat', 'nbf', 'exp']) {
    bad[`without ${claim}`] = mint(player.id, { [claim]: undefined });
  }
  for (const [what, actionToken] of Object.entries(bad)) {
    for (const as of [player.api, server]) {
      const problem = (await post(as, { actionToken })).fails('action-token-invalid');
      t.notMatch(problem.detail, /secret/i, what);
    }
  }
  t.equal(await scoreOf(player.id), null);
  const { rowCount } = await app.pg.pool.query('SELECT FROM score_events WHERE user_id = uuid_of($1)', [
    player.id,
  ]);
  t.equal(rowCount, 0);
  // And an action token opens no door.
  (await api.as(good).get('/v1/users/me')).fails('unauthenticated');
  for (const actionToken of ['', 'x'.repeat(8_193), 7, null, undefined]) {
    (await post(player.api, { actionToken })).fails('validation-failed');
  }
});

t.test('ACTION_TOKEN_SECRET is rotated without an outage', async (t) => {
  const NEW_SECRET = 'another secret for action tokens, for tests';
  const { DATABASE_URL } = config;
  const at = (overrides: object) => startApi(t, { DATABASE_URL, ...overrides });
  const ahead = await at({ ACTION_TOKEN_SECRET_PREVIOUS: NEW_SECRET });
  const rotated = await at({
    ACTION_TOKEN_SECRET: NEW_SECRET,
    ACTION_TOKEN_SECRET_PREVIOUS: ACTION_TOKEN_SECRET,
  });
  const done = await at({ ACTION_TOKEN_SECRET: NEW_SECRET });
  const player = await newPlayer(api);
  const old = () => mint(player.id);
  const issued = async (by: { url: string }) =>
    (await issue(player.api.at(by.url), 'collect-coin')).actionToken;
  const postAt = (there: { url: string }, actionToken: string) =>
    post(player.api.at(there.url), { actionToken });
  (await postAt(rotated, old())).is(200, Receipt);
  (await postAt(rotated, await issued(service))).is(200, Receipt);
  (await postAt(rotated, await issued(rotated))).is(200, Receipt);
  (await postAt(ahead, await issued(rotated))).is(200, Receipt);
  (await postAt(service, await issued(rotated))).fails('action-token-invalid');
  (await postAt(done, old())).fails('action-token-invalid');
  (await postAt(done, await issued(rotated))).is(200, Receipt);
});
