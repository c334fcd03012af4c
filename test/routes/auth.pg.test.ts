import { setTimeout as sleep } from 'node:timers/promises';
import { hash } from '@node-rs/argon2';
import t from 'tap';
import { jwt } from '../../dev/mint.js';
import { ServiceToken, Session } from '../../schemas/session.js';
import { PublicUser, User } from '../../schemas/user.js';
import { type Api, eventually, newPlayer, startApi } from '../api.js';
import { JWT_SECRET } from '../helper.js';
import { typeId } from '../mint.js';

const PASSWORD = 'correct horse battery staple';
const service = await startApi(t);
const { api, app, config } = service;

const login = (username: string, password: string) => api.post('/v1/auth/login', { username, password });
const refresh = (refreshToken: string, at: Api = api) => at.post('/v1/auth/refresh', { refreshToken });
/** As if the session had been refreshed so much earlier, in seconds. */
const pastBy = ({ user }: Session, seconds: number) =>
  app.pg.pool.query(
    "UPDATE sessions SET refreshed_at = refreshed_at - $2 * interval '1 second' WHERE user_id = uuid_of($1)",
    [user.id, seconds],
  );
const whoami = (accessToken: string) => api.as(accessToken).get('/v1/users/me');

t.test('one call and a player can play', async (t) => {
  const answer = await api.post('/v1/auth/guest', { displayName: 'Ada' });
  const session = answer.is(201, Session);
  t.match(session, {
    tokenType: 'Bearer',
    expiresIn: 86_400,
    user: { displayName: 'Ada', username: null, role: 'player' },
  });
  t.ok(session.refreshExpiresIn > 29 * 86_400 && session.refreshExpiresIn <= 30 * 86_400);
  t.equal(answer.headers.get('cache-control'), 'no-store');
  t.same((await whoami(session.accessToken)).is(200, User), session.user);
});

t.test('a guest without a name gets one, with or without a body', async (t) => {
  for (const answer of [
    await api.post('/v1/auth/guest', {}),
    await api.post('/v1/auth/guest'),
    await api.send('POST', '/v1/auth/guest', { headers: { 'content-type': 'application/json' } }),
  ]) {
    const { user } = answer.is(201, Session);
    t.equal(user.displayName, `Guest ${user.id.slice(-6).toUpperCase()}`);
  }
});

t.test('an account logs in with its password, whatever the case of its username', async (t) => {
  const made = (await api.post('/v1/auth/register', { username: 'Ada.L', password: PASSWORD })).is(
    201,
    Session,
  );
  t.match(made.user, { username: 'Ada.L', displayName: 'Ada.L', role: 'player' });
  for (const username of ['Ada.L', 'ada.l', 'ADA.L']) {
    t.same((await login(username, PASSWORD)).is(200, Session).user, made.user);
  }
});

t.test('a username is taken without regard to case', async (t) => {
  const register = (username: string) => api.post('/v1/auth/register', { username, password: PASSWORD });
  (await register('grace_h')).is(201, Session);
  for (const username of ['grace_h', 'GRACE_H', 'Grace_h'])
    (await register(username)).fails('username-taken');
  // Of two at once, one.
  const both = await Promise.all([register('racer'), register('RACER')]);
  t.same(both.map(({ status }) => status).sort(), [201, 409]);
});

