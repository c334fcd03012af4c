import t from 'tap';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { ScoreEvents, User } from '../../schemas/user.js';
import { type Api, newPlayer, serviceApi, startApi } from '../api.js';
import { openRaw } from '../live/live-server.js';
import { mint, typeId } from '../mint.js';
import { resultOn } from '../receipts.js';

const service = await startApi(t);
const { api, url } = service;
const server = await serviceApi(service, 'server');
const admin = await serviceApi(service, 'admin');

const json = (as: Api, method: string, path: string, body: string) =>
  as.send(method, path, { body, headers: { 'content-type': 'application/json' } });

t.test('no body and no query reaches a prototype', async (t) => {
  const player = await newPlayer(api);
  const poison = [
    '{"__proto__":{"role":"admin"}}',
    '{"displayName":"Eve","__proto__":{"role":"admin"}}',
    '{"displayName":"Eve","\\u005f_proto__":{"role":"admin"}}',
    '{"displayName":"Eve","constructor":{"prototype":{"role":"admin"}}}',
    '{"__proto__":null}',
    '{"hasOwnProperty":1}',
  ];
  for (const body of poison) {
    for (const path of ['/v1/auth/guest', '/v1/auth/register', '/v1/auth/login', '/v1/auth/token'])
      t.equal((await json(api, 'POST', path, body)).status, 400, `${path} ${body}`);
    t.equal((await json(player.api, 'PATCH', '/v1/users/me', body)).status, 400, body);
  }
  const actionToken = mint(player.id);
  const metadata = '{"a":{"__proto__":{"role":"admin"}}}';
  const refused = await json(
    player.api,
    'POST',
    '/v1/scores',
    `{"actionToken":"${actionToken}","metadata":${metadata}}`,
  );
  t.equal(refused.fails('validation-failed').detail, '/metadata/a must not have the property "__proto__"');
  for (const query of ['__proto__[role]=admin', '__proto__=x', 'constructor.prototype=x', 'toString=x']) {
    (await api.get(`/v1/leaderboards/global/entries?${query}`)).is(200, Entries);
  }
  t.equal(Reflect.get({}, 'role'), undefined);
  // What only looks like one is kept as it came.
  const kept = { proto: { __proto: 1 }, prototype: 'x', constructor: { prototype: 'Ferrari' } };
  (await player.api.post('/v1/scores', { actionToken, metadata: kept })).is(200, Receipt);
  t.match((await player.api.get('/v1/users/me/events')).is(200, ScoreEvents).items, [{ metadata: kept }]);
});

t.test('integers are exact up to 2^53 - 1, and refused beyond', async (t) => {
  const MAX = Number.MAX_SAFE_INTEGER;
  const player = await newPlayer(api);
  const post = (points: string, pts: [number, number] = [-MAX, MAX]) =>
    json(server, 'POST', '/v1/scores', `{"actionToken":"${mint(player.id, { pts })}","points":${points}}`);
  const score = async (points: string) => resultOn('global', (await post(points)).is(200, Receipt))?.score;
  t.equal(await score(String(MAX)), MAX);
  (await post('1')).fails('points-out-of-range');
  t.equal(await score(String(-MAX)), 0);
  t.equal(await score(String(-MAX)), -MAX);
  (await post('-1')).fails('points-out-of-range');
  t.equal(await score('-0'), -MAX);
  for (const points of [
    '9007199254740992',
    '-9007199254740992',
    '9007199254740993',
    '1e16',
    '1e400',
    '-1e400',
    '0.5',
    '18446744073709551616',
    '"1"',
    'true',
    'null',
    '[1]',
  ])
    (await post(points)).fails('validation-failed');
  for (const points of ['NaN', 'Infinity', '0x10', '01', '1_000'])
    (await post(points)).fails('malformed-json');
  for (const limit of [
    '9007199254740992',
    '1e3',
    '1e1',
    '0x10',
    ' 10',
    '10 ',
    '+1',
    '0b1',
    '١٠',
    '10\0',
    '-1',
    'NaN',
    '',
    '1.5',
    '10; DROP TABLE users',
  ])
    (await api.get(`/v1/leaderboards/global/entries?limit=${encodeURIComponent(limit)}`)).fails(
      'validation-failed',
    );
});

/** Texts that would show as something else than they are, or do something to the line they are in. */
const MISLEADING = {
  'a right-to-left override': 'Ada\u202egpj.exe',
  'a right-to-left embedding': '\u202bAda',
  'an isolate': '\u2066Ada\u2069',
  'a right-to-left mark': 'Ada\u200f',
  'a zero-width space': 'A\u200bda',
  'a soft hyphen': 'A\u00adda',
  'a byte-order mark': 'A\ufeffda',
  'a newline': 'Ada\nBob',
  'a carriage return': 'Ada\rBob',
  'a NUL': 'Ada\0',
  'an escape': '\u001b[2JAda',
  'a C1 control': 'Ada\u0085',
  'a line separator': 'Ada\u2028Bob',
  'a paragraph separator': 'Ada\u2029Bob',
  'a lone surrogate': 'Ada\ud800',
  'a tag': 'Ada\u{e0041}',
  'a Hangul filler': '\u3164',
  'only blanks': ' \u00a0 ',
  'a tower of marks': `A${'\u0301\u0302'.repeat(20)}`,
};

