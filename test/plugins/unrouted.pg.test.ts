import t from 'tap';
import { startApi } from '../api.js';

const { api, url } = await startApi(t);
const OTHERS = 'GET HEAD POST PUT PATCH DELETE'.split(' ');

t.test('of an unknown path nothing is looked at but the path', async () => {
  for (const path of ['/v1/no-such-path', '/v1/scores/', '/v2/scores', '/v1/users/me/x', '/%00', '/a%2Fb']) {
    for (const [type, body] of [
      ['application/json', '{'],
      ['application/json; charset=latin1', Buffer.from([0xff])],
      ['text/plain', 'x'],
      ['x', 'x'.repeat(20_000)],
    ] as const) {
      for (const method of ['POST', 'PUT', 'DELETE'])
        (await api.send(method, path, { body, headers: { 'content-type': type } })).fails('not-found');
    }
    (await api.get(path)).fails('not-found');
  }
});

t.test('a known path tells which methods it has', async (t) => {
  const paths = Object.keys(api.document.paths).map((path) =>
    path.replaceAll('{userId}', 'me').replaceAll(/\{\w+\}/g, 'glob%61l'),
  );
  t.ok(paths.length > 25);
  for (const path of [...paths, '/docs', '/docs/']) {
    const asked = await fetch(url + path, { method: 'OPTIONS' });
    t.equal(asked.status, 204, path);
    const allow = asked.headers.get('allow') ?? '';
    const methods = allow.split(', ');
    t.ok(methods.includes('OPTIONS') && methods.length > 1, `${path}: ${allow}`);
    t.equal(methods.includes('HEAD'), methods.includes('GET'), path);
    for (const method of [...OTHERS, 'PROPFIND']) {
      if (methods.includes(method)) continue;
      const headers = { 'content-type': 'application/json' };
      const refused = await fetch(url + path, {
        method,
        headers,
        body: method === 'HEAD' || method === 'GET' ? null : '{',
      });
      t.match([refused.status, refused.headers.get('allow')], [405, allow], `${method} ${path}`);
    }
  }
  (await api.send('PUT', '/v1/scores?a=/b', { body: '{' })).fails('method-not-allowed');
  (await api.send('POST', '/widget.js', { body: '{' })).fails('method-not-allowed');
  const mine = await api.send('POST', '/v1/users/me');
  t.equal(mine.headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS, PATCH');
});

t.test('nobody is told of methods that are not there', async (t) => {
  const preflight = { origin: 'https://play.example', 'access-control-request-method': 'POST' };
  const options = (path: string, headers = {}) => fetch(url + path, { method: 'OPTIONS', headers });
  t.equal((await options('/no-such-path')).status, 404);
  t.equal(
    (await options('/no-such-path', preflight)).status,
    200,
    'a browser may ask, and then sees the 404',
  );
  const closed = await startApi(t, { CORS_ORIGINS: [] });
  t.equal((await fetch(`${closed.url}/no-such-path`, { method: 'OPTIONS', headers: preflight })).status, 404);
  t.equal((await fetch(`${closed.url}/v1/scores`, { method: 'OPTIONS', headers: preflight })).status, 204);
});

t.test('a path of its own is not taken for what fits the pattern of another', async (t) => {
  for (const method of ['GET', 'HEAD']) {
    const refused = await fetch(`${url}/v1/users/batch`, { method });
    t.match([refused.status, refused.headers.get('allow')], [405, 'OPTIONS, POST']);
  }
  (await api.get('/v1/users/batches')).fails('validation-failed');
});
