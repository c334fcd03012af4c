import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import pg from 'pg';
import t, { type Test } from 'tap';
import { announce, type Change } from '../../src/changes/change.js';
import { ChangeFeed } from '../../src/changes/change-feed.js';
import type { Queryable } from '../../src/postgres/database.js';
import { PostgresProxy } from '../faults/proxy.js';
import { buildTestDatabase } from '../helper.js';
import { holdUp } from '../hold-up.js';
import { openPool } from '../ledger/game-server.js';

const CONNECTIONS =
  "SELECT pid FROM pg_stat_activity WHERE application_name = 'scoreboard-api changes' AND datname = current_database()";

/** @param listenUrl where it listens: directly, or through something on the way */
async function openFeed(t: Test, listenUrl = (url: string) => url) {
  const url = await buildTestDatabase(t);
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.end());
  const heard: Change[] = [];
  const faults: unknown[] = [];
  const losses: unknown[] = [];
  const events = new EventEmitter();
  const settings = {
    databaseUrl: listenUrl(url),
    instance: randomUUID(),
    database: openPool(t, url),
    onError: (error: unknown) => faults.push(error),
    onLost: (reason: unknown) => {
      losses.push(reason);
      events.emit('lost');
    },
    onBack: () => events.emit('back'),
  };
  const feed = new ChangeFeed(settings);
  t.teardown(() => feed.close());
  feed.listen({
    onChange: (change) => {
      heard.push(change);
      events.emit('change');
    },
    onResync: async () => {
      events.emit('resync');
    },
  });
  await feed.start();
  /** Announces a change, and waits until the feed has heard it. */
  const tell = async (change: Change) => {
    await announce(client, change);
    while (JSON.stringify(heard.at(-1)) !== JSON.stringify(change)) await once(events, 'change');
  };
  const cut = () => client.query(`SELECT pg_terminate_backend(pid) FROM (${CONNECTIONS}) connections`);
  const connections = async () => (await client.query(CONNECTIONS)).rowCount;
  return { url, client, settings, feed, heard, faults, losses, events, tell, cut, connections };
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
  const { client, heard, faults, tell } = await openFeed(t);
  await client.query("NOTIFY scoreboard_changes, 'hello'");
  await client.query('NOTIFY scoreboard_changes');
  await tell(erased('usr_1'));
  t.same(heard, [erased('usr_1')]);
  t.equal(faults.length, 2);
});

t.test('a connection that is cut comes back, says so, and hears again', async (t) => {
  const { feed, heard, losses, events, tell, cut, connections } = await openFeed(t);
  for (const userId of ['usr_1', 'usr_2']) {
    const resync = once(events, 'resync');
    await cut();
    await resync;
    await tell(erased(userId));
  }
  t.same(heard, [erased('usr_1'), erased('usr_2')]);
  t.same(losses, [], 'nothing lasted that would have to be reported');
  t.equal(await connections(), 1);
  t.ok(feed.isCurrent);
});

t.test('while it cannot connect it is not current, keeps trying, and says both once', async (t) => {
  const { url, feed, losses, events, tell, cut } = await openFeed(t);
  t.ok(feed.isCurrent);
  await allowConnections(url, false);
  const lost = once(events, 'lost');
  await cut();
  await lost;
  t.equal(feed.isCurrent, false);
  t.match(losses, [{ message: /not currently accepting connections/ }]);
  t.equal(await feed.becomesCurrent(), false, 'also a second later');
  const back = once(events, 'back');
  await allowConnections(url, true);
  await back;
  t.ok(feed.isCurrent);
  await tell(erased('usr_1'));
  t.equal(losses.length, 1);
});

t.test('it is not current again before everything that was missed is read', async (t) => {
  const { feed, losses, events, cut } = await openFeed(t);
  let tries = 0;
  feed.listen({
    async onResync() {
      if (++tries === 1) throw new Error('PostgreSQL is away');
      await once(events, 'read');
    },
  });
  const lost = once(events, 'lost');
  await cut();
  await lost;
  t.equal(feed.isCurrent, false);
  t.equal(tries, 2);
  t.match(losses, [{ message: 'PostgreSQL is away' }]);
  const back = once(events, 'back');
  events.emit('read');
  await back;
  t.ok(feed.isCurrent);
});

