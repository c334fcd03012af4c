import t from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { bodyValidators, serializers, textValidators } from '../../src/http/schema-compilers.js';
import { documentOf, newPlayer, serviceApi, startApi } from '../api.js';
import { buildTestApp } from '../helper.js';
import { mint } from '../mint.js';
import { exchange } from '../raw-http.js';

const compiled = () => [bodyValidators.size, textValidators.size, serializers.size];

t.test('equal response schemas are compiled once, also for a second app in the process', async (t) => {
  const { paths } = documentOf(await buildTestApp(t));
  const responses = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap((operation) => Object.values(operation.responses))
    .flatMap(({ content = {} }) => Object.values(content))
    .map(({ schema }) => JSON.stringify(schema));
  t.ok(
    serializers.size * 5 < responses.length,
    `${responses.length} response schemas of the document, ${new Set(responses).size} different, ${serializers.size} compiled`,
  );

  const before = compiled();
  await buildTestApp(t);
  t.same(compiled(), before);
});

t.test('bytes that are no text are nobody, and poison nothing', async (t) => {
  const service = await startApi(t);
  const { api, app } = service;
  const server = await serviceApi(service, 'server');
  const send = (as: typeof api, method: string, path: string, body: string) =>
    as.send(method, path, {
      body: Buffer.from(body, 'latin1'),
      headers: { 'content-type': 'application/json' },
    });
  for (const id of ['clan:J\xf6rg', 'clan:J\xe4rg', 'a\\u0000b', 'a\\ud800'])
    (await send(server, 'POST', '/v1/users', `{"displayName":"Jo","externalId":"${id}"}`)).fails(
      'malformed-json',
    );
  const ids = new Set<string>();
  for (const externalId of ['clan:Jörg', 'clan:Järg'])
    ids.add((await server.post('/v1/users', { displayName: 'Jörg', externalId })).is(201, User).id);
  t.equal(ids.size, 2);

  const username = 'joerg';
  (
    await send(api, 'POST', '/v1/auth/register', `{"username":"${username}","password":"geheim\xf6\xf6"}`)
  ).fails('malformed-json');
  (await api.post('/v1/auth/register', { username, password: 'geheim\ufffd\ufffd' })).is(201, Session);
  for (const password of ['geheim\xf6\xf6', 'geheim\\ud800\\ud800'])
    (await send(api, 'POST', '/v1/auth/login', `{"username":"${username}","password":"${password}"}`)).fails(
      'malformed-json',
    );

  const player = await newPlayer(api);
  const score = (metadata: string) =>
    send(player.api, 'POST', '/v1/scores', `{"actionToken":"${mint(player.id)}","metadata":${metadata}}`);
  for (const metadata of ['{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":["\\udfff"]}', '{"a":"\xff"}'])
    (await score(metadata)).fails('malformed-json');
  for (const metadata of ['{"match":9007199254740993}', '{"a":{"__proto__":1}}', '{"a":1e999}'])
    (await score(metadata)).fails('validation-failed');
  (await score('{"\\u00f6":"\\ud83d\\ude00","half":0.5}')).is(200, Receipt);
  const { items } = (await player.api.get('/v1/users/me/events')).is(200, ScoreEvents);
  t.same(items[0]?.metadata, { ö: '😀', half: 0.5 });
  // What operators ask of the whole table.
  const { rows } = await app.pg.query(
    `SELECT metadata->>'ö' AS value FROM score_events WHERE metadata::text <> ''`,
  );
  t.same(rows, [{ value: '😀' }]);
});

t.test('of a query string only what is known is looked at, and that strictly', async (t) => {
  const { api, url } = await startApi(t);
  const entries = '/v1/leaderboards/global/entries';
  for (const query of [
    'lastEventId=a-7',
    '_=1717',
    'utm_source=%E9&fbclid=%',
    'a%00=%00',
    '__proto__=1&toString=2',
    'LIMIT=x',
  ])
    (await api.get(`${entries}?limit=1&${query}`)).is(200, Entries);
  for (const query of [
    'limit=%ff',
    'cursor=%E9',
    'cursor=a%00b',
    'cursor=%ED%A0%80',
    'cursor=%',
    'limit=1%00',
  ])
    (await api.get(`${entries}?${query}`)).fails('validation-failed');
  const raw = (path: string) => exchange(url, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  (await raw(`${entries}?cursor=J\u00f6rg`)).fails('validation-failed');
  for (const id of ['%ff', 'a%00', '%ED%A0%80', '%C3%B6', '%'])
    for (const path of [
      `/v1/leaderboards/${id}`,
      `/v1/users/${id}`,
      `/v1/leaderboards/global/entries/${id}/around`,
    ])
      (await api.get(path)).fails('validation-failed');
});

t.test('a form is a body too', async (t) => {
  const service = await startApi(t);
  const { id, secret } = await service.app.serviceAccounts.create('tower', 'server');
  const token = (body: string, type = 'application/x-www-form-urlencoded') =>
    service.api.send('POST', '/v1/auth/token', {
      body: Buffer.from(body, 'latin1'),
      headers: { 'content-type': type },
    });
  const form = `grant_type=client_credentials&client_id=${id}&client_secret=`;
  t.equal((await token(form + secret)).status, 200);
  for (const bad of ['%ff', '\xff', '%00', '%']) (await token(form + bad)).fails('malformed-json');
  (await token(`${form}${secret}&client_id=${id}`)).fails('validation-failed');
  (await token(form + secret, 'application/x-www-form-urlencoded; charset=latin1')).fails(
    'unsupported-media-type',
  );
});
