import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { Entries } from '../../schemas/leaderboard.js';
import type { AppConfig } from '../../src/config.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { RedisServer } from '../redis-server.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/smoke.js', import.meta.url));

async function smoke(args: string[], environment: NodeJS.ProcessEnv = {}) {
  const began = performance.now();
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, SCRIPT, ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr, seconds: (performance.now() - began) / 1000 };
}

async function listen(t: Test, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port was given');
  return `http://127.0.0.1:${address.port}`;
}

/** A load balancer before a service: `fault` may answer a request itself, or return another address to pass it to. */
async function front(
  t: Test,
  upstream: string,
  fault: (request: IncomingMessage, response: ServerResponse) => string | undefined,
): Promise<string> {
  const server = createServer((asked, response) => {
    const to = fault(asked, response) ?? upstream;
    if (response.headersSent) return;
    const passed = request(to + asked.url, { method: asked.method, headers: asked.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    response.on('close', () => passed.destroy());
    passed.on('error', () => response.destroy());
    asked.pipe(passed);
  });
  t.teardown(() => server.closeAllConnections());
  return listen(t, server);
}

const isStream = ({ url }: IncomingMessage) => url?.includes('/stream') === true;
const answers = (status: number) => (response: ServerResponse) => {
  response.writeHead(status).end('a fault of the load balancer');
};

t.test('a healthy service passes, and the guest is erased afterwards', async (t) => {
  const { api, url } = await startApi(t);
  const { code, stdout, stderr } = await smoke([url]);
  t.equal(stderr, '');
  t.equal(code, 0);
  t.match(
    stdout,
    /^ok: guest, score 10 with collect-coin, event after \d+ ms, rank 1 on global, metrics, health in \d\.\d s\n$/,
  );
  t.match((await api.get('/v1/leaderboards/global/entries')).is(200, Entries), { total: 0, items: [] });
});

t.test('an action with a minimum duration and a range of points', async (t) => {
  const { url } = await startApi(t);
  const { code, stdout } = await smoke([`${url}/`, '--action', 'finish-level', '--no-metrics']);
  t.equal(code, 0);
  t.match(stdout, /score 1 with finish-level, .*, rank 1 on global, health in/);
});

t.test('in production it defines its own board once, and real boards stay unchanged', async (t) => {
  // Without the demo actions.
  const DATABASE_URL = await buildTestDatabase(t, 'template0');
  await migrate(DATABASE_URL);
  const { app, url } = await startApi(t, { production: true, DATABASE_URL });
  const { code, stderr } = await smoke([url]);
  t.equal(code, 1);
  t.match(stderr, /^action: there is no action that a player may issue .* SCOREBOARD_CLIENT_ID .*\n$/);
  const account = async (name: string, role: 'admin' | 'server') => {
    const { id, secret } = await app.serviceAccounts.create(name, role);
    return { SCOREBOARD_CLIENT_ID: id, SCOREBOARD_CLIENT_SECRET: secret };
  };
  t.match(
    (await smoke([url], await account('game', 'server'))).stderr,
    /^smoke-test action: PUT .* answered 403 forbidden \(request .*boards:write/,
  );
  const admin = await account('smoke', 'admin');
  for (const environment of [admin, admin, {}]) {
    const { stdout, stderr } = await smoke([url], environment);
    t.equal(stderr, '');
    t.match(stdout, /^ok: guest, score 1 with smoke-test, .* rank 1 on smoke-test/);
  }
  const { rows } = await app.pg.pool.query(
    "SELECT FROM admin_audit WHERE action <> 'create-service-account'",
  );
  t.equal(rows.length, 2, 'one audit record for the board and one for the action');
});

interface Case {
  readonly name: string;
  readonly overrides?: Partial<AppConfig>;
  readonly args?: string[];
  /** The address to test in place of that of the service. */
  readonly before?: (t: Test, url: string, other: string) => Promise<string>;
  readonly says: RegExp;
}

const cases: Case[] = [
  {
    name: 'nothing listens',
    before: async () => `http://127.0.0.1:${await freePort()}`,
    says: /^health: nothing answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\. Look at docs\/operations\.md#/,
  },
  {
    name: 'it redirects',
    before: (t, url) =>
      front(t, url, (_, response) => void response.writeHead(301, { location: 'https://x.example/' }).end()),
    says: /^health: GET \/health answered 301 and points to https:\/\/x\.example\/: give that address instead\./,
  },
  {
    name: 'another program answers',
    before: (t, url) => front(t, url, (_, response) => void answers(200)(response)),
    says: /^health: GET \/health did not answer like scoreboard-api: "a fault of the load balancer"/,
  },
  {
    name: 'it hangs',
    before: async (t) => {
      const silent = createTcpServer((socket) => t.teardown(() => socket.destroy()));
      return listen(t, silent);
    },
    says: /^health: no answer within the 8 s of the whole test\. Look at/,
  },
  {
    name: 'guests are refused',
    overrides: { RATE_LIMIT_AUTH: 1 },
    before: async (_t, url) => {
      await fetch(`${url}/v1/auth/guest`, { method: 'POST' });
      return url;
    },
    says: /^guest: POST \/v1\/auth\/guest answered 429 rate-limited \(request [0-9a-f-]{36}\)\. Look at/,
  },
  {
    name: 'the action is not for players',
    args: ['--action', 'win-match'],
    says: /^action: there is no action "win-match" that a player may issue/,
  },
  {
    name: 'there are no more streams',
    overrides: { SSE_MAX_CONNECTIONS: 0 },
    says: /^stream: GET .*\/stream\?.* answered 503 service-unavailable \(request .*load balancer/,
  },
  {
    name: 'the load balancer buffers streams',
    before: (t, url) => front(t, url, (asked, response) => (isStream(asked) ? hold(response) : undefined)),
    says: /^event: no answer within the 8 s of the whole test\. Look at .* whether the load balancer buffers/,
  },
  {
    name: 'the instances have different secrets',
    before: (t, url, other) =>
      front(t, url, (asked) => (asked.url?.startsWith('/v1/scores') ? other : undefined)),
    says: /^score: POST \/v1\/scores answered 403 action-token-invalid \(request .*"Action token rejected" in the log/,
  },
  {
    name: 'the entry does not appear',
    before: (t, url) =>
      front(t, url, (asked, response) => {
        if (asked.url?.includes('/entries/')) response.writeHead(404).end('{}');
        return undefined;
      }),
    says: /^rank: no answer within the 8 s of the whole test\. Look at docs\/operations\.md#leaderboardnotready/,
  },
  {
    name: 'metrics are hidden',
    before: (t, url) =>
      front(t, url, (asked, response) => {
        if (asked.url === '/metrics') answers(404)(response);
        return undefined;
      }),
    says: /^metrics: GET \/metrics answered 404: "a fault of the load balancer"\. Look at the address of --metrics/,
  },
  {
    name: 'another program answers with its metrics',
    before: (t, url) =>
      front(t, url, (asked, response) => {
        if (asked.url === '/metrics') response.end('# TYPE http_requests_total counter\n');
        return undefined;
      }),
    says: /^metrics: .* is without http_request_duration_seconds, sse_connections_active, /,
  },
  {
    name: 'the guest cannot be erased',
    before: (t, url) =>
      front(t, url, (asked, response) => {
        if (asked.method === 'DELETE') answers(502)(response);
        return undefined;
      }),
    says: /^erase: DELETE \/v1\/users\/me answered 502: .* Look at "Database error" in the log/,
  },
  { name: 'no address', before: async () => '', says: /^An address must be like https:/ },
  { name: 'an unknown option', args: ['--fast'], says: /^Unknown option '--fast' \(see --help\)/ },
];

/** Begins a stream with a snapshot and then sends nothing more, as a buffering proxy might. */
function hold(response: ServerResponse): undefined {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('event: snapshot\ndata: {}\n\n');
}

t.test('a failure is reported in one line, within ten seconds', async (t) => {
  const { url, config, app } = await startApi(t);
  const { DATABASE_URL } = config;
  const other = await startApi(t, {
    DATABASE_URL,
    ACTION_TOKEN_SECRET: 'that of another instance'.repeat(2),
  });
  const look = async ({ name, overrides, args = [], before, says }: Case) => {
    const at = overrides === undefined ? url : (await startApi(t, { DATABASE_URL, ...overrides })).url;
    const address = (await before?.(t, at, other.url)) ?? at;
    const { code, stdout, stderr, seconds } = await smoke([address, ...args]);
    t.equal(code, 1, name);
    t.equal(stdout, '', name);
    t.match(stderr, says, name);
    t.match(stderr, /^[^\n]+\n$/, `${name}: one line`);
    t.ok(seconds < 60, `${name}: ${seconds} s`);
  };
  const waits = ({ says }: Case) => says.source.includes('no answer within');
  // These only wait, so they run in parallel.
  await Promise.all(cases.filter(waits).map(look));
  for (const other of cases.filter((some) => !waits(some))) await look(other);
  await t.test('guests are erased after a failure too', async (t) => {
    const { rows } = await app.pg.pool.query("SELECT FROM users WHERE display_name = 'Smoke test'");
    t.equal(rows.length, 1, 'only the one whose erasure was rejected remains');
  });
});

t.test('a service without its Redis is degraded', async (t) => {
  const redis = await RedisServer.start(t);
  const { url } = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: redis.url });
  t.equal((await smoke([url])).code, 0);
  await redis.kill();
  const { code, stderr } = await eventually(async () => {
    const seen = await smoke([url]);
    if (seen.code === 0) throw new Error('It has not noticed yet');
    return seen;
  }, 30_000);
  t.equal(code, 1);
  t.match(
    stderr,
    /^health: the service is degraded \(database: ok, redis: error\)\. Look at .*#instancesunhealthy\.\n$/,
  );
});

t.test('/metrics may be at another address', async (t) => {
  const { url } = await startApi(t);
  const hidden = await front(t, url, (asked, response) => {
    if (asked.url === '/metrics') answers(404)(response);
    return undefined;
  });
  t.equal((await smoke([hidden, '--metrics', `${url}/metrics`])).code, 0);
  t.equal((await smoke([hidden, '--no-metrics'])).code, 0);
  t.equal((await smoke([hidden])).code, 1);
});
