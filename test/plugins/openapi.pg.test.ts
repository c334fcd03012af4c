import assert from 'node:assert/strict';
import { Type } from '@sinclair/typebox';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import pLimit from 'p-limit';
import t from 'tap';
import { FORMATS } from '../../schemas/common.js';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { standard } from '../../src/webhooks/standard.js';
import {
  conform,
  type Document,
  eventually,
  newPlayer,
  type Operation,
  serviceApi,
  startApi,
} from '../api.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase } from '../helper.js';
import { typeId } from '../mint.js';

const service = await startApi(t);
const { api, app } = service;
const { document } = api;

interface Named {
  readonly name: string;
  readonly method: string;
  /** With something in the place of each parameter. */
  readonly path: string;
  readonly operation: Operation;
}

/** Queries that operations need, by the last part of their path. */
const REQUIRED: Readonly<Record<string, string>> = {
  batch: `?userIds=${typeId('usr')}`,
  'rank-of': '?score=1',
  'score-at': '?rank=1',
};

function operationsOf({ paths }: Document): Named[] {
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${template}`,
      method: method.toUpperCase(),
      path:
        template
          .replace('{userId}', typeId('usr'))
          .replace('/users/{id}', `/users/${typeId('usr')}`)
          .replace('/events/{id}', `/events/${typeId('evt')}`)
          .replace('/service-accounts/{id}', `/service-accounts/${typeId('svc')}`)
          .replace('{season}', '1')
          .replace('/webhooks/{id}', `/webhooks/${typeId('whk')}`)
          .replace('/acts/{id}', `/acts/${typeId('aud')}`)
          .replace('{id}', 'global') + (REQUIRED[template.replace(/.*\//, '')] ?? ''),
      operation,
    })),
  );
}

const Body = Type.Object({
  content: Type.Object({ 'application/json': Type.Object({ schema: Type.Object({}) }) }),
});
const Webhooks = Type.Object({
  webhooks: Type.Record(Type.String(), Type.Object({ post: Type.Object({ requestBody: Body }) })),
});

const all = operationsOf(document);
/** A stream does not end, so it is not for these tests. */
const ending = all.filter(({ path }) => !path.endsWith('/stream'));
const isSecured = ({ operation }: Named) =>
  operation.security.some((scheme) => 'bearer' in scheme || 'session' in scheme);

t.test('the document has every endpoint of the contract, and no other', async (t) => {
  t.same(
    all.map(({ name }) => name).sort(),
    [
      'POST /v1/auth/guest',
      'POST /v1/auth/register',
      'POST /v1/auth/login',
      'POST /v1/auth/refresh',
      'POST /v1/auth/logout',
      'POST /v1/auth/token',
      'GET /v1/users/me',
      'PATCH /v1/users/me',
      'DELETE /v1/users/me',
      'POST /v1/users/me/credentials',
      'GET /v1/users/me/events',
      'POST /v1/users',
      'GET /v1/users/me/export',
      'POST /v1/users/batch',
      'POST /v1/users/{id}/sessions',
      'GET /v1/users',
      'GET /v1/users/{id}',
      'PATCH /v1/users/{id}',
      'GET /v1/users/{id}/entries',
      'GET /v1/users/{id}/seasons',
      'GET /v1/actions',
      'POST /v1/action-tokens',
      'POST /v1/scores',
      'POST /v1/scores/batch',
      'GET /v1/leaderboards',
      'GET /v1/leaderboards/{id}',
      'GET /v1/leaderboards/{id}/entries',
      'GET /v1/leaderboards/{id}/entries/batch',
      'POST /v1/leaderboards/{id}/entries/batch',
      'GET /v1/leaderboards/{id}/entries/{userId}',
      'GET /v1/leaderboards/{id}/entries/{userId}/around',
      'GET /v1/leaderboards/{id}/entries/{userId}/why',
      'GET /v1/leaderboards/{id}/rank-of',
      'GET /v1/leaderboards/{id}/score-at',
      'GET /v1/leaderboards/{id}/histogram',
      'GET /v1/leaderboards/{id}/seasons',
      'GET /v1/leaderboards/{id}/stream',
      'GET /v1/stream',
      'GET /v1/admin/overview',
      'PUT /v1/admin/leaderboards/{id}',
      'DELETE /v1/admin/leaderboards/{id}',
      'POST /v1/admin/leaderboards/{id}/freeze',
      'POST /v1/admin/leaderboards/{id}/unfreeze',
      'POST /v1/admin/leaderboards/{id}/seasons',
      'PATCH /v1/admin/leaderboards/{id}/seasons/{season}',
      'PUT /v1/admin/actions/{id}',
      'DELETE /v1/admin/actions/{id}',
      'GET /v1/admin/events',
      'POST /v1/admin/events/{id}/release',
      'POST /v1/admin/events/{id}/void',
      'POST /v1/admin/events/void',
      'GET /v1/admin/acts/{id}',
      'POST /v1/admin/acts/{id}/undo',
      'DELETE /v1/admin/leaderboards/{id}/entries/{userId}',
      'GET /v1/admin/users',
      'GET /v1/admin/leaderboards',
      'GET /v1/admin/actions',
      'GET /v1/admin/users/{id}',
      'PATCH /v1/admin/users/{id}',
      'DELETE /v1/admin/users/{id}',
      'DELETE /v1/admin/users/{id}/sessions',
      'POST /v1/admin/users/{id}/ban',
      'POST /v1/admin/users/{id}/unban',
      'GET /v1/admin/audit',
      'POST /v1/admin/session',
      'GET /v1/admin/session',
      'DELETE /v1/admin/session',
      'GET /v1/admin/service-accounts',
      'POST /v1/admin/service-accounts',
      'GET /v1/admin/service-accounts/{id}',
      'POST /v1/admin/service-accounts/{id}/rotate',
      'POST /v1/admin/service-accounts/{id}/revoke',
      'POST /v1/admin/imports',
      'GET /v1/admin/imports',
      'GET /v1/admin/imports/{id}',
      'GET /v1/admin/exports',
      'GET /v1/admin/exports/events',
      'GET /v1/admin/users/{id}/export',
      'POST /v1/admin/webhooks',
      'GET /v1/admin/webhooks',
      'GET /v1/admin/webhooks/{id}',
      'PATCH /v1/admin/webhooks/{id}',
      'DELETE /v1/admin/webhooks/{id}',
      'POST /v1/admin/webhooks/{id}/rotate',
      'POST /v1/admin/webhooks/{id}/test',
      'GET /v1/admin/webhooks/{id}/deliveries',
      'POST /v1/admin/webhooks/{id}/replay',
      'GET /health',
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
    ].sort(),
  );
});

t.test('every operation is described, has an example, and documents its security', async (t) => {
  const tags = ['Auth', 'Users', 'Actions', 'Scores', 'Leaderboards', 'Admin', 'Service'];
  for (const { name, path, operation } of all) {
    t.ok(
      operation.tags.every((tag) => tags.includes(tag)),
      name,
    );
    const answers = Object.entries(operation.responses);
    for (const [status, { description }] of answers)
      t.not(description, 'Default Response', `${name} ${status}`);
    const contents = [
      operation.requestBody,
      ...answers.map(([status, answer]) => (status < '300' ? answer : undefined)),
    ];
    const examples = contents
      .flatMap((content) => Object.values(content?.content ?? {}))
      .map(({ example }) => example);
    if (operation.responses['204'] === undefined) t.ok(examples.length > 0, name);
    for (const example of examples) t.not(example, undefined, name);
    const parameters = operation.parameters ?? [];
    t.same(
      parameters
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => `{${parameter.name}}`)
        .sort(),
      (name.match(/\{\w+\}/g) ?? []).sort(),
    );
    for (const { name: parameter, required, schema } of parameters) {
      t.ok(
        !required || !Object.hasOwn(Object(schema), 'default'),
        `${name}: ${parameter} has a default, so it is optional`,
      );
    }
    t.ok(
      /^\/(health|metrics)/.test(path) ||
        ['429', '500', '503'].every((status) => status in operation.responses),
      name,
    );
  }
});

t.test(
  'every schema is one, every reference leads somewhere, every example is as its schema says',
  async (t) => {
    t.equal(document.openapi, '3.1.0');
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
    const root = Type.Unsafe<object>({ ...document, $id: 'openapi' });
    ajv.addSchema(root);
    let references = 0;
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('$ref' in value && typeof value.$ref === 'string') {
        references++;
        t.ok(ajv.getSchema(`openapi${value.$ref}`), `${path}: ${value.$ref}`);
      }
      if ('schema' in value && typeof value.schema === 'object' && value.schema !== null) {
        t.ok(ajv.validateSchema(value.schema), `${path}: ${ajv.errorsText()}`);
        if ('example' in value) {
          const pointer = `openapi#${path}/schema`;
          t.ok(ajv.validate(pointer, value.example), `${path}: ${ajv.errorsText()}`);
        }
      }
      for (const [key, child] of Object.entries(value)) {
        visit(child, `${path}/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`);
      }
    };
    visit(document, '');
    t.ok(references > 100);
  },
);

