import t from 'tap';
import { jwt } from '../../dev/mint.js';
import { Actions, ActionToken } from '../../schemas/action.js';
import { newPlayer, scopedApi, serviceApi, startApi } from '../api.js';
import { ACTION_TOKEN_SECRET } from '../helper.js';
import { typeId } from '../mint.js';

const service = await startApi(t);
const { api } = service;
const server = await serviceApi(service, 'server');

/** Header and claims of a token whose signature is right. */
function open(token: string): { header: unknown; claims: { iat: number; nbf: number; exp: number } } {
  const parse = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString());
  const [header, claims] = token.split('.');
  t.equal(jwt(parse(header), parse(claims), ACTION_TOKEN_SECRET), token);
  return { header: parse(header), claims: parse(claims) };
}

t.test('three actions are there to try', async (t) => {
  t.same((await api.get('/v1/actions')).is(200, Actions), {
    items: [
      {
        id: 'collect-coin',
        title: 'Collect a coin',
        points: { min: 10, max: 10 },
        leaderboards: ['global'],
        issuer: 'player',
        minDurationMs: 0,
      },
      {
        id: 'finish-level',
        title: 'Finish a level',
        points: { min: 1, max: 100 },
        leaderboards: ['global'],
        issuer: 'player',
        minDurationMs: 1_000,
      },
      {
        id: 'win-match',
        title: 'Win a match',
        points: { min: 250, max: 250 },
        leaderboards: ['global'],
        issuer: 'server',
        minDurationMs: 0,
      },
    ],
    nextCursor: null,
  });
});

t.test('a player gets a token for itself, in the format of the contract', async (t) => {
  const player = await newPlayer(api);
  const before = Date.now();
  const answer = await player.api.post('/v1/action-tokens', { action: 'collect-coin' });
  const token = answer.is(201, ActionToken);
  const { header, claims } = open(token.actionToken);
  t.same(header, { alg: 'HS256', typ: 'action+jwt' });
  t.same(claims, {
    iss: 'scoreboard-api',
    aud: 'scoreboard-action',
    sub: player.id,
    jti: token.tokenId,
    act: 'collect-coin',
    pts: [10, 10],
    iat: Math.floor(claims.iat),
    nbf: claims.iat,
    azp: 'player',
    exp: claims.iat + 300,
  });
  t.same(
    { ...token, actionToken: '', tokenId: '', notBefore: '' },
    {
      actionToken: '',
      tokenId: '',
      action: 'collect-coin',
      userId: player.id,
      points: { min: 10, max: 10 },
      notBefore: '',
      expiresAt: new Date(claims.exp * 1000).toISOString(),
    },
  );
  const notBefore = Date.parse(token.notBefore);
  t.ok(notBefore >= before && notBefore <= Date.now());
  t.not(
    (await player.api.post('/v1/action-tokens', { action: 'collect-coin' })).is(201, ActionToken).tokenId,
    token.tokenId,
  );
});

t.test('an action that takes its time gives a token that is good only then', async (t) => {
  const player = await newPlayer(api);
  const before = Date.now();
  const token = (await player.api.post('/v1/action-tokens', { action: 'finish-level' })).is(201, ActionToken);
  const notBefore = Date.parse(token.notBefore);
  t.ok(notBefore >= before + 1_000 && notBefore <= Date.now() + 1_000);
  t.equal(open(token.actionToken).claims.nbf * 1000, notBefore);
  t.same(token.points, { min: 1, max: 100 });
});

t.test('ACTION_TOKEN_TTL says how long a token is good', async (t) => {
  const { api } = await startApi(t, { ACTION_TOKEN_TTL: 20 });
  const player = await newPlayer(api);
  const token = (await player.api.post('/v1/action-tokens', { action: 'collect-coin' })).is(201, ActionToken);
  const { iat, exp } = open(token.actionToken).claims;
  t.equal(exp - iat, 20);
});

t.test('a player gets no token that is for others to give', async () => {
  const player = await newPlayer(api);
  const ask = (body: object) => player.api.post('/v1/action-tokens', body);
  (await ask({ action: 'win-match' })).fails('action-not-player-issuable');
  (await ask({ action: 'no-such-action' })).fails('not-found');
  (await ask({ action: 'collect-coin', userId: player.id })).fails('forbidden');
  (await ask({ action: 'collect-coin', points: 10 })).fails('forbidden');
  (await ask({ action: 'win-match', points: 1_000_000 })).fails('forbidden');
  (await api.post('/v1/action-tokens', { action: 'collect-coin' })).fails('unauthenticated');
  const reader = await scopedApi(service, ['read']);
  (await reader.post('/v1/action-tokens', { action: 'collect-coin' })).fails('forbidden');
});

t.test('a game server gets one for any action and any user, and may fix the points', async (t) => {
  const { id: userId } = await newPlayer(api);
  const ask = (body: object) => server.post('/v1/action-tokens', body);
  for (const [action, points] of Object.entries({
    'win-match': { min: 250, max: 250 },
    'collect-coin': { min: 10, max: 10 },
    'finish-level': { min: 1, max: 100 },
  })) {
    const token = (await ask({ action, userId })).is(201, ActionToken);
    t.match(token, { action, userId, points });
    t.match(open(token.actionToken).claims, { sub: userId, act: action, pts: [points.min, points.max] });
  }
  for (const points of [1, 42, 100]) {
    const token = (await ask({ action: 'finish-level', userId, points })).is(201, ActionToken);
    t.same(token.points, { min: points, max: points });
    t.match(open(token.actionToken).claims, { pts: [points, points] });
  }
  for (const points of [0, 101, -1])
    (await ask({ action: 'finish-level', userId, points })).fails('points-out-of-range');
  t.match((await ask({ action: 'win-match' })).fails('validation-failed').errors, [{ path: '/userId' }]);
  (await ask({ action: 'win-match', userId: typeId('usr') })).fails('not-found');
  (await ask({ action: 'no-such-action', userId })).fails('not-found');
});

t.test('a request that is not as the schema says is refused', async (t) => {
  const { id: userId } = await newPlayer(api);
  const bad: [path: string, body: unknown][] = [
    ['/', {}],
    ['/action', { action: '', userId }],
    ['/action', { action: 'Win Match', userId }],
    ['/action', { action: 7, userId }],
    ['/action', { action: ['win-match'], userId }],
    ['/userId', { action: 'win-match', userId: 'ada' }],
    ['/userId', { action: 'win-match', userId: null }],
    ['/points', { action: 'finish-level', userId, points: '10' }],
    ['/points', { action: 'finish-level', userId, points: 1.5 }],
    ['/points', { action: 'finish-level', userId, points: 2 ** 53 }],
    ['/points', { action: 'finish-level', userId, points: null }],
    ['/', { action: 'win-match', userId, note: 'x' }],
    ['/', []],
    ['/', 'win-match'],
  ];
  for (const [path, body] of bad) {
    const { errors } = (await server.post('/v1/action-tokens', body)).fails('validation-failed');
    t.match(errors, [{ path }], JSON.stringify(body));
  }
});
