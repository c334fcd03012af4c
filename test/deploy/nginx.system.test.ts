import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t, { type Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { ProblemDocument } from '../../schemas/problem.js';
import { PROBLEMS, type ProblemCode } from '../../src/errors.js';
import { conform, eventually } from '../api.js';
import { type Service, startService } from '../faults/service.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { openRaw, type RawStream } from '../live/live-server.js';
import { Nginx, type Reply, startDefaultNginx } from './nginx.js';

// Kills and restarts instances, on a machine that may be busy.
t.setTimeout(180_000);
const CEILING_MS = 60_000;
const STREAM = '/v1/leaderboards/global/stream';
const BEHIND_PROXY = { TRUST_PROXY: ['127.0.0.1'] };

/** nginx in front of one instance, in this process. */
async function startOne(t: Test, overrides: Parameters<typeof buildTestApp>[1] = {}) {
  const instance = await buildTestApp(t, { ...BEHIND_PROXY, ...overrides });
  return { ...instance, nginx: await Nginx.start(t, instance.url) };
}

const Session = Type.Object({ accessToken: Type.String(), user: Type.Object({ id: Type.String() }) });
type Session = Static<typeof Session>;
const Granted = Type.Object({ actionToken: Type.String() });
const Standing = Type.Object({ score: Type.Integer() });

const authorized = ({ accessToken }: Session) => ({ authorization: `Bearer ${accessToken}` });

async function newGuest(nginx: Nginx): Promise<Session> {
  const { body } = await nginx.call('POST', '/v1/auth/guest', { json: { displayName: 'Ada' } });
  return Value.Parse(Session, JSON.parse(body));
}

async function newToken(nginx: Nginx, player: Session): Promise<string> {
  const call = { json: { action: 'collect-coin' }, headers: authorized(player) };
  const { body } = await nginx.call('POST', '/v1/action-tokens', call);
  return Value.Parse(Granted, JSON.parse(body)).actionToken;
}

const post = (nginx: Nginx, player: Session, actionToken: string): Promise<Reply> =>
  nginx.call('POST', '/v1/scores', { json: { actionToken }, headers: authorized(player) });

/** Error responses of nginx are problem documents like those of the service. */
function isProblem(t: Test, { status, headers, body }: Reply, code: ProblemCode): void {
  const problem: unknown = JSON.parse(body);
  conform(ProblemDocument, problem, 'the answer');
  t.match(problem, { ...PROBLEMS[code], code, type: `urn:scoreboard:problem:${code}` });
  t.equal(status, PROBLEMS[code].status);
  t.match(headers['content-type'], /^application\/problem\+json\b/);
  t.equal(headers['x-request-id'], problem.requestId);
}

async function handshake(t: Test, { port, ca }: Nginx, version: SecureVersion): Promise<TLSSocket> {
  const versions = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
  const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca, ...versions });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

t.test('only TLS 1.2 and newer, with HTTP/2, and HTTP is redirected to HTTPS', async (t) => {
  const { nginx } = await startOne(t);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    t.equal((await handshake(t, nginx, version)).getProtocol(), version);
  }
  // The server's alert: a client without this TLS version would fail differently.
  for (const version of ['TLSv1.1', 'TLSv1'] as const) {
    await t.rejects(handshake(t, nginx, version), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' }, version);
  }

  const session = connectHttp2(`https://127.0.0.1:${nginx.port}`, { ca: nginx.ca, servername: 'localhost' });
  t.teardown(() => session.destroy());
  const asked = session.request({ ':path': '/health/live' });
  const [answer] = await once(asked, 'response');
  t.equal(answer[':status'], 200, 'HTTP/2');

  const redirect = await fetch(`http://127.0.0.1:${nginx.httpPort}/v1/leaderboards?a=b`, {
    method: 'POST',
    redirect: 'manual',
  });
  t.equal(redirect.status, 308);
  t.equal(redirect.headers.get('location'), 'https://127.0.0.1/v1/leaderboards?a=b');
});

