import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import t from 'tap';
import {
  curlOf,
  type Exchange,
  mayRepeat,
  shortened,
  watchedFetch,
} from '../../../client/src/game/traffic.js';

const TOKEN = `eyJhbGciOiJIUzI1NiJ9.${'x'.repeat(40)}.${'y'.repeat(43)}`;

t.test('a request is reported when it is sent and when it has its response', async (t) => {
  const reported: [string, number | undefined][] = [];
  let answered = () => {};
  const isAnswered = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const send = watchedFetch(
    ({ url, outcome }) => {
      reported.push([url, outcome?.status]);
      if (outcome !== undefined) answered();
    },
    async () => new Response('{"a":1}', { status: 201 }),
  );
  const response = await send('http://localhost/v1/x', { method: 'POST', body: '{}' });
  t.same(await response.json(), { a: 1 }, 'its caller can still read it');
  await isAnswered;
  t.same(reported, [
    ['http://localhost/v1/x', undefined],
    ['http://localhost/v1/x', 201],
  ]);
});

t.test('a request without a response is reported too, and rejects for its caller', async (t) => {
  const reported: (number | undefined)[] = [];
  const send = watchedFetch(
    ({ outcome }) => reported.push(outcome?.status),
    async () => {
      throw new TypeError('Failed to fetch');
    },
  );
  await t.rejects(send('http://localhost/v1/x'), TypeError);
  t.same(reported, [undefined, 0]);
});

t.test('curl in bash sends the same request as the page, with any characters', async (t) => {
  const seen: { method?: string; url?: string; authorization?: string; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '' } = request;
    const { authorization = '' } = request.headers;
    seen.push({ method, url, authorization, body: Buffer.concat(await request.toArray()).toString() });
    response.end();
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const body = JSON.stringify({ displayName: `O'Neill $HOME \`id\` "x" \\ ✨`, note: '@/etc/passwd' });
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'application/json',
    'sec-fetch-mode': 'cors',
  };
  const url = `http://127.0.0.1:${port}/v1/x?a=1&b='2'`;
  const command = curlOf({ method: 'PATCH', url, headers, body });
  t.notMatch(command, 'sec-fetch');
  await promisify(execFile)('bash', ['-c', `${command} -s`]);
  await promisify(execFile)('bash', [
    '-c',
    `${curlOf({ method: 'GET', url, headers: {}, body: undefined })} -s`,
  ]);
  t.same(seen, [
    { method: 'PATCH', url: `/v1/x?a=1&b='2'`, authorization: `Bearer ${TOKEN}`, body },
    { method: 'GET', url: `/v1/x?a=1&b='2'`, authorization: '', body: '' },
  ]);
});

t.test('tokens are shortened; ids, paths and words are not', async (t) => {
  t.equal(shortened(`Bearer ${TOKEN}'`), "Bearer eyJhbGci…yyyy'");
  const plain = '/v1/leaderboards/global/entries/usr_01kcx7f0w3e5tt9m6d7kq2x1zb {"displayName": "Ada"}';
  t.equal(shortened(plain), plain);
});

t.test('a refresh cannot be copied', async (t) => {
  const exchange = (url: string): Exchange => ({ method: 'POST', url, headers: {}, body: undefined });
  t.notOk(mayRepeat(exchange('http://localhost/v1/auth/refresh')));
  t.ok(mayRepeat(exchange('http://localhost/v1/scores')));
});
