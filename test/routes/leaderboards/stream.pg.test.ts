import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import pg from 'pg';
import t, { type Test } from 'tap';
import { ActionToken } from '../../../schemas/action.js';
import { Leaderboard } from '../../../schemas/leaderboard.js';
import { Receipt } from '../../../schemas/score.js';
import { eventually, newPlayer, projected, serviceApi, startApi } from '../../api.js';
import type { TestApp } from '../../helper.js';
import { GLOBAL, openRaw, RawStream, Watcher } from '../../live/live-server.js';
import { mint } from '../../mint.js';
import { openSocket } from '../../raw-http.js';

type Player = Awaited<ReturnType<typeof newPlayer>>;

const streamOf = (url: string, query = '') => `${url}/v1/leaderboards/global/stream${query}`;
const coin = async ({ api }: Player) => {
  const { actionToken } = (await api.post('/v1/action-tokens', { action: 'collect-coin' })).is(
    201,
    ActionToken,
  );
  return (await api.post('/v1/scores', { actionToken })).is(200, Receipt);
};
const finishLevel = async ({ id, api }: Player, points: number) => {
  const actionToken = mint(id, { act: 'finish-level', pts: [1, 100] });
  return (await api.post('/v1/scores', { actionToken, points })).is(200, Receipt);
};
const scoreOf = (player: Player, score: number) => (event: Awaited<ReturnType<Watcher['next']>>) =>
  event.type !== 'rank' &&
  event.data.items.some((entry) => entry.userId === player.id && entry.score === score);

t.test('a stream is a snapshot, then the state at each change', async (t) => {
  const { app, url, api } = await startApi(t);
  const [ada, bob] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  await finishLevel(ada, 30);
  await projected(app);
  const watcher = new Watcher(t, streamOf(url));
  const first = await watcher.next();
  t.equal(first.type, 'snapshot');
  t.match(first.data, {
    leaderboard: 'global',
    season: 1,
    total: 1,
    items: [
      {
        rank: 1,
        sharedRank: 1,
        userId: ada.id,
        displayName: 'Ada',
        score: 30,
        achievedAt: /^\d{4}-.*\.\d{3}Z$/,
      },
    ],
  });
  await finishLevel(bob, 40);
  const second = await watcher.next();
  t.equal(second.type, 'leaderboard');
  t.match(second.data, {
    total: 2,
    items: [
      { rank: 1, userId: bob.id },
      { rank: 2, userId: ada.id },
    ],
  });

  const [epoch, version] = first.id.split('-');
  t.equal(first.id, `${epoch}-${first.data.version}`);
  t.equal(second.id, `${epoch}-${second.data.version}`);
  t.ok(second.data.version > Number(version));
  t.match(
    (await api.get('/v1/leaderboards/global/entries')).headers.get('etag'),
    new RegExp(`^"${second.id}-\\w+"$`),
    'as reads have it',
  );
});

t.test('over fetch: the headers, a retry of its own for each client, and one line of JSON', async (t) => {
  const { url, api } = await startApi(t);
  await coin(await newPlayer(api));
  const retries = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const leaving = new AbortController();
    const response = await fetch(streamOf(url, '?limit=1'), {
      signal: leaving.signal,
      headers: { 'x-request-id': 'my-id' },
    });
    t.equal(response.status, 200);
    t.match(response.headers.get('content-type'), /^text\/event-stream/);
    t.match(response.headers.get('cache-control'), /no-cache/);
    t.equal(response.headers.get('x-request-id'), 'my-id');
    t.equal(response.headers.get('x-accel-buffering'), 'no');
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (/^data: .*\n\n/m.test(text)) break;
    }
    t.match(text, /^id: \w+-\d+\nevent: snapshot\ndata: \{"leaderboard":"global",.*\}\n\n/m);
    const [, retry = ''] = /retry: (\d+)/.exec(text) ?? [];
    t.ok(Number(retry) >= 1_000 && Number(retry) <= 4_000);
    retries.add(retry);
    leaving.abort();
  }
  t.ok(retries.size > 1, 'not all come back at once');
});

