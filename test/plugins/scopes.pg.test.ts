import assert from 'node:assert/strict';
import t from 'tap';
import { SCOPES, type Scope } from '../../schemas/scope.js';
import { BUNDLES } from '../../src/access/scopes.js';
import { buildApp } from '../../src/app.js';
import { newPlayer, scopedApi, serviceApi, startApi } from '../api.js';
import { buildTestDatabase, testConfig } from '../helper.js';
import { mint, typeId } from '../mint.js';

const service = await startApi(t);
const { api, app } = service;

const needed = Object.entries(api.document.paths).flatMap(([template, methods]) =>
  Object.entries(methods).map(([method, { security, description = '' }]) => ({
    method: method.toUpperCase(),
    template,
    path: template
      .replace('{season}', '1')
      .replaceAll(/([\w-]+)s\/\{\w+\}/g, (all, kind: string) => {
        const prefix = { user: 'usr', event: 'evt', act: 'aud', webhook: 'whk', 'service-account': 'svc' }[
          kind
        ];
        return prefix === undefined ? all : `${kind}s/${typeId(prefix)}`;
      })
      .replaceAll(/\{\w+\}/g, 'global'),
    scopes: security.flatMap((scheme) => scheme['bearer'] ?? []),
    description,
  })),
);
const secured = needed.filter(({ scopes }) => scopes.length > 0);

t.test('every operation of administration says the one scope that it needs', async (t) => {
  for (const { method, template, scopes, description } of needed) {
    if (!template.startsWith('/v1/admin/') || template === '/v1/admin/session') continue;
    t.equal(scopes.length, 1, `${method} ${template}`);
    t.ok(description.endsWith(`Needs the scope \`${scopes[0]}\`.`), `${method} ${template}`);
  }
  t.ok(secured.every(({ scopes }) => scopes.every((scope) => SCOPES.some((known) => known === scope))));
  t.ok(secured.length > 25);
});

t.test(
  'an operation is refused without its scope, which the refusal names, and with all others',
  async (t) => {
    const callers = new Map<Scope, Awaited<ReturnType<typeof scopedApi>>>();
    for (const scope of SCOPES)
      callers.set(
        scope,
        await scopedApi(
          service,
          SCOPES.filter((other) => other !== scope),
        ),
      );
    const player = await newPlayer(api);
    for (const { method, path, scopes } of secured) {
      const scope = SCOPES.find((known) => known === scopes[0]);
      assert(scope !== undefined);
      for (const caller of [callers.get(scope), player.api]) {
        const problem = (await caller?.send(method, path))?.fails('forbidden');
        t.equal(problem?.detail, `This needs the scope ${scope}.`, `${method} ${path}`);
      }
      const allowed = await (await scopedApi(service, [scope])).send(method, path);
      t.not(allowed.status, 403, `${method} ${path} with ${scope}`);
    }
  },
);

t.test('a route of administration without a scope cannot be registered', async (t) => {
  const unstarted = await buildApp(testConfig(await buildTestDatabase(t)));
  t.teardown(() => unstarted.close());
  t.throws(() => unstarted.get('/v1/admin/anything', async () => null), { message: /declares no scope/ });
  unstarted.get('/v1/admin/something', { config: { scope: 'read' } }, async () => null);
});

t.test('roles are bundles of scopes, in tokens as before', async (t) => {
  t.same(BUNDLES.admin, SCOPES);
  t.same(BUNDLES.player, []);
  const [admin, server] = [await serviceApi(service, 'admin'), await serviceApi(service, 'server')];
  for (const { method, path, scopes } of secured) {
    t.not((await admin.send(method, path)).status, 403, `${method} ${path}`);
    const isOfServers = BUNDLES.server.some((scope) => scopes.includes(scope));
    t.equal((await server.send(method, path)).status === 403, !isOfServers, `${method} ${path}`);
  }
});

t.test('scores for others, and without a token, need a scope each', async (t) => {
  const player = await newPlayer(api);
  const writer = await scopedApi(service, ['scores:write']);
  const other = await scopedApi(service, ['users:write']);
  const actionToken = mint(player.id);
  (await other.post('/v1/scores', { actionToken })).fails('action-token-user-mismatch');
  t.equal((await writer.post('/v1/scores', { actionToken })).status, 200);
  const minted = { userId: player.id, action: 'win-match', points: 250, idempotencyKey: 'first' };
  const submissions = [minted, { actionToken: mint(player.id) }];
  const { body } = await writer.post('/v1/scores/batch', { submissions });
  t.match(body, {
    items: [
      { status: 403, problem: { code: 'forbidden', detail: 'This needs the scope scores:mint.' } },
      { status: 200 },
    ],
  });
  const refused = await writer.post('/v1/action-tokens', { action: 'win-match', userId: player.id });
  t.equal(refused.fails('forbidden').detail, 'This needs the scope scores:mint.');
  (await writer.post('/v1/action-tokens', { action: 'collect-coin' })).fails('forbidden');
});

t.test('what a token says of scopes that are unknown is nothing', async (t) => {
  const { id } = await app.serviceAccounts.create('of the future', 'server');
  const { token } = app.accessTokens.issue({ sub: id, scope: 'players:eat read' });
  (await api.as(token).post('/v1/users', { displayName: 'x' })).fails('forbidden');
  t.equal((await api.as(token).get('/v1/admin/webhooks')).status, 200);
});