t.test('usernames have 3 to 32 of the allowed characters, passwords 8 to 256', async (t) => {
  const register = (body: object) => api.post('/v1/auth/register', body);
  for (const username of [
    'ab',
    'a'.repeat(33),
    'with space',
    'ümlaut',
    'a/b',
    'abc\n',
    '',
    12345,
    null,
    ['abc'],
  ]) {
    const { errors } = (await register({ username, password: PASSWORD })).fails('validation-failed');
    t.match(errors, [{ path: '/username' }], `username ${JSON.stringify(username)}`);
  }
  for (const password of ['1234567', 'x'.repeat(257), 12345678, null]) {
    const { errors } = (await register({ username: 'fine', password })).fails('validation-failed');
    t.match(errors, [{ path: '/password' }], `password ${JSON.stringify(password)}`);
  }
  (await register({ username: 'abc', password: '12345678' })).is(201, Session);
  (await register({ username: 'Z9_.-'.padEnd(32, 'x'), password: 'p'.repeat(256) })).is(201, Session);
  // Characters, not bytes: 256 of four bytes each.
  (await register({ username: 'emoji', password: '🔑'.repeat(256) })).is(201, Session);
  (await login('emoji', '🔑'.repeat(256))).is(200, Session);
  (await login('emoji', '🔑'.repeat(255))).fails('invalid-credentials');
  for (const missing of [{ username: 'nopass' }, { password: PASSWORD }, {}]) {
    (await register(missing)).fails('validation-failed');
  }
});

t.test('an unknown user and a wrong password are answered alike', async (t) => {
  (await api.post('/v1/auth/register', { username: 'known', password: PASSWORD })).is(201, Session);
  const wrong = (await login('known', 'not the password')).fails('invalid-credentials');
  for (const username of ['unknown', '', 'known\u0001', "' OR 1=1 --", 'x'.repeat(256)]) {
    const unknown = (await login(username, PASSWORD)).fails('invalid-credentials');
    t.same({ ...unknown, requestId: '' }, { ...wrong, requestId: '' });
  }
  // A guest has no password to guess.
  const guest = await newPlayer(api);
  (await login(guest.id, '')).fails('invalid-credentials');
});

t.test('a refresh token is rotated at each use', async (t) => {
  const first = await newPlayer(api);
  const second = (await refresh(first.session.refreshToken)).is(200, Session);
  t.same(second.user, first.session.user);
  t.not(second.refreshToken, first.session.refreshToken);
  const third = (await refresh(second.refreshToken)).is(200, Session);
  for (const { accessToken } of [first.session, second, third]) (await whoami(accessToken)).is(200, User);
});

t.test(
  'a refresh whose response was lost is repeated for 30 s: the same refresh token, fresh access',
  async (t) => {
    const { session } = await newPlayer(api);
    const lost = (await refresh(session.refreshToken)).is(200, Session);
    await pastBy(session, 29);
    const again = (await refresh(session.refreshToken)).is(200, Session);
    t.equal(again.refreshToken, lost.refreshToken);
    t.same(again.user, session.user);
    for (const { accessToken } of [lost, again]) (await whoami(accessToken)).is(200, User);
    const next = (await refresh(again.refreshToken)).is(200, Session);
    t.not(next.refreshToken, again.refreshToken);
    (await whoami(next.accessToken)).is(200, User);
  },
);

t.test('later, or once its successor was used, a used refresh token ends the session at once', async () => {
  const other = await newPlayer(api);
  for (const isLate of [true, false]) {
    const { session } = await newPlayer(api);
    const second = (await refresh(session.refreshToken)).is(200, Session);
    if (isLate) await pastBy(session, 31);
    const newest = isLate ? second : (await refresh(second.refreshToken)).is(200, Session);
    (await refresh(session.refreshToken)).fails('refresh-token-reused');
    (await refresh(newest.refreshToken)).fails('refresh-token-invalid');
    // It is not repeated for a session that has ended.
    (await refresh(second.refreshToken)).problem();
    for (const { accessToken } of [session, second]) (await whoami(accessToken)).fails('unauthenticated');
  }
  (await whoami(other.session.accessToken)).is(200, User);
});

t.test('64 uses of one refresh token at once, on two instances, get the same successor', async (t) => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const { session } = await newPlayer(api);
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, i) => refresh(session.refreshToken, i % 2 === 0 ? api : other.api)),
  );
  const sessions = answers.map((answer) => answer.is(200, Session));
  t.equal(new Set(sessions.map(({ refreshToken }) => refreshToken)).size, 1);
  (await whoami(sessions[0]?.accessToken ?? '')).is(200, User);
});

