import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Session } from '../../schemas/session.js';
import { eventually, startApi } from '../api.js';
import { openRaw } from '../live/live-server.js';
import { openSocket } from '../raw-http.js';

t.setTimeout(120_000);
// They wait for limits of many seconds.
t.jobs = 4;

process.on('warning', ({ message }) => t.fail(message));

/** A request has 10 s to arrive, looked at each second: a ceiling for a machine that is busy. */
const CEILING_MS = 30_000;
const HOST = 'Host: x\r\n';
const POST = `POST /v1/auth/guest HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;

/** What came until the other side closed, and when. */
async function untilClosed(socket: Socket): Promise<{ received: string; after: number }> {
  const start = performance.now();
  let received = '';
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (text) => {
    received += text;
  });
  // Not by once(), which takes an 'error' for a failure: a connection may also end by a reset.
  if (!socket.closed) {
    await new Promise((resolve, reject) => {
      socket.once('close', resolve);
      setTimeout(reject, CEILING_MS, new Error('It was not closed')).unref();
    });
  }
  return { received, after: performance.now() - start };
}

/** Says a word now and then, as long as somebody listens. */
function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 300);
  // A word may come after the other side has gone.
  socket.on('error', () => {});
  socket.once('close', () => clearInterval(timer));
}

async function halfOpen(t: Test, url: string): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

t.test('whoever sends a request too slowly is cut off, and nobody else notices', async (t) => {
  const { api, url } = await startApi(t);
  const slow: Record<string, Socket> = {};
  for (const what of ['headers', 'one header', 'body', 'chunks', 'second request', 'expectation'])
    slow[what] = await openSocket(url);
  slow['headers']?.write(`GET /v1/leaderboards HTTP/1.1\r\n${HOST}`);
  if (slow['headers']) drip(slow['headers'], 'X-A: b\r\n');
  slow['one header']?.write(`GET /v1/leaderboards HTTP/1.1\r\n${HOST}X-A: `);
  if (slow['one header']) drip(slow['one header'], 'b');
  slow['body']?.write(`${POST}Content-Length: 1000\r\n\r\n`);
  if (slow['body']) drip(slow['body'], ' ');
  slow['chunks']?.write(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
  if (slow['chunks']) drip(slow['chunks'], '1\r\n \r\n');
  slow['second request']?.write(`GET /health/live HTTP/1.1\r\n${HOST}\r\nGET /health/live HTTP/1.1\r\n`);
  slow['expectation']?.write(`${POST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  const honest = (async () => {
    for (let i = 0; i < 20; i++) (await api.post('/v1/auth/guest', {})).is(201, Session);
  })();
  for (const [what, socket] of Object.entries(slow)) {
    const { received, after } = await untilClosed(socket);
    t.comment(`${what}: after ${(after / 1000).toFixed(1)} s`);
    t.match(received, /"detail":"The request arrived too slowly\."/, what);
  }
  await honest;
});

t.test('a connection on which no request began is closed without an answer', async (t) => {
  const { url } = await startApi(t);
  t.equal((await untilClosed(await openSocket(url))).received, '');
});

t.test('half a request and then the end closes the connection at once', async (t) => {
  const { url } = await startApi(t);
  for (const text of [
    '',
    'GET /',
    `${POST}Content-Length: 9\r\n\r\n{`,
    `${POST}Transfer-Encoding: chunked\r\n\r\n1`,
  ]) {
    const socket = await halfOpen(t, url);
    socket.end(text);
    const { received, after } = await untilClosed(socket);
    // Half a request is waited for for ten seconds.
    t.ok(after < 8_000);
    t.notMatch(received, /HTTP\/1\.1 [25]/, text);
  }
});

t.test('an idle connection is closed after some time', async (t) => {
  const { app, url } = await startApi(t);
  t.ok(app.server.keepAliveTimeout <= 120_000);
  app.server.keepAliveTimeout = 100;
  const socket = await openSocket(url);
  socket.write(`GET /health/live HTTP/1.1\r\n${HOST}\r\n`);
  t.match((await untilClosed(socket)).received, /^HTTP\/1\.1 200 OK.*"ok"\}$/s);
});

