import pg from 'pg';
import t from 'tap';
import { ServiceAccounts } from '../../src/access/service-accounts.js';
import { buildTestDatabase } from '../helper.js';

const pool = new pg.Pool({ connectionString: await buildTestDatabase(t) });
t.teardown(() => pool.end());
const accounts = new ServiceAccounts(pool);

t.test('an account is known by its id and its secret', async (t) => {
  const { id, secret } = await accounts.create('tower', 'server');
  t.match(id, /^svc_/);
  t.match(secret, /^[\w-]{43}$/);
  t.same(await accounts.authenticate(id, secret), { sub: id, role: 'server' });
  t.equal(await accounts.authenticate(id, `${secret}x`), null);
  t.equal(await accounts.authenticate('tower', secret), null);
  t.equal(await accounts.authenticate(id, ''), null);
  t.equal(await accounts.authenticate('\0', secret), null);
  const other = await accounts.create('root', 'admin');
  t.equal(await accounts.authenticate(id, other.secret), null);
  t.match(await accounts.authenticate(other.id, other.secret), { role: 'admin' });
});

t.test('a name is given once', async (t) => {
  await accounts.create('twice', 'server');
  await t.rejects(accounts.create('twice', 'admin'), { code: 'name-taken' });
});

t.test('the secret is stored nowhere', async (t) => {
  const { id, secret } = await accounts.create('secretive', 'server');
  const { rows } = await pool.query('SELECT s::text AS row FROM service_accounts s WHERE id = uuid_of($1)', [
    id,
  ]);
  t.notOk(rows[0].row.includes(secret));
  t.notOk(rows[0].row.includes(Buffer.from(secret).toString('hex')));
});