t.test('an unknown refresh token is told from a used one, and ends nothing', async () => {
  const { session } = await newPlayer(api);
  const [id = '', family = '', secret = ''] = session.refreshToken.split('.');
  const wrong = 'A'.repeat(secret.length);
  for (const token of [
    'x',
    `${id}.${family}`,
    `${id}.${'A'.repeat(family.length)}.${secret}`,
    `${typeId('ses').slice(4)}.${family}.${secret}`,
    `${session.refreshToken}x`,
    session.accessToken,
  ]) {
    (await refresh(token)).fails('refresh-token-invalid');
  }
  (await whoami(session.accessToken)).is(200, User);
  // The right family with a secret that is not the newest was ours once.
  (await refresh(`${id}.${family}.${wrong}`)).fails('refresh-token-reused');
  (await whoami(session.accessToken)).fails('unauthenticated');
});

t.test('logging out ends this session, its refresh token and its access tokens, and no other', async () => {
  (await api.post('/v1/auth/register', { username: 'two-phones', password: PASSWORD })).is(201, Session);
  const here = (await login('two-phones', PASSWORD)).is(200, Session);
  const there = (await login('two-phones', PASSWORD)).is(200, Session);
  const fresher = (await refresh(here.refreshToken)).is(200, Session);
  (await api.as(here.accessToken).post('/v1/auth/logout')).isEmpty(204);
  (await whoami(here.accessToken)).fails('unauthenticated');
  (await whoami(fresher.accessToken)).fails('unauthenticated');
  (await refresh(fresher.refreshToken)).problem();
  (await api.as(here.accessToken).post('/v1/auth/logout')).fails('unauthenticated');
  (await whoami(there.accessToken)).is(200, User);
  (await refresh(there.refreshToken)).is(200, Session);
});

t.test('a client that always sends a content type can log out', async () => {
  const player = await newPlayer(api);
  const headers = { 'content-type': 'application/json' };
  (await player.api.send('POST', '/v1/auth/logout', { headers })).isEmpty(204);
});

t.test('every instance knows of a session that is over, also one that starts later', async () => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const [left, reused] = [await newPlayer(api), await newPlayer(api)];
  (await left.api.at(other.url).get('/v1/users/me')).is(200, User);
  (await left.api.post('/v1/auth/logout')).isEmpty(204);
  const { refreshToken } = (await refresh(reused.session.refreshToken)).is(200, Session);
  (await refresh(refreshToken)).is(200, Session);
  (await refresh(reused.session.refreshToken, other.api)).fails('refresh-token-reused');
  await eventually(async () => (await left.api.at(other.url).get('/v1/users/me')).fails('unauthenticated'));
  await eventually(async () => (await reused.api.get('/v1/users/me')).fails('unauthenticated'));
  const later = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  for (const { api } of [left, reused])
    (await api.at(later.url).get('/v1/users/me')).fails('unauthenticated');
});

t.test('refreshing does not make a session live longer, and no access token outlives it', async (t) => {
  const short = await startApi(t, { REFRESH_TOKEN_TTL: 60 });
  const { session } = await newPlayer(short.api);
  t.ok(session.expiresIn <= 60 && session.refreshExpiresIn <= 60);
  await short.app.pg.pool.query("UPDATE sessions SET expires_at = expires_at - interval '30 seconds'");
  const next = (await refresh(session.refreshToken, short.api)).is(200, Session);
  t.ok(next.expiresIn <= 30 && next.refreshExpiresIn <= 30);
  await short.app.pg.pool.query("UPDATE sessions SET expires_at = now() - interval '1 second'");
  (await refresh(next.refreshToken, short.api)).fails('refresh-token-invalid');
  (await refresh(session.refreshToken, short.api)).fails('refresh-token-invalid');
});