t.test('HEAD tells the headers of a stream, and opens none', async (t) => {
  const { app, url } = await startApi(t, { SSE_MAX_CONNECTIONS_PER_IP: 1 });
  const { headers } = await openRaw(t, streamOf(url));
  const asked = await fetch(streamOf(url, '?limit=5&lastEventId=x-1'), { method: 'HEAD' });
  t.equal(asked.status, 200);
  const ofConnection =
    /^(date|connection|transfer-encoding|keep-alive|x-request-id|x-no-compression|x-ratelimit-.*)$/;
  const names = Object.keys(headers).filter((name) => !ofConnection.test(name));
  for (const name of names) t.equal(asked.headers.get(name), headers[name], name);
  t.equal(asked.headers.get('content-length'), null);
  t.match(asked.headers.get('cache-control'), /^no-cache, ?no-transform$/);
  t.equal(app.hub.active, 1);
  t.equal((await fetch(`${url}/v1/leaderboards/none/stream`, { method: 'HEAD' })).status, 404);
  t.equal((await fetch(streamOf(url, '?limit=0'), { method: 'HEAD' })).status, 400);
});

t.test('each write shows on the stream', async (t) => {
  const { url, api } = await startApi(t);
  const ada = await newPlayer(api);
  const watcher = new Watcher(t, streamOf(url));
  await watcher.next();
  const measured: number[] = [];
  for (let n = 1; n <= 20; n++) {
    const written = performance.now();
    await Promise.all([finishLevel(ada, 1), watcher.until(scoreOf(ada, n))]);
    measured.push(performance.now() - written);
  }
  measured.sort((a, b) => a - b);
  t.comment(
    `from the request to the event: ${measured[10]?.toFixed()} ms (median), ${measured.at(-1)?.toFixed()} ms at most`,
  );
});

t.test('under load there is at most one event a flush interval, and the last state arrives', async (t) => {
  const { app, url, api, config } = await startApi(t);
  const players = await Promise.all(Array.from({ length: 8 }, (_, n) => newPlayer(api, `Player ${n}`)));
  const watcher = new Watcher(t, streamOf(url));
  await watcher.next();
  const started = performance.now();
  let writes = 0;
  await Promise.all(
    players.map(async (player) => {
      for (; performance.now() < started + 1_000; writes++) await finishLevel(player, 1);
    }),
  );
  const { items } = await app.leaderboards.page(GLOBAL, 10);
  await watcher.until(({ data }) => JSON.stringify(data.items) === JSON.stringify(items));
  const elapsed = performance.now() - started;
  const events = watcher.received.length - 1;
  t.comment(`${writes} writes in ${elapsed.toFixed()} ms became ${events} events`);
  t.ok(writes > 2 * events);
  t.ok(events <= elapsed / config.SSE_FLUSH_INTERVAL_MS + 1);
});

t.test('with "user" that user\'s own rank comes too, wherever it stands', async (t) => {
  const { url, api } = await startApi(t);
  const [ada, bob] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  const watcher = new Watcher(t, streamOf(url, `?limit=1&user=${ada.id}`));
  const ranks = async () => (await watcher.until(({ type }) => type === 'rank')).data;
  t.same(await ranks(), { userId: ada.id, rank: null, sharedRank: null, score: null, total: 0 });
  await finishLevel(ada, 10);
  t.same(await ranks(), { userId: ada.id, rank: 1, sharedRank: 1, score: 10, total: 1 });
  await finishLevel(bob, 20);
  t.same(await ranks(), { userId: ada.id, rank: 2, sharedRank: 2, score: 10, total: 2 });
});

t.test('an idle stream is kept awake by pings', async (t) => {
  const { url } = await startApi(t, { SSE_PING_INTERVAL: 20 });
  const raw = await openRaw(t, streamOf(url));
  t.match(await raw.until(/(: ping\n\n){3}$/), /\n\n(: ping\n\n){3}$/);
});