t.test('it has the body of each event, as it is posted to webhooks', async (t) => {
  const whole: unknown = await (await fetch(`${service.url}/openapi.json`)).json();
  conform(Webhooks, whole, 'openapi.json');
  const { webhooks } = whole;
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
  const userId = typeId('usr');
  const at = '2026-06-14T22:00:00.000Z';
  const season = { leaderboard: 'global', season: 7 };
  const span = { ...season, label: null, startsAt: null, endsAt: at };
  const top = [{ rank: 1, userId, score: 7 }];
  const events: WebhookEvent[] = [
    { type: 'season.ended', data: span },
    { type: 'season.final', data: { ...span, entries: 1, digest: 'ab'.repeat(32), revision: 1, top } },
    {
      type: 'season.skipped',
      data: { leaderboard: 'global', firstSeason: 7, lastSeason: 8, startsAt: at, endsAt: at },
    },
    { type: 'leader.changed', data: { ...season, userId, score: 7, previousUserId: null } },
    { type: 'event.held', data: { eventId: typeId('evt'), userId, action: 'win-match', points: 7 } },
    { type: 'user.banned', data: { userId } },
    { type: 'webhook.test', data: {} },
  ];
  t.same(events.map(({ type }) => type).sort(), Object.keys(webhooks).sort());
  const names = {
    users: new Map([[userId, 'Ada']]),
    leaderboards: new Map(),
    units: new Map([['global 7', { kind: 'duration' as const }]]),
  };
  for (const event of events) {
    const schema = webhooks[event.type]?.post.requestBody.content['application/json'].schema;
    const body = standard.bodyOf({ ...event, id: typeId('msg'), at }, names);
    assert(schema !== undefined);
    const strict = JSON.stringify(schema).replaceAll(
      '"type":"object"',
      '"type":"object","additionalProperties":false',
    );
    t.ok(ajv.validate(JSON.parse(strict), body), `${event.type}: ${ajv.errorsText()}`);
  }
});

