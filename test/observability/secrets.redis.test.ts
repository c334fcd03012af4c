import t from 'tap';
import { Session } from '../../schemas/session.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase, testConfig } from '../helper.js';
import { LogLines } from '../log-lines.js';
import { mint } from '../mint.js';
import { exchange } from '../raw-http.js';
import { RedisServer } from '../redis-server.js';

const REDIS_PASSWORD = 'redis-password-never-to-be-logged';

t.test('no secret is ever in a line, whatever is done with it and whatever fails', async (t) => {
  const lines = new LogLines();
  const redis = await RedisServer.start(t, { requirepass: REDIS_PASSWORD });
  const databaseUrl = await buildTestDatabase(t);
  const proxy = await PostgresProxy.open(t, Number(new URL(databaseUrl).port));
  const { app, api, url } = await startApi(
    t,
    {
      LOG_LEVEL: 'trace',
      DATABASE_URL: proxy.via(databaseUrl),
      REDIS_MODE: 'single',
      REDIS_URL: redis.url.replace('redis://', `redis://:${REDIS_PASSWORD}@`),
    },
    lines,
  );
  const { JWT_SECRET, ACTION_TOKEN_SECRET } = testConfig(databaseUrl);
  const { password: databasePassword } = new URL(databaseUrl);
  const secrets = [JWT_SECRET, ACTION_TOKEN_SECRET, REDIS_PASSWORD, databasePassword];
  /** Something that must not be logged from here on. */
  const secret = <T extends string>(text: T): T => {
    secrets.push(text);
    return text;
  };
  const password = secret('a-password-never-to-be-logged');
  const cookie = secret('a-cookie-never-to-be-logged');
  const query = secret('a-query-never-to-be-logged');
  const headers = { cookie: `session=${cookie}`, 'x-api-key': cookie };

  const player = await newPlayer(api);
  const everywhere = async (): Promise<void> => {
    const credentials = { username: `Ada${Math.random().toString(36).slice(2)}`, password };
    const registered = await api.send('POST', `/v1/auth/register?key=${query}`, {
      json: credentials,
      headers,
    });
    const session = registered.status === 201 ? registered.is(201, Session) : undefined;
    const accessToken = secret(player.session.accessToken);
    const refreshToken = secret(session?.refreshToken ?? 'a-refresh-token-never-to-be-logged');
    const actionToken = secret(mint(player.id));
    const account = await app.serviceAccounts
      .create(`account ${Math.random()}`, 'server')
      .catch(() => ({ id: 'svc_01kcx7f0w3e5tt9m6d7kq2x1zb', secret: 'a-client-secret-never-to-be-logged' }));
    secret(account.secret);
    const as = api.as(accessToken);
    await api.post('/v1/auth/login', credentials);
    await api.post('/v1/auth/login', { ...credentials, password: `${password}!` });
    await api.post('/v1/auth/login', { ...credentials, [password]: password });
    await api.send('POST', '/v1/auth/login', {
      body: `{"username": "ada", "password": ${password}`,
      headers: { 'content-type': 'application/json' },
    });
    await api.post('/v1/auth/token', {
      grant_type: 'client_credentials',
      client_id: account.id,
      client_secret: account.secret,
    });
    await api.send('POST', '/v1/auth/token', {
      body: 'grant_type=client_credentials',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${account.id}:${account.secret}`).toString('base64')}`,
      },
    });
    await as.post('/v1/scores', { actionToken });
    await as.post('/v1/scores', { actionToken });
    await as.post('/v1/scores', { actionToken: `${actionToken}x`, metadata: { password } });
    await api.as(`${accessToken}x`).get('/v1/users/me');
    await api.get('/v1/users/me', { authorization: `Bearer ${actionToken}` });
    await api.get(`/v1/leaderboards/global/entries?cursor=${encodeURIComponent(query)}`);
    await api.get(`/${query}/of/nothing`);
    await api.get(`/v1/users/${query}`);
    await exchange(
      url,
      `GET /%zz${query} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
    );
    await exchange(url, `${query} ${query}\r\n\r\n`).catch(() => {});
    await api.post('/v1/auth/refresh', { refreshToken });
    await api.post('/v1/auth/refresh', { refreshToken });
  };

  await everywhere();
  const well = lines.all.length;
  await redis.kill();
  await lines.first('Redis error');
  proxy.target = null;
  proxy.cut();
  await everywhere();
  await lines.first('Failed to update score');
  proxy.target = Number(new URL(databaseUrl).port);
  await app.pg.query("ALTER TABLE users ADD CHECK (username NOT LIKE 'ada%')").catch(() => {});
  await eventually(async () => {
    await api.post('/v1/auth/register', { username: `ada${Date.now()}`, password });
    await lines.first('Database error');
  });

  t.ok(lines.all.length > well && well > 30, `${lines.all.length} lines, ${secrets.length} secrets`);
  const leaked = secrets.filter((text) => text !== '' && lines.text.includes(text));
  t.same(leaked, []);
  // A JWT is recognised by its beginning even where only a part of it is shown.
  t.notMatch(lines.text, /eyJ[\w-]{10}/);
});
