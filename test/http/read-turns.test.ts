import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { spreadReads } from '../../src/http/read-turns.js';
import { eventually } from '../live/live-server.js';
import { openSocket } from '../raw-http.js';

const READ = 'GET /v1/leaderboards HTTP/1.1\r\nHost: test\r\n\r\n';
const PROBE = 'GET /health HTTP/1.1\r\nHost: test\r\n\r\n';
const SCORE = 'POST /v1/scores HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n';

/** A connection to a server that notes in which turn of the event loop it begins each request. */
async function start(t: Test) {
  let turn = 0;
  let isOver = false;
  const begun: { readonly path: string; readonly turn: number }[] = [];
  const server = createServer(({ url = '' }, response) => {
    begun.push({ path: url, turn });
    response.end('right');
  });
  spreadReads(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const socket = await openSocket(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
  socket.on('error', () => {}).resume();
  t.teardown(() => {
    isOver = true;
    socket.destroy();
    server.close();
  });
  void (async () => {
    for (; !isOver; turn++) await nextTurn();
  })();
  /** How many requests were begun in each turn. */
  const perTurn = () => {
    const counts = new Map<number, number>();
    for (const { turn } of begun) counts.set(turn, (counts.get(turn) ?? 0) + 1);
    return [...counts.values()];
  };
  return { server, socket, begun, perTurn };
}

t.test('reads take turns, fewer beside a new connection; everything else begins at once', async (t) => {
  const { socket, begun, perTurn } = await start(t);
  socket.write(READ.repeat(60) + SCORE + PROBE);
  await eventually(() => begun.length === 62);
  t.same(perTurn(), [4 + 2, 4, 16, 16, 16, 4]);
  t.same(
    begun.slice(0, 6).map(({ path }) => path),
    [...Array(4).fill('/v1/leaderboards'), '/v1/scores', '/health'],
  );
});

t.test('a read whose client has left is not begun', async (t) => {
  const { server, socket, begun } = await start(t);
  let hasLeft = false;
  server.once('request', (request) => {
    request.socket.once('close', () => {
      hasLeft = true;
    });
    socket.resetAndDestroy();
  });
  socket.write(READ.repeat(1_000));
  await eventually(() => hasLeft);
  const { length } = begun;
  for (let turns = 0; turns < 3; turns++) await nextTurn();
  t.equal(begun.length, length);
  t.ok(length < 1_000);
});

t.test('what waits is bounded: reads beyond begin at once', async (t) => {
  const { socket, begun, perTurn } = await start(t);
  socket.write(READ.repeat(6_000));
  await eventually(() => begun.length === 6_000);
  t.ok(Math.max(...perTurn()) > 16);
});
