import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Health, Liveness } from '../../schemas/service.js';
import { eventually, newPlayer, startApi } from '../api.js';
import { mint } from '../mint.js';
import { finish, openSocket } from '../raw-http.js';

t.test('a service that shuts down answers what is under way and refuses what is new', async (t) => {
  const { api, app, url } = await startApi(t);
  const player = await newPlayer(api);
  const body = JSON.stringify({ actionToken: mint(player.id) });
  const post = `POST /v1/scores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${player.session.accessToken}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const begin = async (text: string) => {
    const socket = await openSocket(url);
    socket.write(text);
    return socket;
  };
  // This one has been taken in but for the end of its body; the others have still to say what they want.
  const underWay = await begin(post + body.slice(0, 10));
  const [health, live, late] = await Promise.all(
    ['/health', '/health/live', '/v1/actions'].map((path) => begin(`GET ${path} HT`)),
  );
  if (!health || !live || !late) throw new Error('There are three');
  await eventually(async () => {
    const open = await new Promise<number>((resolve) =>
      app.server.getConnections((_, count) => resolve(count)),
    );
    if (open < 4) throw new Error(`${open} connections`);
  });
  // What was sent has been read by the time that a whole exchange is over.
  await api.get('/health/live');

  const closed = app.close();
  await eventually(async () => {
    if (!app.draining) throw new Error('not yet');
  });
  const rest = 'TP/1.1\r\nHost: x\r\n\r\n';
  t.same((await finish(health, rest)).is(503, Health), {
    status: 'degraded',
    checks: { database: 'ok', redis: 'disabled' },
  });
  t.same((await finish(live, rest)).is(200, Liveness), { status: 'ok' });
  t.match((await finish(late, rest)).fails('service-unavailable').detail, /shutting down/);
  (await finish(underWay, body.slice(10))).is(200, Receipt);
  await closed;
  const { port } = new URL(url);
  const [refused] = await once(connect(Number(port), '127.0.0.1'), 'error');
  t.equal(refused.code, 'ECONNREFUSED');
});