t.test('a name or a title shows what it is, wherever it comes in', async (t) => {
  const player = await newPlayer(api);
  const rules = { sort: 'desc', operator: 'best' };
  const action = { points: { min: 1, max: 2 }, leaderboards: ['global'], issuer: 'player', minDurationMs: 0 };
  for (const [what, text] of Object.entries(MISLEADING)) {
    for (const answer of [
      await api.post('/v1/auth/guest', { displayName: text }),
      await api.post('/v1/auth/register', {
        username: 'never-made',
        password: 'x'.repeat(9),
        displayName: text,
      }),
      await player.api.patch('/v1/users/me', { displayName: text }),
      await server.post('/v1/users', { displayName: text }),
      await admin.put('/v1/admin/leaderboards/misleading', { ...rules, title: text }),
      await admin.put('/v1/admin/actions/misleading', { ...action, title: text }),
    ])
      t.match(answer.problem(), { status: 400, code: /^(validation-failed|malformed-json)$/ }, what);
  }
  for (const text of [
    'Ada',
    'Łukasz',
    'ندى',
    'क्‍ष',
    '👩‍🚀 Zoë',
    '愛',
    '<b>Ada</b>',
    "Robert'); DROP TABLE users;--",
  ]) {
    t.equal((await player.api.patch('/v1/users/me', { displayName: text })).is(200, User).displayName, text);
    const title = { ...rules, title: text };
    t.equal((await admin.put('/v1/admin/leaderboards/titled', title)).is(200, Leaderboard).title, text);
  }
  const decomposed = 'Zoe\u0308';
  const { displayName } = (await player.api.patch('/v1/users/me', { displayName: decomposed })).is(200, User);
  t.equal(displayName, 'Zo\u00eb', 'in form NFC');
});

t.test('a name cannot speak in a stream, and is text in every answer', async (t) => {
  const MARKUP = '<img src=x onerror=alert(1)>';
  const player = await newPlayer(api, MARKUP);
  (await server.post('/v1/scores', { actionToken: mint(player.id) })).is(200, Receipt);
  const last = 'x\r\ndata: {"total":0}';
  const live = await openRaw(t, `${url}/v1/leaderboards/global/stream?limit=100&user=${player.id}`, {
    'last-event-id': 'x: y',
  });
  await live.until(/onerror/);
  for (const name of [`${last}\n\n`, 'x\nevent: rank', 'x\rid: 7'])
    (await player.api.patch('/v1/users/me', { displayName: name })).fails('validation-failed');
  live.text = '';
  (await player.api.patch('/v1/users/me', { displayName: ': data: id: event:' })).is(200, User);
  await live.until(/: data: id: event:[^\n]*\n\n/);
  for (const line of live.text.split('\n')) t.match(line, /^(|: .*|(id|event|retry|data): .*)$/);
  for (const data of live.text.matchAll(/^data: (.*)$/gm)) t.doesNotThrow(() => JSON.parse(data[1] ?? ''));

  for (const path of [`/v1/users/${player.id}`, '/v1/leaderboards/global/entries']) {
    const { headers } = await fetch(url + path);
    t.match(headers.get('content-type'), /^application\/json/);
    t.equal(headers.get('x-content-type-options'), 'nosniff');
  }
  // Nor does what was asked for come back as a page.
  const { headers } = await fetch(`${url}/<script>alert(1)</script>`);
  t.match(headers.get('content-type'), /^application\/problem\+json/);
});

/** What no answer may tell: stacks, files, SQL, names of libraries and of tables. */
const INTERNAL =
  /\bat .+:\d+:\d+|node_modules|\.[jt]s:\d|\/dist\/|SELECT |INSERT |UPDATE |syntax error|relation "|column "|pg_|SQLSTATE|ECONN|FAST_JWT|ioredis|password_hash|sort_key/;

t.test('whatever is sent, the answer is never a 500 and tells nothing of the inside', async (t) => {
  const { session } = await newPlayer(api);
  const hostile = [
    "' OR '1'='1",
    "1'; DROP TABLE users;--",
    '../../../etc/passwd',
    '%00',
    '\0',
    '{{7*7}}',
    '$where',
    '\ud800',
    'x'.repeat(4_000),
    -1,
    2 ** 53,
    1e308,
    null,
    true,
    [],
    {},
    [['x']],
    { $ne: null },
  ];
  let answers = 0;
  for (const [template, methods] of Object.entries(api.document.paths)) {
    if (template.endsWith('/stream')) continue;
    for (const [method, operation] of Object.entries(methods)) {
      const [media] = Object.values(operation.requestBody?.content ?? {});
      const fields = Object.keys(Object(media?.example));
      for (const value of hostile) {
        const inPath = encodeURIComponent(
          typeof value === 'string' ? value.slice(0, 90).replaceAll(/\p{Cs}/gu, '?') : JSON.stringify(value),
        );
        const path = `${template.replaceAll(/\{\w+\}/g, inPath)}?limit=${inPath}&cursor=${inPath}&userIds=${inPath}`;
        const bodies =
          fields.length === 0
            ? [undefined]
            : fields.map((field) => ({ ...Object(media?.example), [field]: value }));
        for (const body of [value, ...bodies]) {
          const response = await fetch(url + (template.includes('{') ? path : template), {
            method: method.toUpperCase(),
            headers: {
              authorization: `Bearer ${session.accessToken}`,
              ...(body !== undefined && { 'content-type': 'application/json' }),
            },
            body: method === 'get' || body === undefined ? null : JSON.stringify(body),
          });
          const text = await response.text();
          answers++;
          if (response.status >= 500)
            t.fail(`${method} ${path} ${JSON.stringify(body)?.slice(0, 200)} → ${text}`);
          if (INTERNAL.test(text))
            t.fail(`${method} ${path} tells ${INTERNAL.exec(text)?.[0]}: ${text.slice(0, 300)}`);
        }
      }
    }
  }
  t.ok(answers > 500, `${answers} answers`);
  (await api.get(`/v1/users/${typeId('usr')}`)).fails('not-found');
});
