import { EventEmitter, once } from 'node:events';
import pg from 'pg';
import t, { type Test } from 'tap';
import { announce, type Change } from '../../src/changes/change.js';
import { ChangeFeed } from '../../src/changes/change-feed.js';
import { buildTestDatabase } from '../helper.js';

const CONNECTIONS =
  "SELECT pid FROM pg_stat_activity WHERE application_name = 'scoreboard-api changes' AND datname = current_database()";

async function openFeed(t: Test) {
  const url = await buildTestDatabase(t);
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.end());
  const heard: Change[] = [];
  const errors: unknown[] = [];
  const events = new EventEmitter();
  const feed = new ChangeFeed(url, (error) => {
    errors.push(error);
    events.emit('fault');
  });
  t.teardown(() => feed.close());
  feed.listen({
    onChange: (change) => {
      heard.push(change);
      events.emit('change');
    },
    onResync: () => events.emit('resync'),
  });
  await feed.start();
  /** Announces a change, and waits until the feed has heard it. */
  const tell = async (change: Change) => {
    await announce(client, change);
    while (JSON.stringify(heard.at(-1)) !== JSON.stringify(change)) await once(events, 'change');
  };
  const cut = () => client.query(`SELECT pg_terminate_backend(pid) FROM (${CONNECTIONS}) connections`);
  const connections = async () => (await client.query(CONNECTIONS)).rowCount;
  return { url, client, feed, heard, errors, events, tell, cut, connections };
}

/** Whether anybody may connect to a database can only be said from another one. */
async function allowConnections(url: string, allowed: boolean): Promise<void> {
  const client = new pg.Client(new URL('/postgres', url).href);
  await client.connect();
  await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} ALLOW_CONNECTIONS ${allowed}`);
  await client.end();
}

const erased = (userId: string): Change => ({
  type: 'user-erased',
  id: 'chg_1',
  writer: 'instance-1',
  userId,
  boards: ['global:1'],
});

t.test('what commits is heard in order, what is rolled back is not', async (t) => {
  const { client, heard, tell } = await openFeed(t);
  await client.query('BEGIN');
  await announce(client, erased('usr_1'));
  await client.query('ROLLBACK');
  await client.query('BEGIN');
  await announce(client, erased('usr_2'));
  await announce(client, erased('usr_3'));
  await client.query('COMMIT');
  await tell(erased('usr_4'));
  t.same(heard, [erased('usr_2'), erased('usr_3'), erased('usr_4')]);
});

t.test('what somebody else says on the channel is reported and does no harm', async (t) => {
  const { client, heard, errors, tell } = await openFeed(t);
  await client.query("NOTIFY scoreboard_changes, 'hello'");
  await client.query('NOTIFY scoreboard_changes');
  await tell(erased('usr_1'));
  t.same(heard, [erased('usr_1')]);
  t.equal(errors.length, 2);
});

t.test('a connection that is cut comes back, says so, and hears again', async (t) => {
  const { heard, errors, events, tell, cut, connections } = await openFeed(t);
  for (const userId of ['usr_1', 'usr_2']) {
    const resync = once(events, 'resync');
    await cut();
    await resync;
    await tell(erased(userId));
  }
  t.same(heard, [erased('usr_1'), erased('usr_2')]);
  t.equal(errors.length, 2, 'each cut is reported once');
  t.equal(await connections(), 1);
});

t.test('while the database is away it keeps trying', async (t) => {
  const { url, errors, events, tell, cut } = await openFeed(t);
  await allowConnections(url, false);
  await cut();
  while (errors.length < 3) await once(events, 'fault');
  t.match(errors[1], { message: /not currently accepting connections/ });
  const resync = once(events, 'resync');
  await allowConnections(url, true);
  await resync;
  await tell(erased('usr_1'));
});

t.test('after the end it neither hears nor comes back', async (t) => {
  const { client, feed, heard, errors, connections } = await openFeed(t);
  await feed.close();
  await announce(client, erased('usr_1'));
  while ((await connections()) !== 0);
  t.same(heard, []);
  t.same(errors, []);
});

t.test('it ends while it tries to come back', async (t) => {
  const { url, client, feed, errors, events, cut, connections } = await openFeed(t);
  await allowConnections(url, false);
  await cut();
  while (errors.length < 2) await once(events, 'fault');
  await feed.close();
  await allowConnections(url, true);
  await client.query('SELECT pg_sleep(0.5)');
  t.equal(await connections(), 0);
});

t.test('a start that fails leaves no connection', async (t) => {
  const { url, connections } = await openFeed(t);
  const wrong = new URL(url);
  wrong.password = 'wrong';
  const other = new ChangeFeed(wrong.href, () => t.fail('it is thrown, not reported'));
  await t.rejects(other.start(), { code: '28P01' });
  t.equal(await connections(), 1);
});