t.test('a pooler that swallows LISTEN is found out, at the start and later', async (t) => {
  const port = Number(new URL(await buildTestDatabase(t)).port);
  const pooler = await PostgresProxy.open(t, port);
  pooler.swallowsListen = true;
  const { feed, losses, events, tell } = await openFeed(t, (url) => pooler.via(url));
  if (losses.length === 0) await once(events, 'lost');
  t.match(losses, [{ message: /has not heard it/ }]);
  t.equal(feed.isCurrent, false);
  for (const swallows of [false, true, false]) {
    const turn = once(events, swallows ? 'lost' : 'back');
    pooler.swallowsListen = swallows;
    if (swallows) pooler.cut();
    await turn;
    t.equal(feed.isCurrent, !swallows);
    if (!swallows) await tell(erased('usr_1'));
  }
  t.equal(losses.length, 2);
});

t.test(
  'a connection that falls silent is doubted two seconds after the last proof, and replaced',
  async (t) => {
    const port = Number(new URL(await buildTestDatabase(t)).port);
    const nat = await PostgresProxy.open(t, port);
    const { feed, losses, events } = await openFeed(t, (url) => nat.via(url));
    const lost = once(events, 'lost');
    nat.freeze();
    await lost;
    t.equal(feed.isCurrent, false);
    t.ok(performance.now() - feed.provenAt > 2_000);
    t.equal(losses.length, 1);
    nat.thaw();
    await once(events, 'back');
  },
);

t.test('a process that had no turn for long is not current at once, and has lost nothing', async (t) => {
  const { feed, losses, tell } = await openFeed(t);
  await feed.heardAll();
  holdUp(3_000);
  t.equal(feed.isCurrent, false);
  t.ok(await feed.becomesCurrent());
  await tell(erased('usr_1'));
  t.same(losses, []);
});

t.test('whoever waits for what is committed by now is told when it was heard', async (t) => {
  const { client, feed, heard } = await openFeed(t);
  for (let n = 1; n <= 20; n++) {
    await announce(client, erased(`usr_${n}`));
    await feed.heardAll();
    t.equal(heard.length, n);
  }
});

t.test('heartbeats are one a second, and other instances do not get them', async (t) => {
  const { client, settings, feed } = await openFeed(t);
  const received: unknown[] = [];
  let beats = 0;
  const database: Queryable = {
    query: (text, values) => {
      beats++;
      return settings.database.query(text, values);
    },
  };
  const onError = (error: unknown) => received.push(error);
  const other = new ChangeFeed({ ...settings, database, instance: randomUUID(), onError });
  await other.start();
  t.teardown(() => other.close());
  const start = performance.now();
  beats = 0;
  await client.query('SELECT pg_sleep(3)');
  const seconds = (performance.now() - start) / 1000;
  t.ok(beats <= seconds / 0.8 + 1, `${beats} in ${seconds.toFixed(1)} s`);
  t.same(received, []);
  t.ok(feed.isCurrent && other.isCurrent);
});

t.test('after the end it neither hears nor comes back', async (t) => {
  const { client, feed, heard, faults, losses, connections } = await openFeed(t);
  await feed.close();
  await announce(client, erased('usr_1'));
  while ((await connections()) !== 0);
  t.same([heard, faults, losses], [[], [], []]);
});

t.test('it ends while it tries to come back', async (t) => {
  const { url, client, feed, events, cut, connections } = await openFeed(t);
  await allowConnections(url, false);
  const lost = once(events, 'lost');
  await cut();
  await lost;
  await feed.close();
  await allowConnections(url, true);
  await client.query('SELECT pg_sleep(0.5)');
  t.equal(await connections(), 0);
});

t.test('a start that fails leaves no connection', async (t) => {
  const { url, settings, connections } = await openFeed(t);
  const wrong = new URL(url);
  wrong.password = 'wrong';
  const other = new ChangeFeed({ ...settings, databaseUrl: wrong.href });
  t.teardown(() => other.close());
  await t.rejects(other.start(), { code: '28P01' });
  t.equal(await connections(), 1);
});
