import t from 'tap';
import { AuditTrail } from '../../schemas/moderation.js';
import { serviceApi, startApi } from '../api.js';

t.test('the console is one page for all addresses below /admin, with rules of its own', async (t) => {
  const { url } = await startApi(t);
  const { headers, body } = await read(`${url}/admin`);
  t.equal(headers.get('content-type'), 'text/html; charset=utf-8');
  t.equal(headers.get('cache-control'), 'no-cache');
  const policy = headers.get('content-security-policy') ?? '';
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ])
    t.ok(policy.split(';').includes(rule), rule);
  t.notMatch(policy, /unsafe|\*|https?:/);
  for (const path of ['/admin/', '/admin/players/usr_x?q=1'])
    t.equal((await read(url + path)).body, body, path);
});

t.test('its script and style are compressed, and a browser that has them gets none', async (t) => {
  const { url } = await startApi(t);
  for (const name of ['console.js', 'console.css', 'icon.svg']) {
    const address = `${url}/admin/${name}`;
    const answer = await fetch(address, { headers: { 'accept-encoding': 'br' } });
    t.equal(answer.headers.get('content-encoding'), 'br', name);
    const etag = answer.headers.get('etag') ?? '';
    await answer.arrayBuffer();
    const again = await fetch(address, {
      headers: { 'accept-encoding': 'br', 'if-none-match': etag, 'cache-control': 'max-age=0' },
    });
    t.equal(again.status, 304, name);
  }
  const script = await read(`${url}/admin/console.js`);
  t.comment(`${script.body.length} characters`);
  t.notMatch(script.body, /\beval\(|new Function\(/);
});

t.test('ADMIN_CONSOLE=off leaves the API', async (t) => {
  const service = await startApi(t, { ADMIN_CONSOLE: 'off' });
  for (const path of ['/admin', '/admin/console.js', '/admin/players'])
    t.equal((await fetch(service.url + path)).status, 404, path);
  const admin = await serviceApi(service, 'admin');
  (await admin.get('/v1/admin/audit')).is(200, AuditTrail);
});

async function read(address: string) {
  const answer = await fetch(address);
  t.equal(answer.status, 200, address);
  return { headers: answer.headers, body: await answer.text() };
}
