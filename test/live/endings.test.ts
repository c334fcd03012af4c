import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { boardKey } from '../../src/board-key.js';
import { ConnectionSlots } from '../../src/live/connection-slots.js';
import {
  collectGarbage,
  eventually,
  GLOBAL,
  HugeBoard,
  openRaw,
  openStalled,
  ScriptedSource,
  startLiveServer,
} from './live-server.js';

function oneEntry(): ScriptedSource {
  const source = new ScriptedSource();
  source.score('usr_1', 1);
  return source;
}

t.test('a client that goes leaves at once and is counted once', async (t) => {
  const live = await startLiveServer(t, { source: oneEntry() });
  const raw = await openRaw(t, `${live.url}/global?user=usr_1`);
  await raw.until(/event: rank/);
  t.equal(live.hub.active, 1);
  raw.abort();
  await live.ended(1);
  t.same(live.ends, ['client']);
  t.equal(live.hub.active, 0);
});

t.test('a client that goes while the source is still asked leaves too', async (t) => {
  const source = oneEntry();
  let answer = () => {};
  source.latency = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const live = await startLiveServer(t, { source });
  const raw = await openRaw(t, `${live.url}/global?user=usr_1`);
  await raw.until(/retry/);
  raw.abort();
  await live.ended(1);
  answer();
  t.equal(live.hub.active, 0);
  source.latency = async () => {};
  await (await openRaw(t, `${live.url}/global`)).until(/event: snapshot/);
});

t.test('a client that goes before it is subscribed gives its slot back', async (t) => {
  const live = await startLiveServer(t, {
    source: oneEntry(),
    async beforeSubscribe(_request, response) {
      await once(response, 'close');
    },
  });
  const raw = await openRaw(t, `${live.url}/global`);
  t.equal(live.hub.active, 1);
  raw.abort();
  await live.ended(1);
  t.same(live.ends, ['client']);
  t.equal(live.hub.active, 0);
});

t.test('a connection that is reset leaves at once', async (t) => {
  const live = await startLiveServer(t, { source: oneEntry() });
  const { hostname, port } = new URL(live.url);
  const socket = connect(Number(port), hostname);
  socket.write('GET /global HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'data');
  await eventually(() => live.responses.length === 1);
  socket.resetAndDestroy();
  await live.ended(1);
  t.same(live.ends, ['client']);
  t.equal(live.hub.active, 0);
});

t.test('an error of the response ends its stream, and only that', async (t) => {
  const source = oneEntry();
  const live = await startLiveServer(t, { source });
  const [failing, other] = [await openRaw(t, `${live.url}/global`), await openRaw(t, `${live.url}/global`)];
  await Promise.all([failing.until(/event: snapshot/), other.until(/event: snapshot/)]);
  const response = live.responses[0] as ServerResponse;
  response.end();
  response.write('too late');
  await live.ended(1);
  t.same(live.ends, ['error']);
  t.equal(live.hub.active, 1);
  source.score('usr_1', 2);
  live.hub.boardChanged(GLOBAL);
  await other.until(/event: leaderboard/);
});

t.test('over a limit nobody is admitted, until somebody goes', async (t) => {
  const source = oneEntry();
  const live = await startLiveServer(t, { source, slots: new ConnectionSlots(3, 2) });
  const open = (address: string) => openRaw(t, `${live.url}/global`, { 'x-address': address });
  const first = await open('a');
  t.equal(first.status, 200);
  t.equal((await open('a')).status, 200);
  t.equal((await open('a')).status, 503, 'the address is full');
  t.equal((await open('b')).status, 200);
  t.equal((await open('c')).status, 503, 'the hub is full');
  first.abort();
  await live.ended(1);
  t.equal((await open('a')).status, 200, 'a slot for this address again');
  t.equal((await open('a')).status, 503);
  t.equal(live.hub.active, 3);
});

t.test('close ends all streams with a retry and lets the server close', async (t) => {
  const live = await startLiveServer(t, { source: oneEntry(), stallTimeoutMs: 60_000 });
  const raws = await Promise.all(Array.from({ length: 20 }, () => openRaw(t, `${live.url}/global`)));
  await Promise.all(raws.map((raw) => raw.until(/event: snapshot\n.*\n\n/)));
  const texts = raws.map((raw) => raw.untilEnd());
  await live.close();
  const retries = (await Promise.all(texts)).map((text) => Number(/retry: (\d+)\n\n$/.exec(text)?.[1]));
  t.ok(retries.every((ms) => ms >= 1000 && ms <= 4000));
  t.ok(new Set(retries).size > 1, 'not all the same');
  t.same(live.ends, Array(20).fill('shutdown'));
  t.equal(live.hub.active, 0);
  t.equal(await live.hub.admit('nowhere'), null);
});

t.test('streams of a deleted leaderboard end with a retry, and those of others go on', async (t) => {
  const source = oneEntry();
  const live = await startLiveServer(t, { source });
  const deleted = await Promise.all([
    openRaw(t, `${live.url}/global?limit=1`),
    openRaw(t, `${live.url}/global?limit=5&user=usr_1`),
  ]);
  const other = await openRaw(t, `${live.url}/other`);
  await Promise.all([...deleted, other].map((raw) => raw.until(/event: snapshot\n.*\n\n/)));
  live.hub.leaderboardRemoved('global');
  for (const raw of deleted) t.match(await raw.untilEnd(), /retry: \d+\n\n$/);
  t.same(live.ends, ['shutdown', 'shutdown']);
  t.equal(live.hub.active, 1);
  source.score('usr_1', 2);
  live.hub.boardChanged(boardKey('other', 1));
  await other.until(/event: leaderboard/);
});

t.test('close does not wait for clients that do not read', async (t) => {
  const source = new HugeBoard();
  const live = await startLiveServer(t, { source, flushIntervalMs: 1 });
  await openStalled(t, source, live);
  await live.close();
  t.same(live.ends, ['shutdown']);
});

t.test('of a stream that has ended nothing is kept', async (t) => {
  const live = await startLiveServer(t, { source: oneEntry() });
  const raw = await openRaw(t, `${live.url}/global?user=usr_1`);
  await (await openRaw(t, `${live.url}/global?user=usr_1`)).until(/event: rank/);
  await raw.until(/event: rank/);
  const response = new WeakRef(live.responses.shift() as ServerResponse);
  raw.abort();
  await live.ended(1);
  await eventually(() => {
    collectGarbage();
    return response.deref() === undefined;
  });
});

t.test('a client that is subscribed after the close is sent away', async (t) => {
  let goOn = () => {};
  const live = await startLiveServer(t, {
    source: oneEntry(),
    beforeSubscribe: () =>
      new Promise((resolve) => {
        goOn = resolve;
      }),
  });
  const raw = await openRaw(t, `${live.url}/global`);
  live.hub.close();
  goOn();
  t.match(await raw.untilEnd(), /retry: \d+\n\n$/);
  t.same(live.ends, ['shutdown']);
  t.equal(live.hub.active, 0);
});
