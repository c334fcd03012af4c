import { EventSource } from 'eventsource';
import t, { type Test } from 'tap';
import { buildApp } from '../../src/app.js';
import type { AppConfig } from '../../src/config.js';
import { startApi } from '../api.js';
import { buildTestDatabase, testConfig } from '../helper.js';
import { openRaw } from '../live/live-server.js';

const OURS = 'https://play.example';
const THEIRS = 'https://attacker.example';
const EXPOSED = [
  'etag',
  'retry-after',
  'www-authenticate',
  'x-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
];
/** By the SDK, by a polyfill of EventSource, and by tools that trace requests. */
const SENT = [
  ...['authorization', 'cache-control', 'content-type', 'if-none-match', 'last-event-id', 'x-request-id'],
  ...['traceparent', 'tracestate', 'baggage', 'sentry-trace'],
];
const API_POLICY = "default-src 'none';frame-ancestors 'none'";

/** What a browser of this origin gets back, with whatever status. */
async function calls(t: Test, overrides: Partial<AppConfig>) {
  const service = await startApi(t, { RATE_LIMIT_AUTH: 4, SSE_MAX_CONNECTIONS: 1, ...overrides });
  const send = (path: string, origin: string, options: RequestInit = {}) =>
    fetch(service.url + path, { ...options, headers: { origin, ...options.headers } });
  const requests: [status: number, path: string, options?: RequestInit][] = [
    [200, '/v1/leaderboards'],
    [200, '/v1/leaderboards', { method: 'HEAD' }],
    [400, '/v1/leaderboards/global/entries?limit=0'],
    [400, '/v1/users/%zz'],
    [400, `/v1/leaderboards/${'x'.repeat(300)}`],
    [401, '/v1/users/me'],
    [404, '/no-such-path'],
    [
      413,
      '/v1/auth/guest',
      { method: 'POST', body: `"${'x'.repeat(20_000)}"`, headers: { 'content-type': 'application/json' } },
    ],
    [415, '/v1/auth/guest', { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }],
    [400, '/v1/auth/guest', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }],
    [201, '/v1/auth/guest', { method: 'POST' }],
    [429, '/v1/auth/guest', { method: 'POST' }],
  ];
  return { ...service, send, requests };
}

t.test('a page of any origin may read every answer, faults and all, where CORS_ORIGINS is *', async (t) => {
  const { send, requests, config } = await calls(t, {});
  t.same(config.CORS_ORIGINS, ['*'], 'as it is outside production');
  for (const [status, path, options] of requests) {
    const { status: got, headers } = await send(path, THEIRS, options);
    t.equal(got, status, path);
    t.equal(headers.get('access-control-allow-origin'), '*', path);
    t.equal(headers.get('access-control-allow-credentials'), null);
    const exposed = headers.get('access-control-expose-headers')?.toLowerCase().split(', ') ?? [];
    for (const name of EXPOSED) t.ok(exposed.includes(name), `${path}: ${name}`);
  }
});

t.test('only pages of the origins that are listed may', async (t) => {
  const { send, requests } = await calls(t, { CORS_ORIGINS: ['https://other.example', OURS] });
  for (const [status, path, options] of requests) {
    const { status: got, headers } = await send(path, OURS, options);
    t.equal(got, status, path);
    t.equal(headers.get('access-control-allow-origin'), OURS, path);
    t.match(headers.get('vary'), /\borigin\b/i, `${path}: caches must tell them apart`);
    t.equal(headers.get('access-control-allow-credentials'), null);
  }
  for (const origin of [
    THEIRS,
    `${OURS}.attacker.example`,
    `${OURS}:8443`,
    'http://play.example',
    'null',
    '',
  ]) {
    const { headers } = await send('/v1/leaderboards', origin);
    t.equal(headers.get('access-control-allow-origin'), null, origin);
    t.match(headers.get('vary'), /\borigin\b/i);
    t.equal((await send('/v1/users/%zz', origin)).headers.get('access-control-allow-origin'), null);
  }
});

t.test('without CORS_ORIGINS, as in production, no page of another origin may read anything', async (t) => {
  const { send, requests } = await calls(t, { CORS_ORIGINS: [] });
  for (const [status, path, options] of requests) {
    const { status: got, headers } = await send(path, OURS, options);
    t.equal(got, status, path);
    t.notOk(
      [...headers.keys()].some((name) => name.startsWith('access-control')),
      path,
    );
  }
  const asked = await send('/v1/scores', OURS, { method: 'OPTIONS' });
  t.match([asked.status, asked.headers.get('allow')], [204, 'OPTIONS, POST']);
});