t.test('only an access token of ours, as we make them, is let in', async (t) => {
  const { session } = await newPlayer(api);
  const [, payload = ''] = session.accessToken.split('.');
  const claims: object = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const header = { alg: 'HS256', typ: 'JWT' };
  (await whoami(jwt(header, claims, JWT_SECRET))).is(200, User);
  const now = Math.floor(Date.now() / 1000);
  const bad: Record<string, string> = {
    expired: jwt(header, { ...claims, exp: now - 1 }, JWT_SECRET),
    'without an expiry': jwt(header, { ...claims, exp: undefined }, JWT_SECRET),
    'without a time of issue': jwt(header, { ...claims, iat: undefined }, JWT_SECRET),
    'not yet valid': jwt(header, { ...claims, nbf: now + 60 }, JWT_SECRET),
    'of another issuer': jwt(header, { ...claims, iss: 'somebody' }, JWT_SECRET),
    'without an issuer': jwt(header, { ...claims, iss: undefined }, JWT_SECRET),
    'for another audience': jwt(header, { ...claims, aud: 'scoreboard-action' }, JWT_SECRET),
    'of an unknown role': jwt(header, { ...claims, role: 'root' }, JWT_SECRET),
    'for no user': jwt(header, { ...claims, sub: 'ada' }, JWT_SECRET),
    'without a session': jwt(header, { ...claims, sid: undefined }, JWT_SECRET),
    'of another type': jwt({ ...header, typ: 'action+jwt' }, claims, JWT_SECRET),
    'without a type': jwt({ alg: 'HS256' }, claims, JWT_SECRET),
    HS512: jwt({ ...header, alg: 'HS512' }, claims, JWT_SECRET, 'sha512'),
    'HS512 by name only': jwt({ ...header, alg: 'HS512' }, claims, JWT_SECRET),
    'not signed': `${jwt({ ...header, alg: 'none' }, claims, JWT_SECRET).replace(/[^.]*$/, '')}`,
    'critical extension': jwt({ ...header, crit: ['b64'], b64: false }, claims, JWT_SECRET),
    'signed by somebody else': jwt(header, claims, config.ACTION_TOKEN_SECRET),
    'no object': jwt(header, null, JWT_SECRET),
    'no JSON': `${Buffer.from('x').toString('base64url')}.e30.${'A'.repeat(43)}`,
    'no JWT': 'x',
  };
  for (const [what, token] of Object.entries(bad)) {
    const answer = await whoami(token);
    t.equal(answer.fails('unauthenticated').status, 401, what);
  }
  const last = session.accessToken.at(-1) ?? '';
  for (const other of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.replace(last, '')) {
    (await whoami(session.accessToken.slice(0, -1) + other)).fails('unauthenticated');
  }
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    session.accessToken,
    `Basic ${session.accessToken}`,
  ]) {
    (await api.get('/v1/users/me', { authorization })).fails('unauthenticated');
  }
  (await api.get('/v1/users/me', { authorization: `bearer ${session.accessToken}` })).is(200, User);
});

t.test('a token that was let in before is refused from its expiry on', async () => {
  const { session } = await newPlayer(api);
  const [, payload = ''] = session.accessToken.split('.');
  const claims: object = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const exp = Math.ceil(Date.now() / 1000) + 1;
  const token = jwt({ alg: 'HS256', typ: 'JWT' }, { ...claims, exp }, JWT_SECRET);
  for (let n = 0; n < 3; n++) (await whoami(token)).is(200, User);
  await sleep(exp * 1000 - Date.now() + 1);
  (await whoami(token)).fails('unauthenticated');
});

