import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { WebhookDeliveries, WebhookSecret } from '../../schemas/webhook.js';
import { fromUuid } from '../../src/stored-ids.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool } from '../ledger/game-server.js';
import { startHttpsReceiver, verified } from './receiver.js';

const USERS = 60;
const KILLS = 3;

/** A certificate with its key, for a name. */
function certificate(t: Test, name: string): string {
  const folder = join(t.testdirName, name);
  mkdirSync(folder, { recursive: true });
  execFileSync('sh', ['deploy/nginx/self-signed.sh', folder, name], { stdio: 'pipe' });
  return ['fullchain.pem', 'privkey.pem'].map((file) => readFileSync(join(folder, file), 'utf8')).join('');
}

t.test('every ban that was committed is told, with one id, though instances are killed', async (t) => {
  t.testdir();
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const first = await startApi(t, { DATABASE_URL: databaseUrl });
  const admin = await serviceApi(first, 'admin');
  await first.app.close();

  const [pem, foreign] = [certificate(t, 'localhost'), certificate(t, 'other.example.com')];
  const trusted = join(t.testdirName, 'trusted.pem');
  writeFileSync(trusted, pem + foreign);
  const variables = { WEBHOOK_ALLOW_NETWORKS: '127.0.0.0/8,::1', NODE_EXTRA_CA_CERTS: trusted };
  let asked = () => {};
  const receiver = await startHttpsReceiver(t, pem, (_, response) => {
    asked();
    // A process that is killed meanwhile never learns what it has sent.
    setTimeout(() => response.writeHead(204).end(), 100);
  });
  const impostor = await startHttpsReceiver(t, foreign, 204);

  const users = await addPlayers(pool, USERS);
  let service = await startService(t, databaseUrl, variables);
  const create = async (url: string) =>
    (await admin.at(service.url).post('/v1/admin/webhooks', { url, events: ['user.banned'] })).is(
      201,
      WebhookSecret,
    );
  const [webhook, fooled] = [await create(receiver.url), await create(impostor.url)];

  for (let n = 0; n <= KILLS; n++) {
    const isLast = n === KILLS;
    const requested = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const own = users.slice((n * USERS) / (KILLS + 1), ((n + 1) * USERS) / (KILLS + 1));
    const banning = own.map((id) =>
      admin
        .at(service.url)
        .post(`/v1/admin/users/${id}/ban`, { reason: 'Cheats' })
        .catch(() => {}),
    );
    await requested;
    if (!isLast) {
      await delay(Math.random() * 60);
      service.process.kill('SIGKILL');
      await service.ended;
    }
    await Promise.all(banning);
    if (isLast) break;
    service = await startService(t, databaseUrl, variables);
    // Else both would be found after half a minute.
    await pool.query("UPDATE webhooks SET not_before = '-infinity'");
    await pool.query(
      'SELECT FROM scoreboard_jobs.force_unlock_workers(ARRAY(SELECT locked_by FROM scoreboard_jobs.jobs WHERE locked_by IS NOT NULL))',
    );
  }
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM users WHERE banned_at IS NOT NULL');
  const banned = rows.map(({ id }) => fromUuid('usr', id)).sort();
  t.ok(banned.length >= USERS / (KILLS + 1), `${banned.length} of ${USERS} bans were committed`);

  const told = () => {
    const ids = new Map<string, Set<unknown>>();
    for (const request of receiver.received) {
      const event = JSON.stringify(verified(webhook.secret, request));
      const [user = ''] = /usr_\w+/.exec(event) ?? [];
      ids.set(user, (ids.get(user) ?? new Set()).add(request.headers['webhook-id']));
    }
    return ids;
  };
  await eventually(async () => assert.deepEqual([...told().keys()].sort(), banned), 60_000);
  t.ok(
    [...told().values()].every((ids) => ids.size === 1),
    'each has one id',
  );
  t.comment(`${receiver.received.length} requests for ${banned.length} events`);

  t.same(impostor.received, []);
  const path = `/v1/admin/webhooks/${fooled.id}/deliveries`;
  await eventually(async () => {
    const { items } = (await admin.at(service.url).get(path)).is(200, WebhookDeliveries);
    assert(items.some(({ error }) => error === 'ERR_TLS_CERT_ALTNAME_INVALID'));
  });
});