t.test('what cannot be streamed is refused', async (t) => {
  const { api } = await startApi(t);
  (await api.get('/v1/leaderboards/nope/stream')).fails('not-found');
  (await api.get('/v1/leaderboards/global/stream?limit=101')).fails('validation-failed');
  (await api.get('/v1/leaderboards/global/stream?user=ada')).fails('validation-failed');
});

t.test('over a limit it is 503 with Retry-After, until somebody leaves', async (t) => {
  const { app, url, api } = await startApi(t, {
    SSE_MAX_CONNECTIONS: 3,
    SSE_MAX_CONNECTIONS_PER_IP: 2,
    TRUST_PROXY: ['127.0.0.1'],
  });
  const path = '/v1/leaderboards/global/stream';
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const [first] = [
    await openRaw(t, url + path, from('192.0.2.1')),
    await openRaw(t, url + path, from('192.0.2.1')),
  ];
  (await api.get(path, from('192.0.2.1'))).fails('service-unavailable');
  const other = await openRaw(t, url + path, from('192.0.2.2'));
  t.equal(other.status, 200, 'another address has slots of its own');
  (await api.get(path, from('192.0.2.3'))).fails('service-unavailable');
  (await api.get('/v1/leaderboards/nope/stream', from('192.0.2.3'))).fails('not-found');
  t.equal(app.hub.active, 3);

  first?.abort();
  await eventually(async () => assert.equal(app.hub.active, 2));
  const again = await openRaw(t, url + path, from('192.0.2.1'));
  t.equal(again.status, 200);
  (await api.get(path, from('192.0.2.3'))).fails('service-unavailable');
});

t.test('a user who is renamed or erased is so on open streams', async (t) => {
  const { url, api } = await startApi(t);
  const [ada, bob] = [await newPlayer(api, 'Ada'), await newPlayer(api, 'Bob')];
  await finishLevel(ada, 20);
  await finishLevel(bob, 10);
  const watcher = new Watcher(t, streamOf(url, `?user=${ada.id}`));
  await watcher.until(({ type }) => type === 'rank');
  await ada.api.patch('/v1/users/me', { displayName: 'Countess' });
  const renamed = await watcher.until(({ type }) => type === 'leaderboard');
  t.match(renamed.data.items, [{ displayName: 'Countess', score: 20 }, { displayName: 'Bob' }]);
  (await ada.api.delete('/v1/users/me')).isEmpty(204);
  const erased = await watcher.until(({ type, data }) => type === 'leaderboard' && data.total === 1);
  t.match(erased.data.items, [{ rank: 1, displayName: 'Bob' }]);
  t.same((await watcher.until(({ type }) => type === 'rank')).data, {
    userId: ada.id,
    rank: null,
    sharedRank: null,
    score: null,
    total: 1,
  });
});

t.test('a client that does not read is cut off, and nobody else notices', async (t) => {
  const { app, url, api } = await startApi(t, { SSE_FLUSH_INTERVAL_MS: 1, SSE_STALL_TIMEOUT_MS: 200 });
  const displayName = '👩‍👩‍👧‍👦'.repeat(18);
  const players = await Promise.all(Array.from({ length: 100 }, () => newPlayer(api, displayName)));
  const change = (score: number) =>
    players.map(({ id }, n) => ({
      board: GLOBAL,
      userId: id,
      score: score + n,
      achievedAt: 0,
      version: score,
    }));
  await app.leaderboards.apply('evt_1', change(1));
  await projected(app);
  const stalled = await openRaw(t, streamOf(url, '?limit=100'));
  const watcher = new Watcher(t, streamOf(url, '?limit=100'));
  await watcher.next();
  t.equal(app.hub.active, 2);
  const memory = process.memoryUsage().rss;
  let score = 1;
  for (const deadline = performance.now() + 20_000; app.hub.active === 2 && performance.now() < deadline; ) {
    await app.leaderboards.apply('evt_1', change(++score));
    await watcher.next();
    watcher.forget();
  }
  t.comment(
    `cut off after ${score} changes, ${((process.memoryUsage().rss - memory) / 1e6).toFixed()} MB more in use`,
  );
  t.equal(app.hub.active, 1);
  await app.leaderboards.apply('evt_1', change(++score));
  t.equal((await watcher.until(({ data }) => data.items[99]?.score === score)).type, 'leaderboard');
  await t.rejects(stalled.untilEnd(), 'its connection is gone');
});