t.test('JWT_SECRET is rotated without an outage', async (t) => {
  const NEW_SECRET = 'another secret for access tokens, for tests';
  const { DATABASE_URL } = config;
  const before = await newPlayer(api);
  const ahead = await startApi(t, { DATABASE_URL, JWT_SECRET_PREVIOUS: NEW_SECRET });
  const rotated = await startApi(t, {
    DATABASE_URL,
    JWT_SECRET: NEW_SECRET,
    JWT_SECRET_PREVIOUS: JWT_SECRET,
  });
  const after = await newPlayer(rotated.api);
  const may = (player: { api: Api }, at: { url: string }) => player.api.at(at.url).get('/v1/users/me');
  (await may(before, rotated)).is(200, User);
  (await may(after, ahead)).is(200, User);
  (await may(after, service)).fails('unauthenticated');
  // A refresh is repeated by whichever secret the instances have.
  for (const { session } of [before, after]) {
    const lost = (await refresh(session.refreshToken, rotated.api)).is(200, Session);
    const again = (await refresh(session.refreshToken, ahead.api)).is(200, Session);
    t.equal(again.refreshToken, lost.refreshToken);
    const next = (await refresh(again.refreshToken, ahead.api)).is(200, Session);
    t.equal(
      (await refresh(again.refreshToken, rotated.api)).is(200, Session).refreshToken,
      next.refreshToken,
    );
  }
  // Afterwards the old secret is worth nothing.
  const done = await startApi(t, { DATABASE_URL, JWT_SECRET: NEW_SECRET });
  (await may(before, done)).fails('unauthenticated');
  (await may(after, done)).is(200, User);
  // A bad token is bad under two secrets as well.
  (await rotated.api.as(jwt({ alg: 'HS256', typ: 'JWT' }, {}, 'x')).get('/v1/users/me')).fails(
    'unauthenticated',
  );
});

