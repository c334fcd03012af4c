import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { dropDatabase, inDatabase, query } from '../../dev/databases.js';
import { Session } from '../../schemas/session.js';
import { UnfitDatabase } from '../../src/postgres/errors.js';
import { assertFit, unfit } from '../../src/postgres/fitness.js';
import { migrate } from '../../src/postgres/migrate.js';
import { StartError } from '../../src/start-error.js';
import { explained } from '../../src/start-faults.js';
import { newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';

/** Why a database is refused, and the command that it names. */
async function refusal(url: string, directUrl?: string): Promise<{ reason: string; command: string }> {
  try {
    await assertFit({ url, directUrl });
  } catch (error) {
    const told = explained(error);
    if (!(error instanceof UnfitDatabase && told instanceof StartError)) throw error;
    const [reason = '', command = ''] = told.message.split('\n');
    return { reason, command: command.trim() };
  }
  return { reason: '', command: '' };
}

/** A database made by this command, which ends with the test. */
async function make(t: Test, command: string): Promise<string> {
  const server = await buildTestDatabase(t);
  await query(inDatabase(server, 'postgres'), command);
  const url = inDatabase(server, /DATABASE "?(\w+)/.exec(command)?.[1] ?? '');
  t.teardown(() => dropDatabase(url));
  return url;
}

t.test('a database that cannot hold every name is refused, and the command makes one that can', async (t) => {
  for (const encoding of ['LATIN1', 'SQL_ASCII']) {
    const name = `narrow_${randomUUID().replaceAll('-', '')}`;
    const narrow = await make(
      t,
      `CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`,
    );
    const { reason, command } = await refusal(narrow);
    t.match(reason, new RegExp(`^The database "${name}" has the encoding ${encoding}, `));
    const wide = await make(t, command);
    t.same(await refusal(wide), { reason: '', command: '' });
    await migrate(wide);
    const { api } = await startApi(t, { DATABASE_URL: wide });
    t.match((await newPlayer(api, 'Ἀριάδνη 🎮')).session.user, { displayName: 'Ἀριάδνη 🎮' });
  }
});

t.test('in a Turkish database IRIS and iris are one account', async (t) => {
  const name = `turkish_${randomUUID().replaceAll('-', '')}`;
  const locale = "LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'";
  const url = await make(t, `CREATE DATABASE ${name} ENCODING 'UTF8' ${locale} TEMPLATE template0`);
  t.same(await query(url, "SELECT lower('IRIS') AS name"), [{ name: 'ırıs' }]);
  await migrate(url);
  const { api } = await startApi(t, { DATABASE_URL: url });
  const credentials = { username: 'IRIS', password: 'correct horse battery staple' };
  (await api.post('/v1/auth/register', credentials)).is(201, Session);
  (await api.post('/v1/auth/register', { ...credentials, username: 'iris' })).fails('username-taken');
  (await api.post('/v1/auth/login', { ...credentials, username: 'iris' })).is(200, Session);
});

t.test('a read-only database is refused, and the command makes it writable', async (t) => {
  const url = await buildTestDatabase(t);
  const name = new URL(url).pathname.slice(1);
  await query(inDatabase(url, 'postgres'), `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  const { reason, command } = await refusal(url);
  t.match(reason, new RegExp(`^The database "${name}" is read-only`));
  await query(inDatabase(url, 'postgres'), command);
  t.same(await refusal(url), { reason: '', command: '' });
});

t.test('a direct URL to another database is refused', async (t) => {
  const [url, other] = [await buildTestDatabase(t), await buildTestDatabase(t)];
  t.same(await refusal(url, url), { reason: '', command: '' });
  t.match((await refusal(url, other)).reason, /^What is announced through DATABASE_URL is not heard/);
});

t.test('a server that is too old, or a standby, is refused whatever else it is', async (t) => {
  const good = {
    ...{ name: 'x', version: 130_000, shownVersion: '13.0', encoding: 'UTF8', isStandby: false },
    ...{ isReadOnly: false, makeUtf8: '', makeWritable: '' },
  };
  t.equal(unfit(good), null);
  t.match(
    unfit({ ...good, version: 120_022, shownVersion: '12.22' }),
    /^PostgreSQL 12\.22 is too old: .* 13 or newer/,
  );
  t.match(unfit({ ...good, isStandby: true }), /^DATABASE_URL leads to a standby/);
});