t.test('other languages can read it: names, enumerations, patterns', async (t) => {
  const names = all.map(({ operation }) => operation.operationId);
  t.equal(new Set(names).size, names.length);
  for (const name of names) t.match(name, /^[a-z]+([A-Z][a-z]+)*$/);
  let enumerations = 0;
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('enum' in value && Array.isArray(value.enum)) enumerations++;
    if ('anyOf' in value && Array.isArray(value.anyOf)) {
      const enumerated = value.anyOf.filter((option) => 'enum' in Object(option));
      t.ok(enumerated.length < 2, `${path} is one enumeration`);
    }
    // What JavaScript alone has: properties and code points in braces, named groups, sticky things.
    if ('pattern' in value && typeof value.pattern === 'string')
      t.notMatch(value.pattern, /\\[pPukc]|\(\?/, `${path}: ${value.pattern}`);
    for (const [key, child] of Object.entries(value)) visit(child, `${path}/${key}`);
  };
  visit(document, '');
  t.ok(enumerations > 10);
});

t.test('a body that may be left out is not required', async (t) => {
  for (const { name, operation } of all) {
    const { requestBody } = operation;
    if (requestBody !== undefined)
      t.equal(requestBody.required, !/\/guest$|service-accounts.*\/rotate$/.test(name), name);
  }
});