/** Connections that hold a shutdown up are cut off after ten seconds. */
const CLOSED_MS = 8_000;

t.test('at the end streams are closed with a retry, and nothing holds the service up', async (t) => {
  const { app, url, api } = await startApi(t);
  await coin(await newPlayer(api));
  const { hostname, port } = new URL(url);
  const streams = await Promise.all(Array.from({ length: 10 }, () => openRaw(t, streamOf(url))));
  await Promise.all(streams.map((stream) => stream.until(/^data: .*\n\n/m)));
  // A spare connection of a browser; one kept alive; one that is half-way through its headers.
  const spare = connect(Number(port), hostname);
  const slow = connect(Number(port), hostname);
  await Promise.all([once(spare, 'connect'), once(slow, 'connect')]);
  slow.write('GET /health HTTP/1.1\r\n');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const idle = get(`${url}/health`, { agent });
  const [answer] = await once(idle, 'response');
  await new RawStream(answer).untilEnd();

  const ends = streams.map((stream) => stream.untilEnd());
  const closing = performance.now();
  await app.close();
  const closedMs = performance.now() - closing;
  t.comment(`closed in ${closedMs.toFixed()} ms`);
  t.ok(closedMs < CLOSED_MS);
  const retries = (await Promise.all(ends)).map((text) => /retry: (\d+)\n\n$/.exec(text)?.[1]);
  t.ok(retries.every((retry) => retry !== undefined));
  t.ok(new Set(retries).size > 1);
  t.equal(app.hub.active, 0);
});

t.test('a request that is under way at the end is answered, and its connection closed', async (t) => {
  const { app, url } = await startApi(t);
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const body = '{"displayName":"Ada"}';
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const request = httpRequest(`${url}/v1/auth/guest`, { method: 'POST', agent, headers });
  const arrived = once(app.server, 'request');
  request.write(body.slice(0, 5));
  await arrived;
  const closing = performance.now();
  const closed = app.close();
  await eventually(async () => assert(!app.takesRequests));
  request.end(body.slice(5));
  const [response] = await once(request, 'response');
  t.equal(response.statusCode, 201);
  t.equal(response.headers.connection, 'close');
  response.resume();
  await closed;
  t.ok(performance.now() - closing < CLOSED_MS);
});

/** Two instances on one database. */
async function startTwo(t: Test) {
  const one = await startApi(t);
  const two = await startApi(t, { DATABASE_URL: one.config.DATABASE_URL });
  return { one, two };
}

t.test('what one instance writes shows on the stream of another', async (t) => {
  const { one, two } = await startTwo(t);
  const ada = await newPlayer(one.api);
  const watcher = new Watcher(t, streamOf(two.url, `?user=${ada.id}`));
  await watcher.until(({ type }) => type === 'rank');
  const measured: number[] = [];
  for (let n = 1; n <= 10; n++) {
    const written = performance.now();
    await Promise.all([finishLevel(ada, 1), watcher.until(scoreOf(ada, n))]);
    measured.push(performance.now() - written);
  }
  measured.sort((a, b) => a - b);
  t.comment(
    `from the request at one to the event at the other: ${measured[5]?.toFixed()} ms (median), ${measured.at(-1)?.toFixed()} ms at most`,
  );
  await watcher.until(({ type, data }) => type === 'rank' && data.score === 10);
  await ada.api.patch('/v1/users/me', { displayName: 'Countess' });
  await watcher.until(
    ({ type, data }) => type === 'leaderboard' && data.items[0]?.displayName === 'Countess',
  );
  await ada.api.delete('/v1/users/me');
  await watcher.until(({ type, data }) => type === 'leaderboard' && data.total === 0);
  t.same((await two.app.leaderboards.page(GLOBAL, 10)).items, []);
});