t.test('a stream passes through TLS without buffering', async (t) => {
  const { nginx } = await startOne(t);
  const player = await newGuest(nginx);
  const stream = await nginx.stream(t, STREAM);
  await stream.until(/event: snapshot\ndata: .*\n\n/);
  for (const score of [10, 20, 30]) {
    t.equal((await post(nginx, player, await newToken(nginx, player))).status, 200);
    await stream.until(new RegExp(`event: leaderboard\ndata: .*"score":${score},.*\n\n$`));
  }
});

t.test('a stream passes through an nginx as it comes, too', async (t) => {
  const { url } = await buildTestApp(t, BEHIND_PROXY);
  const nginx = await startDefaultNginx(t, url);
  const stream = await openRaw(t, nginx + STREAM);
  await stream.until(/event: snapshot\ndata: .*\n\n/);
  t.equal((await fetch(nginx + STREAM, { method: 'HEAD' })).status, 200);
});

t.test('the address of a client is the one that nginx sees', async (t) => {
  const { nginx } = await startOne(t, { RATE_LIMIT_READ: 3 });
  const statuses: (number | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    const headers = { 'x-forwarded-for': `203.0.113.${i}`, forwarded: `for=203.0.113.${i}` };
    statuses.push((await nginx.call('GET', '/v1/leaderboards', { headers, from: '127.0.0.2' })).status);
  }
  t.same(statuses, [200, 200, 200, 429, 429], 'a forged one changes nothing');
  t.equal((await nginx.call('GET', '/v1/leaderboards', { from: '127.0.0.3' })).status, 200, 'others go on');
});

t.test('requests and responses pass unchanged, except for private paths', async (t) => {
  const { app, nginx } = await startOne(t);
  let connections = 0;
  app.server.on('connection', () => connections++);
  const plain = await app.inject('/v1/leaderboards');
  const id = 'my-request.1';
  const answer = await nginx.call('GET', '/v1/leaderboards', { headers: { 'x-request-id': id } });
  t.equal(answer.headers['x-request-id'], id);
  for (const name of Object.keys(plain.headers)) {
    const times = answer.rawHeaders.filter((header, i) => i % 2 === 0 && header.toLowerCase() === name);
    t.ok(times.length <= 1, `${name}, once`);
    if (/^(content|strict|x-(content|frame|dns))/.test(name))
      t.equal(answer.headers[name], plain.headers[name], name);
  }
  for (const path of ['/metrics', '/metrics?a', '//metrics', '/%6detrics', '/v1/../metrics', '/./metrics']) {
    isProblem(t, await nginx.call('GET', path), 'not-found');
  }
  isProblem(t, await nginx.call('GET', '/metrics/'), 'not-found');
  isProblem(t, await nginx.call('POST', '/v1/auth/guest', { body: 'x'.repeat(16_385) }), 'payload-too-large');
  const largest = await nginx.call('POST', '/v1/auth/guest', { body: 'x'.repeat(16_384) });
  t.equal(largest.status, 415, 'the service has read it');
  for (let i = 0; i < 20; i++) await nginx.call('GET', '/health/live');
  t.ok(connections < 20, `${connections} connections`);
});

t.test('without an instance the response is a problem document with Retry-After', async (t) => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const nginx = await Nginx.start(t, nobody, nobody);
  const answer = await nginx.call('GET', '/v1/leaderboards', { headers: { 'x-request-id': 'a"b' } });
  isProblem(t, answer, 'service-unavailable');
  t.equal(answer.headers['retry-after'], '5');
  t.match(JSON.parse(answer.body), { instance: '/v1/leaderboards' });
  isProblem(t, await nginx.call('GET', '/a"b'), 'service-unavailable');
});

async function streamsOf({ url }: Service): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^sse_connections_active (\d+)$/m.exec(metrics)?.[1]);
}