t.test('it is served, and so is a page to try it on', async (t) => {
  t.same((await api.get('/openapi.json')).body, app.swagger());
  const page = await api.get('/docs');
  t.equal(page.status, 200);
  t.match(page.headers.get('content-type'), /^text\/html/);
  const assets = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
  t.ok(assets.length >= 4);
  for (const path of assets) t.equal((await api.get(path)).status, 200, path);
});

t.test('what says that it needs a token does, and nothing else', async (t) => {
  for (const named of ending) {
    const { name, method, path } = named;
    const answer = await api.send(method, path, { ...(method !== 'GET' && { json: {} }) });
    if (isSecured(named)) answer.fails('unauthenticated');
    else t.not(answer.status, 401, name);
    if (isSecured(named)) (await api.as('not.a.token').send(method, path)).fails('unauthenticated');
  }
});

t.test('what reads a body refuses what is none, and what it does not know', async (t) => {
  const [admin, server] = [await serviceApi(service, 'admin'), await serviceApi(service, 'server')];
  const player = await newPlayer(api);
  for (const { name, method, path, operation } of ending) {
    // Without a cookie nobody looks at the body.
    if (method === 'GET' || name === 'DELETE /v1/admin/session') continue;
    const isOfPlayers = path.startsWith('/v1/users/me') || path.endsWith('/logout');
    const as = isOfPlayers ? player.api : path.startsWith('/v1/scores/batch') ? server : admin;
    const send = (body: string, type = 'application/json') =>
      as.send(method, path, { body, headers: { 'content-type': type } });
    // Files are read by their route, and nothing else is.
    if (Object.hasOwn(operation.requestBody?.content ?? {}, 'text/csv')) {
      (await send('{}')).fails('unsupported-media-type');
      continue;
    }
    (await send('{"a":')).fails('malformed-json');
    (await send('x', 'text/plain')).fails('unsupported-media-type');
    const longest = path.includes('/batch') ? 2 ** 20 : 16_384;
    (await send(`"${'x'.repeat(longest)}"`)).fails('payload-too-large');
    if (operation.requestBody === undefined) continue;
    const { errors } = (await send('{"noSuchProperty":1}')).fails('validation-failed');
    // OAuth 2.0 wants unknown parameters to be ignored.
    t.equal(
      errors?.some(({ message }) => message.includes('noSuchProperty')),
      !path.endsWith('/token'),
      name,
    );
    for (const body of ['[]', '7', 'null', '"x"']) {
      (await send(body)).fails('validation-failed');
    }
  }
});

t.test('when the database is away, what needs it says so and when to ask again', async (t) => {
  const url = await buildTestDatabase(t);
  const proxy = await PostgresProxy.open(t, Number(new URL(url).port));
  const away = await startApi(t, { DATABASE_URL: proxy.via(url) });
  const [admin, player] = [await serviceApi(away, 'admin'), await newPlayer(away.api)];
  await away.api.get('/v1/actions');
  await away.api.get('/v1/leaderboards/global/entries');
  await eventually(async () => assert(away.app.boards.projections().every(({ isReady }) => isReady)));
  proxy.target = null;
  proxy.cut();
  const needed: string[] = [];
  // Each that needs it waits for a connection for seconds.
  await pLimit(8).map(ending, async ({ name, method, path, operation }) => {
    const as = path.startsWith('/v1/users/me') || path.endsWith('/logout') ? player.api : admin;
    const [media] = Object.values(operation.requestBody?.content ?? {});
    const answer = await as.send(method, path, media && { json: media.example });
    if (answer.status === 503 && !path.startsWith('/health')) {
      answer.fails('service-unavailable');
      needed.push(name);
    }
  });
  t.ok(needed.length >= 12, needed.join());
  t.ok(needed.includes('POST /v1/auth/login') && needed.includes('GET /v1/users/{id}'));
  const fromMemory = [
    'GET /v1/actions',
    'GET /v1/leaderboards/{id}',
    'GET /v1/leaderboards/{id}/entries',
    'GET /v1/leaderboards/{id}/entries/batch',
  ];
  t.same(
    fromMemory.filter((name) => needed.includes(name)),
    [],
    'what is in memory is still served',
  );
});