t.test('a preflight is answered without a token, and remembered', async (t) => {
  const { send } = await calls(t, { CORS_ORIGINS: [OURS] });
  const asking = {
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'authorization',
  };
  for (const path of ['/v1/scores', '/v1/admin/leaderboards/global', '/v1/leaderboards/global/stream']) {
    const { ok, headers } = await send(path, OURS, { method: 'OPTIONS', headers: asking });
    t.ok(ok, path);
    t.equal(headers.get('access-control-allow-origin'), OURS);
    t.match(headers.get('access-control-allow-methods'), /\bPUT\b/);
    const allowed = headers.get('access-control-allow-headers')?.toLowerCase().split(', ') ?? [];
    for (const name of SENT) t.ok(allowed.includes(name), `${path}: ${name}`);
    t.ok(Number(headers.get('access-control-max-age')) >= 600);
    t.equal(headers.get('access-control-allow-credentials'), null);
  }
  const { headers } = await send('/v1/scores', THEIRS, { method: 'OPTIONS', headers: asking });
  t.equal(headers.get('access-control-allow-origin'), null);
});

t.test('a stream may be read by another origin too, and so may its refusal', async (t) => {
  const { url } = await calls(t, { CORS_ORIGINS: [OURS] });
  const path = `${url}/v1/leaderboards/global/stream`;
  const seen: Record<string, string | null>[] = [];
  const source = new EventSource(path, {
    fetch: async (input, init) => {
      const response = await fetch(input, { ...init, headers: { ...init.headers, origin: OURS } });
      seen.push(Object.fromEntries(response.headers));
      return response;
    },
  });
  t.teardown(() => source.close());
  await new Promise((resolve) => source.addEventListener('snapshot', resolve, { once: true }));
  t.match(seen, [
    {
      'content-type': /^text\/event-stream/,
      'access-control-allow-origin': OURS,
      vary: /origin/i,
      'content-security-policy': API_POLICY,
      'x-content-type-options': 'nosniff',
      'x-ratelimit-limit': /^\d+$/,
    },
  ]);
  const refused = await fetch(path, { headers: { origin: OURS } });
  t.equal(refused.status, 503);
  t.equal(refused.headers.get('access-control-allow-origin'), OURS);
  t.equal((await openRaw(t, path, { origin: THEIRS })).status, 503);
});

t.test('an answer is data: no browser runs it, frames it or guesses at its type', async (t) => {
  const { send, requests } = await calls(t, {});
  for (const [, path, options] of requests) {
    const { headers } = await send(path, THEIRS, options);
    t.equal(headers.get('content-security-policy'), API_POLICY, path);
    t.equal(headers.get('x-content-type-options'), 'nosniff', path);
    t.equal(headers.get('x-powered-by'), null);
  }
  const { headers } = await send('/v1/leaderboards', OURS);
  t.equal(headers.get('x-frame-options'), 'DENY');
  t.match(headers.get('strict-transport-security'), /^max-age=31536000/);
  t.equal(headers.get('referrer-policy'), null, 'rules for pages are not sent with data');
});

t.test('the page of the docs runs its own files and nothing else', async (t) => {
  const { url } = await startApi(t);
  const page = await fetch(`${url}/docs`);
  const policy = page.headers.get('content-security-policy') ?? '';
  t.equal(page.headers.get('referrer-policy'), 'no-referrer');
  t.match(policy, /script-src 'self';/);
  t.match(policy, /default-src 'none';/);
  t.notMatch(policy, /script-src[^;]*unsafe|https?:|\*/);
  const html = await page.text();
  for (const [tag] of html.matchAll(/<script[^>]*>/g)) t.match(tag, / src="\/docs\//);
  t.notMatch(html, /<style| on\w+=/i);
});

t.test('a route may have rules of its own', async (t) => {
  const app = await buildApp(testConfig(await buildTestDatabase(t)));
  t.teardown(() => app.close());
  const helmet = {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'self'"] } },
    crossOriginResourcePolicy: { policy: 'cross-origin' as const },
  };
  app.get('/some-widget.js', { helmet }, async () => '');
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const { headers } = await fetch(`${url}/some-widget.js`);
  t.equal(headers.get('content-security-policy'), "default-src 'self'");
  t.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
  t.equal(headers.get('x-frame-options'), 'DENY', 'what it does not name stays');
});