t.test('a service account gets an access token by the client-credentials grant', async (t) => {
  const { id, secret } = await app.serviceAccounts.create('game server', 'server');
  const grant = { grant_type: 'client_credentials' };
  const form = (fields: Record<string, string>, headers?: Record<string, string>) =>
    api.send('POST', '/v1/auth/token', { body: new URLSearchParams(fields), ...(headers && { headers }) });
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
  });
  const answers = [
    await form({ ...grant, client_id: id, client_secret: secret }),
    await form({ ...grant, client_id: id, client_secret: secret, scope: 'scores' }),
    // What it does not know is ignored, and what has no value is omitted.
    await form({ ...grant, client_id: id, client_secret: secret, audience: 'x', ['__proto__']: 'x' }),
    await form({ ...grant, client_id: '', client_secret: '', scope: '' }, basic(id, secret)),
    await api.post('/v1/auth/token', { ...grant, client_id: id, client_secret: secret, resource: ['x'] }),
    await form(grant, basic(id, secret)),
    await api.post('/v1/auth/token', { ...grant, client_id: id, client_secret: secret }),
    await api.send('POST', '/v1/auth/token', { json: grant, headers: basic(id, secret) }),
  ];
  for (const answer of answers) {
    const token = answer.is(200, ServiceToken);
    t.match(token, { token_type: 'Bearer', expires_in: 86_400 });
    t.equal(answer.headers.get('cache-control'), 'no-store');
    const { displayName } = (await api.as(token.access_token).post('/v1/users', { displayName: 'Ada' })).is(
      201,
      User,
    );
    t.equal(displayName, 'Ada');
    (await api.as(token.access_token).get('/v1/users/me')).fails('forbidden');
    (await api.as(token.access_token).post('/v1/auth/logout')).fails('forbidden');
  }
  for (const answer of [
    await form({ ...grant, client_id: id, client_secret: 'wrong' }),
    await form({ ...grant, ['__proto__']: 'x' }),
    await form({ ...grant, client_id: typeId('svc'), client_secret: secret }),
    await form({ ...grant, client_id: '\u0001', client_secret: secret }),
    await form({ ...grant, client_id: id }),
    await form(grant),
    await form(grant, { authorization: 'Basic !' }),
    await form(grant, { authorization: `Basic ${Buffer.from('nocolon').toString('base64')}` }),
  ]) {
    answer.fails('invalid-credentials');
    t.match(answer.body, { error: 'invalid_client', error_description: /^[ !#-[\]-~]+$/ });
  }
  // Who tried HTTP Basic is told to go on with it.
  const challenge = async (headers?: Record<string, string>) =>
    (await form(grant, headers)).headers.get('www-authenticate');
  t.match(await challenge(basic(id, 'wrong')), /^Basic realm=/);
  t.match(await challenge({ authorization: 'basic !' }), /^Basic realm=/);
  t.equal(await challenge(), 'Bearer');
  for (const answer of [
    await form({ client_id: id, client_secret: secret }),
    await form({ grant_type: '', client_id: id, client_secret: secret }),
    await api.post('/v1/auth/token', { ...grant, client_id: 7, client_secret: secret }),
    await api.send('POST', '/v1/auth/token', {
      body: new URLSearchParams([
        ['grant_type', 'client_credentials'],
        ['client_id', id],
        ['client_id', id],
      ]),
    }),
    await api.send('POST', '/v1/auth/token', {
      body: new URLSearchParams([
        ['grant_type', 'client_credentials'],
        ['grant_type', 'client_credentials'],
      ]),
      headers: basic(id, secret),
    }),
    // Two ways at once: RFC 6749, section 2.3.
    await form({ ...grant, client_id: id, client_secret: secret }, basic(id, secret)),
  ]) {
    answer.fails('validation-failed');
    t.match(answer.body, { error: 'invalid_request', error_description: /^[ !#-[\]-~]+$/ });
  }
  for (const grant_type of ['password', 'client_credentials ']) {
    const answer = await form({ grant_type, client_id: id, client_secret: secret });
    answer.fails('validation-failed');
    t.match(answer.body, { error: 'unsupported_grant_type' });
  }
  const text = await api.send('POST', '/v1/auth/token', {
    body: 'x',
    headers: { 'content-type': 'text/plain' },
  });
  text.fails('unsupported-media-type');
  t.match(text.body, { error: 'invalid_request' });
});

t.test('forms are read by the token endpoint alone', async () => {
  const body = new URLSearchParams({ displayName: 'Ada' });
  (await api.send('POST', '/v1/auth/guest', { body })).fails('unsupported-media-type');
});

t.test('a password is stored as an argon2id hash, refresh tokens and secrets as hashes', async (t) => {
  const { session } = await newPlayer(api);
  const { rows } = await app.pg.pool.query("SELECT password_hash FROM users WHERE username = 'known'");
  t.match(rows[0].password_hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  const dump = await app.pg.pool.query(
    'SELECT s::text FROM sessions s UNION SELECT s::text FROM service_accounts s',
  );
  const stored = dump.rows.map(Object.values).join();
  for (const part of session.refreshToken.split('.').slice(1)) {
    t.notOk(stored.includes(part));
    t.notOk(stored.includes(Buffer.from(part).toString('hex')));
  }
});

t.test('anybody may read who a user is, but not its username', async (t) => {
  const { id, session } = await newPlayer(api, 'Public');
  const { createdAt } = session.user;
  t.same((await api.get(`/v1/users/${id}`)).is(200, PublicUser), { id, displayName: 'Public', createdAt });
});

t.test('a password is the same on every keyboard, also one that was hashed as it was typed', async (t) => {
  const [composed, decomposed] = ['Zo\u00eb geheim', 'Zoe\u0308 geheim'];
  (await api.post('/v1/auth/register', { username: 'zoe', password: decomposed })).is(201, Session);
  (await login('zoe', composed)).is(200, Session);
  const stored = async (hash: string | null) => {
    const { rows } = await app.pg.pool.query(
      "UPDATE users SET password_hash = coalesce($1, password_hash) WHERE username = 'zoe' RETURNING password_hash",
      [hash],
    );
    return String(rows[0].password_hash);
  };
  const old = await stored(await hash(decomposed));
  (await login('zoe', 'Zoe geheim')).fails('invalid-credentials');
  (await login('zoe', composed)).fails('invalid-credentials');
  t.equal(await stored(null), old);
  (await login('zoe', decomposed)).is(200, Session);
  t.not(await stored(null), old, 'hashed again');
  for (const password of [composed, decomposed]) (await login('zoe', password)).is(200, Session);
  const longest = '\u1ed3'.repeat(256);
  (await api.post('/v1/auth/register', { username: 'hong', password: longest })).is(201, Session);
  (await login('hong', longest.normalize('NFD'))).is(200, Session);
});