/** The last score that a stream has sent. */
const shown = ({ text }: RawStream) => Number([...text.matchAll(/"score":(\d+)/g)].at(-1)?.[1] ?? 0);

t.test('when an instance stops, its streams and scores continue on the other', async (t) => {
  const database = await buildTestDatabase(t);
  const variables = {
    TRUST_PROXY: '127.0.0.1',
    RATE_LIMIT_AUTH: '1000000',
    RATE_LIMIT_SCORE_UPDATE: '1000000',
  };
  const start = () => startService(t, database, variables);
  const instances = await Promise.all([start(), start()]);
  const nginx = await Nginx.start(t, instances[0].url, instances[1].url);
  const player = await newGuest(nginx);

  // Streams of one user are on the same instance; that one is stopped first.
  const streams = [await nginx.stream(t, `${STREAM}?user=${player.user.id}`)];
  await streams[0]?.until(/event: snapshot/);
  const [one, two] = (await streamsOf(instances[0])) === 1 ? instances : [instances[1], instances[0]];
  for (let i = 0; i < 4; i++) {
    const stream = await nginx.stream(t, `${STREAM}?user=${player.user.id}`);
    await stream.until(/event: snapshot/);
    streams.push(stream);
  }
  t.same([await streamsOf(one), await streamsOf(two)], [5, 0], 'sticky');

  // A player keeps scoring, and retries rejected scores.
  let playing = true;
  let counted = 0;
  const refusals: string[] = [];
  const play = async () => {
    while (playing) {
      const token = await newToken(nginx, player).catch(() => undefined);
      while (token !== undefined) {
        const { status, headers, body } = await post(nginx, player, token);
        if (status === 200 || (status === 409 && body.includes('"original"'))) break;
        refusals.push(`${status} ${headers['retry-after']} ${body}`);
        if (status !== 503) playing = false;
      }
      if (token !== undefined) counted++;
    }
  };
  const games = Promise.all([play(), play()]);
  games.catch(() => {});
  t.teardown(() => {
    playing = false;
  });
  const goesOn = async (stream: RawStream) => {
    const before = counted;
    await eventually(async () => assert(counted >= before + 10), CEILING_MS);
    const wanted = counted * 10;
    do {
      stream.text = '';
      await stream.until(/"score":\d+.*\n\n$/);
    } while (shown(stream) < wanted);
  };
  await goesOn(streams[0] ?? assert.fail());

  one.process.kill('SIGTERM');
  for (const stream of streams) t.match(await stream.untilEnd(), /retry: \d+\n\n$/);
  const again = await nginx.stream(t, `${STREAM}?user=${player.user.id}`);
  t.equal(again.status, 200);
  await goesOn(again);
  t.equal(await one.ended, 0);
  t.equal(await streamsOf(two), 1, 'the other one has it now');

  const third = await startService(t, database, { ...variables, PORT: new URL(one.url).port });
  await eventually(async () => {
    const probe = await nginx.stream(t, `${STREAM}?user=${player.user.id}`);
    await probe.until(/event: snapshot/);
    assert(await streamsOf(third));
  }, CEILING_MS);
  t.pass('an instance that is back gets its streams again');
  two.process.kill('SIGKILL');
  await t.rejects(again.untilEnd(), { code: 'ECONNRESET' });
  const last = await nginx.stream(t, `${STREAM}?user=${player.user.id}`);
  t.equal(last.status, 200);
  await goesOn(last);

  playing = false;
  await games;
  t.same(
    refusals.filter((refusal) => !/^503 \d+ .*shutting down/.test(refusal)),
    [],
    `${counted} scores, ${refusals.length} refused by the one that was shutting down`,
  );
  const entry = await nginx.call('GET', `/v1/leaderboards/global/entries/${player.user.id}`);
  t.equal(Value.Parse(Standing, JSON.parse(entry.body)).score, counted * 10, 'each counts once');
});
