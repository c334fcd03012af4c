import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { startApi } from '../api.js';

const { url, app, api } = await startApi(t, { CORS_ORIGINS: [] });

t.test('/widget.js is a script for pages of any origin, also where the API is for none', async (t) => {
  const { status, headers } = await fetch(`${url}/widget.js`, { headers: { origin: 'https://fan.example' } });
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^(text|application)\/javascript; charset=utf-8$/);
  t.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
  t.equal(headers.get('access-control-allow-origin'), '*');
  t.equal(headers.get('x-content-type-options'), 'nosniff');
  t.match(headers.get('cache-control'), /^public, max-age=300, stale-while-revalidate=\d+$/);
  t.notOk(headers.has('x-ratelimit-limit'), 'files are not counted');
  t.equal((await fetch(`${url}/widget.js`)).status, 200);
});

t.test('a browser that has it is told so, and one that has another is sent it', async (t) => {
  // fetch() would ask with `Cache-Control: no-cache`.
  const get = (tag: string) => app.inject({ url: '/widget.js', headers: { 'if-none-match': tag } });
  const { etag = '' } = (await app.inject('/widget.js')).headers;
  const again = await get(String(etag));
  t.equal(again.statusCode, 304);
  t.equal(again.body, '');
  t.equal(again.headers.etag, etag);
  t.equal((await get('"another"')).statusCode, 200);
  t.equal((await fetch(`${url}/widget.js`, { method: 'HEAD' })).status, 200);
});

t.test('it goes out compressed to those who understand it', async (t) => {
  const plain = readFileSync('client/dist/widget.js', 'utf8');
  for (const coding of ['gzip', 'br', 'identity']) {
    const { headers, body } = await app.inject({
      url: '/widget.js',
      headers: { 'accept-encoding': coding },
    });
    t.match(headers['vary'], /accept-encoding/i, coding);
    t.equal(headers['content-encoding'], coding === 'identity' ? undefined : coding);
    if (coding === 'identity') t.equal(body, plain);
  }
  const { rawPayload } = await app.inject({ url: '/widget.js', headers: { 'accept-encoding': 'gzip' } });
  t.equal(gunzipSync(rawPayload).toString(), plain);
});

t.test('its source map is there too', async (t) => {
  const script = await (await fetch(`${url}/widget.js`)).text();
  const [, name = ''] = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(script) ?? [];
  const { status, headers } = await fetch(new URL(name, `${url}/widget.js`));
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^application\/json/);
});

t.test('nothing else of the build is served', async () => {
  for (const path of ['/index.js', '/widget.js.gz', '/widget/live-leaderboard.js', '/..%2fpackage.json'])
    (await api.get(path)).fails('not-found');
});

t.test('a file that was not built stops the start, with the command that makes it', async (t) => {
  t.throws(() => app.serveBuilt('/x.js', { file: 'x.js' }), { name: 'StartError', message: /npm run build/ });
});
