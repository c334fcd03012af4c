import assert from 'node:assert/strict';
import t from 'tap';
import { eventually, startApi } from '../api.js';
import { LogLines } from '../log-lines.js';
import { openSocket } from '../raw-http.js';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const STREAM = '/v1/leaderboards/global/stream';

t.test('streams that were asked for behind another one end with their connection', async (t) => {
  const { app, url } = await startApi(t, { SSE_MAX_CONNECTIONS_PER_IP: 8 });
  for (let round = 0; round < 3; round++) {
    const socket = await openSocket(url);
    socket.write(get(STREAM).repeat(8));
    await eventually(async () => assert.equal(app.hub.active, 8));
    socket.destroy();
    await eventually(async () => assert.equal(app.hub.active, 0));
  }
  t.pass('every seat is free again');
});

t.test('what is asked for behind a stream has its end in the log, answered or not', async (t) => {
  const log = new LogLines();
  const { url } = await startApi(t, { LOG_LEVEL: 'info' }, log);
  const socket = await openSocket(url);
  socket.write(get(STREAM) + get('/v1/users/me').repeat(3));
  await eventually(async () => assert.equal(log.of('Request received').length, 4));
  socket.destroy();
  await eventually(async () => assert.equal(log.of('Request completed').length, 4));
  t.equal(log.of('Auth failed').length, 3, 'each counts once');
});