t.test('a load balancer may keep a connection for an hour', async (t) => {
  const { app, url } = await startApi(t, { TRUST_PROXY: ['127.0.0.1'] });
  const accepted = once(app.server, 'connection');
  const socket = await openSocket(url);
  t.teardown(() => socket.destroy());
  const [connection]: Socket[] = await accepted;
  for (let i = 0; i < 2; i++) {
    socket.write(`GET /health/live HTTP/1.1\r\n${HOST}\r\n`);
    await once(socket, 'data');
    await eventually(async () => assert((connection?.timeout ?? 0) > 3_600_000, String(connection?.timeout)));
  }
  t.pass('also between two requests');
});

t.test('whoever asks and asks but does not read is cut off; a stream that is alive is not', async (t) => {
  const { app, url } = await startApi(t, { SSE_PING_INTERVAL: 500, SSE_STALL_TIMEOUT_MS: 500 });
  const live = await openRaw(t, `${url}/v1/leaderboards/global/stream`);
  const start = performance.now();
  const gone: Promise<unknown>[] = [];
  app.server.on('connection', (socket: Socket) => {
    gone.push(once(socket, 'close', { signal: AbortSignal.timeout(60_000) }));
  });
  // Answers of some 100 KiB each, more than the kernel has room for; then one of them sends garbage, as long as it may.
  for (const further of ['', 'GARBAGE\r\n\r\n']) {
    const socket = await openSocket(url);
    t.teardown(() => socket.destroy());
    socket.on('error', () => {}).pause();
    for (let i = 0; i < 200; i++) socket.write(`GET /openapi.json HTTP/1.1\r\n${HOST}\r\n`);
    if (further !== '') drip(socket, further);
  }
  await eventually(async () => {
    if (gone.length < 2) throw new Error('They are not connected yet');
  });
  await Promise.all(gone);
  t.comment(`after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  live.text = '';
  await live.until(/: ping/);
  t.equal((await fetch(`${url}/health/live`)).status, 200);
});

t.test('what waits behind a stream on its connection ends with the connection', async (t) => {
  const { app, url } = await startApi(t);
  const requests = async (path: string) => {
    const { values } = await app.measured.httpRequests.get();
    // Whether one was answered before the connection ended or not, it has ended.
    return values.filter(({ labels }) => labels.path === path).reduce((sum, { value }) => sum + value, 0);
  };
  let heard = 0;
  app.server.on('request', () => heard++);
  for (const behind of ['GET /v1/leaderboards/global/stream', 'GET /v1/leaderboards']) {
    const socket = await openSocket(url);
    const [, path = ''] = behind.replace('global', ':id').split(' ');
    const before = await requests(path);
    heard = 0;
    socket.write(`GET /v1/leaderboards/global/stream HTTP/1.1\r\n${HOST}\r\n`);
    socket.write(`${behind} HTTP/1.1\r\n${HOST}\r\n`.repeat(15));
    await eventually(async () => assert.equal(heard, 16));
    // Reads take turns. One whose client leaves before its turn is not begun.
    for (let turns = 0; turns < 16; turns++) await nextTurn();
    socket.destroy();
    await eventually(async () => {
      assert.equal(app.hub.active, 0);
      assert((await requests(path)) - before >= 15, `${behind}: ${(await requests(path)) - before}`);
    });
  }
});

t.test('connections have a bound, and there is room again when some have gone', async (t) => {
  const { url } = await startApi(t, { SSE_MAX_CONNECTIONS: 1 });
  const ask = `GET /health/live HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
  let held: Socket[] = [];
  t.teardown(() => {
    for (const socket of held) socket.destroy();
  });
  // On a slow machine the first are cut off for their silence before the last are open: others take their place.
  await eventually(async () => {
    held = held.filter(({ closed }) => !closed);
    const more = await Promise.all(Array.from({ length: 1_002 - held.length }, () => openSocket(url)));
    for (const socket of more) socket.on('error', () => {});
    held.push(...more);
    const refused = await openSocket(url);
    refused.write(ask);
    assert.equal((await untilClosed(refused)).received, '');
  });
  const leaving = held.splice(0, 10);
  for (const socket of leaving) socket.destroy();
  for (let answered = ''; answered === ''; ) {
    const socket = await openSocket(url);
    socket.write(ask);
    answered = (await untilClosed(socket)).received;
  }
  t.pass('answered again');
});
