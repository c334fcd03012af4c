import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { startApi } from '../api.js';

const { url, app, api } = await startApi(t, { CORS_ORIGINS: [] });

/** What fetch() would not leave as it is: it decodes, and asks with `Cache-Control: no-cache`. */
async function raw(headers: Record<string, string>) {
  const [response]: IncomingMessage[] = await once(get(`${url}/widget.js`, { headers }), 'response');
  if (response === undefined) throw new Error('no response');
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

for (const path of ['/widget.js', '/client.js'])
  t.test(`${path} is a script for pages of any origin, also where the API is for none`, async (t) => {
    const { status, headers } = await fetch(url + path, { headers: { origin: 'https://fan.example' } });
    t.equal(status, 200);
    t.match(headers.get('content-type'), /^(text|application)\/javascript; charset=utf-8$/);
    t.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
    t.equal(headers.get('access-control-allow-origin'), '*');
    t.equal(headers.get('x-content-type-options'), 'nosniff');
    t.match(headers.get('cache-control'), /^public, max-age=300, stale-while-revalidate=\d+$/);
    t.notOk(headers.has('x-ratelimit-limit'), 'files are not counted');
    t.equal((await fetch(url + path)).status, 200);
  });

t.test('the types of /client.js are where its header says', async (t) => {
  const { headers } = await fetch(`${url}/client.js`, { method: 'HEAD' });
  const types = await fetch(new URL(headers.get('x-typescript-types') ?? '', `${url}/client.js`));
  t.equal(types.url, `${url}/client.d.ts`);
  t.equal(types.headers.get('content-type'), 'application/typescript; charset=utf-8');
  t.match(await types.text(), /export declare function createClient/);
});

t.test('a browser that has it is told so, and one that has another is sent it', async (t) => {
  const { etag = '' } = (await raw({})).headers;
  const again = await raw({ 'if-none-match': etag });
  t.equal(again.status, 304);
  t.equal(again.body.length, 0);
  t.equal(again.headers.etag, etag);
  t.equal((await raw({ 'if-none-match': '"another"' })).status, 200);
  t.equal((await fetch(`${url}/widget.js`, { method: 'HEAD' })).status, 200);
});

t.test('it goes out compressed to those who understand it', async (t) => {
  const plain = readFileSync('client/dist/widget.js', 'utf8');
  for (const coding of ['gzip', 'br', 'identity']) {
    const { headers, body } = await raw({ 'accept-encoding': coding });
    t.match(headers['vary'], /accept-encoding/i, coding);
    t.equal(headers['content-encoding'], coding === 'identity' ? undefined : coding);
    if (coding === 'identity') t.equal(body.toString(), plain);
  }
  t.equal(gunzipSync((await raw({ 'accept-encoding': 'gzip' })).body).toString(), plain);
});

t.test('source maps are there too', async (t) => {
  for (const path of ['/widget.js', '/client.js']) {
    const script = await (await fetch(url + path)).text();
    const [, name = ''] = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(script) ?? [];
    const { status, headers } = await fetch(new URL(name, url + path));
    t.equal(status, 200, path);
    t.match(headers.get('content-type'), /^application\/json/);
  }
});

t.test('nothing else of the build is served', async () => {
  for (const path of [
    '/client.node.js',
    '/widget.js.gz',
    '/widget/live-leaderboard.js',
    '/..%2fpackage.json',
  ])
    (await api.get(path)).fails('not-found');
});

t.test('a file that was not built stops the start, with the command that makes it', async (t) => {
  t.throws(() => app.serveBuilt('/x.js', { file: 'x.js' }), { name: 'StartError', message: /npm run build/ });
});
