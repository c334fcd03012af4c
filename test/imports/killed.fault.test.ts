import assert from 'node:assert/strict';
import { request } from 'node:http';
import t from 'tap';
import { accessToken } from '../../dev/mint.js';
import { eventually } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase, JWT_SECRET } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { differencesAt } from '../ledger/old-months.js';
import { typeId } from '../mint.js';
import { csvOf } from './files.js';

const PLAYERS = 6_000;
const ROWS = 30_000;
const file = Buffer.from(
  csvOf(
    Array.from({ length: ROWS }, (_, n) => ({
      key: n,
      externalId: `killed-${n % PLAYERS}`,
      displayName: `Player ${n % PLAYERS}`,
      score: n % 7,
    })),
  ),
);
const SUM = Array.from({ length: ROWS }, (_, n) => n % 7).reduce((sum, points) => sum + points, 0);

t.test('the service is killed while a file arrives and while its rows are counted (kill -9)', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  const account = typeId('svc');
  await pool.query(
    "INSERT INTO service_accounts (id, name, role, secret_hash) VALUES (uuid_of($1), 'a', 'admin', '')",
    [account],
  );
  const token = accessToken({ sub: account, role: 'admin' }, JWT_SECRET, 900);
  let service = await startService(t, databaseUrl);
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/csv' };
  const post = async (query: string, body: Buffer) => {
    const response = await fetch(`${service.url}/v1/admin/imports?${query}`, {
      method: 'POST',
      body,
      headers,
    });
    return { status: response.status, body: await response.json() };
  };
  const state = async () => {
    const { rows } = await pool.query<{ state: string; judged: number; received: number; id: string }>(
      "SELECT state, judged::int AS judged, received_bytes::int AS received, typeid('imp', id) AS id FROM imports ORDER BY imports.id DESC LIMIT 1",
    );
    return rows[0] ?? { state: 'none', judged: 0, received: 0, id: '' };
  };
  const kill = async () => {
    service.process.kill('SIGKILL');
    await service.ended;
    service = await startService(t, databaseUrl);
  };

  // Half of the file is there.
  const upload = request(`${service.url}/v1/admin/imports?board=global`, {
    method: 'POST',
    headers: { ...headers, 'content-length': file.length },
  });
  upload.on('error', () => {});
  upload.write(file.subarray(0, file.length / 2));
  await eventually(async () => assert((await state()).received > 0));
  await kill();
  upload.destroy();
  const { id, received } = await state();
  t.match(await state(), { state: 'receiving', judged: 0 });

  // The rest comes, and some pages are counted.
  t.match(await post(`resume=${id}&offset=${received}`, file.subarray(received)), { status: 202 });
  await eventually(async () => assert((await state()).judged > 0));
  await kill();
  t.match(await post('board=global', file), { status: 202 });
  await kill();
  await eventually(async () => {
    const { rows } = await pool.query("SELECT FROM imports WHERE state <> 'done'");
    assert.equal(rows.length, 0);
  }, 180_000);

  const { rows } = await pool.query<Record<string, number>>(`
    SELECT (SELECT sum(score)::int FROM scores) AS sum, (SELECT count(*)::int FROM scores) AS entries, (SELECT count(*)::int FROM score_events) AS events,
           (SELECT sum(counted)::int FROM imports) AS counted, (SELECT sum(known)::int FROM imports) AS known,
           (SELECT sum(new_users)::int FROM imports) AS users`);
  t.strictSame(rows, [
    { sum: SUM, entries: PLAYERS, events: ROWS, counted: ROWS, known: ROWS, users: PLAYERS },
  ]);
  t.strictSame(await differencesAt(databaseUrl), []);
});