t.test('the streams of a deleted leaderboard end, on every instance', async (t) => {
  const { one, two } = await startTwo(t);
  const admin = await serviceApi(one, 'admin');
  const board = { title: 'Laps', sort: 'asc', operator: 'best' };
  (await admin.put('/v1/admin/leaderboards/laps', board)).is(200, Leaderboard);
  const path = '/v1/leaderboards/laps/stream';
  const streams = await Promise.all([one, two].map(({ url }) => openRaw(t, url + path)));
  for (const stream of streams) await stream.until(/event: snapshot/);
  (await admin.delete('/v1/admin/leaderboards/laps')).isEmpty(204);
  for (const stream of streams) t.match(await stream.untilEnd(), /retry: \d+\n\n$/);
  for (const { api } of [one, two]) (await api.get(path)).fails('not-found');
});

t.test('an instance that was deaf for a while shows what it has missed', async (t) => {
  const { one, two } = await startTwo(t);
  const [ada, bob, cleo] = [
    await newPlayer(one.api, 'Ada'),
    await newPlayer(one.api, 'Bob'),
    await newPlayer(one.api, 'Cleo'),
  ];
  for (const player of [ada, bob]) await finishLevel(player, 10);
  const watcher = new Watcher(t, streamOf(two.url));
  await watcher.until(({ data }) => data.total === 2);
  await projected(two.app);
  const before = await two.app.leaderboards.page(GLOBAL, 10);

  const resynced = new Promise<void>((resolve) => two.app.changes.listen({ onResync: resolve }));
  await cutListeners(two, async () => {
    await finishLevel(ada, 20);
    await finishLevel(cleo, 20);
    await one.api.as(bob.session.accessToken).delete('/v1/users/me');
    await ada.api.patch('/v1/users/me', { displayName: 'Countess' });
    const after = await watcher.until(
      ({ data }) => data.total === 2 && data.items[0]?.displayName === 'Countess',
    );
    t.match(after.data.items, [{ score: 30 }, { displayName: 'Cleo', score: 20 }], 'it is deaf, and asks');
    t.equal(two.app.changes.isCurrent, false);
  });
  await resynced;
  await projected(two.app);
  await eventually(async () => assert(two.app.changes.isCurrent));
  const after = await two.app.leaderboards.page(GLOBAL, 10);
  t.match(after, { total: 2, items: [{ displayName: 'Countess', score: 30 }, { displayName: 'Cleo' }] });
  t.not(after.epoch, before.epoch, 'in a new epoch');
  await finishLevel(cleo, 1);
  await watcher.until(scoreOf(cleo, 21));
});

/** Cuts the connections that LISTEN to the database of a service, and lets nobody in until the work is done. */
async function cutListeners({ config }: Pick<TestApp, 'config'>, work: () => Promise<void>): Promise<void> {
  const name = new URL(config.DATABASE_URL).pathname.slice(1);
  const client = new pg.Client(new URL('/postgres', config.DATABASE_URL).href);
  await client.connect();
  await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = $1 AND application_name = 'scoreboard-api changes'`,
    [name],
  );
  await work();
  await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  await client.end();
}

t.test('a client of HTTP/1.0, which knows no chunks, gets the events alone', async (t) => {
  const { url, api } = await startApi(t);
  const ada = await newPlayer(api, 'Ada');
  const socket = await openSocket(url);
  t.teardown(() => socket.destroy());
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  socket.write('GET /v1/leaderboards/global/stream HTTP/1.0\r\n\r\n');
  await eventually(async () => assert.match(received, /event: snapshot/));
  await finishLevel(ada, 30);
  await eventually(async () => assert.match(received, /"score":30/));
  const [head = '', body = ''] = received.split('\r\n\r\n');
  t.match(head, /^HTTP\/1.1 200 /);
  t.notMatch(head, /transfer-encoding/i);
  t.notMatch(body, /\r/);
  for (const line of body.split('\n')) t.match(line, /^$|^(retry|id|event|data): /);
});
