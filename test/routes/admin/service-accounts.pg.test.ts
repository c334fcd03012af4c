import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { SCOPES, type Scope } from '../../../schemas/scope.js';
import { ServiceAccount, ServiceAccountSecret, ServiceAccounts } from '../../../schemas/service-account.js';
import { ServiceToken } from '../../../schemas/session.js';
import { logIn, newAdministrator } from '../../administrators.js';
import { eventually, newPlayer, scopedApi, serviceApi, startApi } from '../../api.js';
import { typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
const admin = await serviceApi(service, 'admin');
const PATH = '/v1/admin/service-accounts';

let made = 0;
const make = async (scopes: readonly Scope[] = ['read'], by = admin) =>
  (await by.post(PATH, { name: `account-${++made}`, scopes, reason: 'A test.' })).is(
    201,
    ServiceAccountSecret,
  );
const tokenOf = (id: string, secret: string, at = api) =>
  at.post('/v1/auth/token', { grant_type: 'client_credentials', client_id: id, client_secret: secret });
const signedIn = async ({ id, secret }: ServiceAccountSecret, at = api) =>
  at.as((await tokenOf(id, secret, at)).is(200, ServiceToken).access_token);
const lastAct = async () => {
  const { rows } = await app.pg.pool.query(
    'SELECT action, actor, target, reason, details FROM admin_audit ORDER BY id DESC LIMIT 1',
  );
  return rows[0];
};

t.test('an account is made with scopes or a role, and can do what they say', async (t) => {
  const made = await make(['users:write', 'read']);
  t.match(made, { role: null, scopes: ['users:write', 'read'], lastUsedAt: null, revokedAt: null });
  const caller = await signedIn(made);
  t.equal((await caller.post('/v1/users', { displayName: 'Ada' })).status, 201);
  t.equal((await caller.get('/v1/admin/audit')).status, 200);
  const refused = (await caller.post(PATH, { name: 'x', scopes: ['read'] })).fails('forbidden');
  t.equal(refused.detail, 'This needs the scope boards:write.');
  t.match(await lastAct(), {
    action: 'create-service-account',
    target: made.id,
    reason: 'A test.',
    details: { name: made.name, scopes: ['users:write', 'read'] },
  });
  const game = (await admin.post(PATH, { name: 'my-game', role: 'server' })).is(201, ServiceAccountSecret);
  t.match(game, { role: 'server', scopes: ['scores:write', 'scores:mint', 'users:read', 'users:write'] });
  const player = await newPlayer(api);
  const minted = await (await signedIn(game)).post('/v1/action-tokens', {
    action: 'win-match',
    userId: player.id,
  });
  t.equal(minted.status, 201);
  (await admin.post(PATH, { name: 'my-game', scopes: ['read'] })).fails('name-taken');
  for (const body of [
    {},
    { role: 'server', scopes: ['read'] },
    { scopes: [] },
    { scopes: ['all'] },
    { role: 'player' },
  ])
    (await admin.post(PATH, { name: 'another', ...body })).fails('validation-failed');
});

t.test('nobody gives, rotates or revokes what it does not have', async (t) => {
  const maker = await scopedApi(service, ['boards:write', 'read']);
  const root = await make(SCOPES);
  for (const scopes of [['read', 'scores:mint'], ['moderation'], SCOPES])
    t.match(
      (await maker.post(PATH, { name: 'greedy', scopes })).fails('forbidden').detail,
      /You do not have the scope/,
    );
  for (const role of ['admin', 'server'])
    (await maker.post(PATH, { name: 'greedy', role })).fails('forbidden');
  (await maker.post(`${PATH}/${root.id}/rotate`)).fails('forbidden');
  (await maker.post(`${PATH}/${root.id}/revoke`, { reason: 'To be alone.' })).fails('forbidden');
  t.equal((await tokenOf(root.id, root.secret)).status, 200, 'its secret still works');
  const own = await make(['read'], maker);
  (await maker.post(`${PATH}/${own.id}/rotate`)).is(200, ServiceAccountSecret);
  const { send } = await logIn(service, await newAdministrator(service, 'moderator'));
  (await send('POST', PATH, { name: 'greedy', scopes: ['moderation'] })).fails('forbidden');
  t.equal((await send('GET', PATH)).status, 200);
  t.notOk(
    (await admin.get(`${PATH}?limit=100`))
      .is(200, ServiceAccounts)
      .items.some(({ name }) => name === 'greedy'),
  );
});

t.test('a secret is rotated; the one before works for as long as was said', async (t) => {
  const account = await make();
  const second = (await admin.post(`${PATH}/${account.id}/rotate`)).is(200, ServiceAccountSecret);
  t.ok(second.previousSecretUntil);
  for (const secret of [account.secret, second.secret])
    t.equal((await tokenOf(account.id, secret, other.api)).status, 200);
  await app.pg.pool.query(
    `UPDATE service_accounts SET previous_secret_until = previous_secret_until - interval '86400 s' WHERE id = uuid_of($1)`,
    [account.id],
  );
  (await tokenOf(account.id, account.secret)).fails('invalid-credentials');
  const body = { overlapSeconds: 0, reason: 'It was leaked.' };
  const third = (await admin.post(`${PATH}/${account.id}/rotate`, body)).is(200, ServiceAccountSecret);
  t.equal(third.previousSecretUntil, null);
  (await tokenOf(account.id, second.secret)).fails('invalid-credentials');
  t.equal((await tokenOf(account.id, third.secret)).status, 200);
  t.match(await lastAct(), {
    action: 'rotate-service-account',
    target: account.id,
    ...{ reason: body.reason },
  });
  const { rows } = await app.pg.pool.query('SELECT s::text AS row FROM service_accounts s');
  for (const { row } of rows) t.notOk(row.includes(third.secret));
  (await admin.post(`${PATH}/${typeId('svc')}/rotate`)).fails('not-found');
});

t.test('one that is revoked is refused on every instance, with the tokens that it has', async (t) => {
  const account = await make();
  const caller = await signedIn(account);
  t.equal((await caller.at(other.url).get('/v1/admin/audit')).status, 200);
  const reason = 'It has left.';
  const revoked = (await admin.post(`${PATH}/${account.id}/revoke`, { reason })).is(200, ServiceAccount);
  t.ok(revoked.revokedAt);
  (await caller.get('/v1/admin/audit')).fails('unauthenticated');
  await eventually(async () => (await caller.at(other.url).get('/v1/admin/audit')).fails('unauthenticated'));
  (await tokenOf(account.id, account.secret, other.api)).fails('invalid-credentials');
  (await admin.post(`${PATH}/${account.id}/rotate`)).fails('not-found');
  t.match(await lastAct(), { action: 'revoke-service-account', target: account.id, reason });
  t.same((await admin.post(`${PATH}/${account.id}/revoke`, { reason })).is(200, ServiceAccount), revoked);
  t.same((await admin.get(`${PATH}/${account.id}`)).is(200, ServiceAccount), revoked);
  (await admin.get(`${PATH}/${typeId('svc')}`)).fails('not-found');
});

t.test('the list is turned page by page, and says what was used', async (t) => {
  const [used, unused] = [await make(), await make()];
  await (await signedIn(used)).get('/v1/admin/audit');
  await eventually(async () => {
    const page = (await admin.get(`${PATH}?limit=1`)).is(200, ServiceAccounts);
    t.same(
      page.items.map(({ id, lastUsedAt }) => [id, lastUsedAt]),
      [[unused.id, null]],
    );
    const next = (await admin.get(`${PATH}?limit=1&cursor=${page.nextCursor}`)).is(200, ServiceAccounts);
    if (next.items[0]?.id !== used.id || next.items[0]?.lastUsedAt === null) throw new Error('not yet');
  });
});

t.test('an operator makes accounts with scopes, rotates, lists and revokes them', async (t) => {
  const script = fileURLToPath(new URL('../../../scripts/service-account.js', import.meta.url));
  const run = async (...args: string[]) => {
    const env = { NODE_ENV: 'production', DATABASE_URL: config.DATABASE_URL };
    return promisify(execFile)(process.execPath, [script, ...args], { env }).then(
      ({ stdout }) => stdout,
      ({ stderr }: { stderr: string }) => stderr,
    );
  };
  const out = await run('create', 'reader', '--scopes', 'read,users:read');
  t.match(out, /^Service account "reader" with the scopes users:read, read\./);
  const [, id = '', secret = ''] = /client_id +(\S+)\s+client_secret +(\S+)/.exec(out) ?? [];
  t.equal((await tokenOf(id, secret)).status, 200);
  t.match(await run('create', 'reader', '--role', 'server'), /^There is a service account "reader" already/);
  t.match(await run('create', 'x', '--scopes', 'read,write'), /^Usage: /);
  t.match(await run('create', 'x', '--scopes', 'read', '--role', 'admin'), /^Usage: /);
  t.match(await run('rotate', 'reader', '--overlap', '0'), /works for 0 s more/);
  (await tokenOf(id, secret)).fails('invalid-credentials');
  t.match(await run('list'), new RegExp(`^${id}  users:read,read  \\S+  in force  .*  reader$`, 'm'));
  t.match(await run('revoke', 'reader'), /is revoked/);
  t.match(await run('list'), /revoked .* reader$/m);
  t.match(await run('revoke', 'nobody'), /^There is no service account "nobody"\.\n$/);
});
