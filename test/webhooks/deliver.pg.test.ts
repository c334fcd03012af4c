import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { WebhookEvent, WebhookFormat } from '../../schemas/webhook.js';
import { Problem } from '../../src/errors.js';
import { fromUuid, toUuid } from '../../src/stored-ids.js';
import { countDeliveries, deliver } from '../../src/webhooks/deliver.js';
import { networksOf } from '../../src/webhooks/networks.js';
import type { Resolve } from '../../src/webhooks/post.js';
import { publish } from '../../src/webhooks/publish.js';
import { purgeWebhooks } from '../../src/webhooks/purge-webhooks.js';
import { resealWebhooks } from '../../src/webhooks/reseal.js';
import { Sealing } from '../../src/webhooks/sealing.js';
import { Webhooks } from '../../src/webhooks/webhooks.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { typeId } from '../mint.js';
import { startReceiver, startSocket, verified } from './receiver.js';

const ACT = { actor: 'svc_test', reason: null };
const SECRET = 'a secret of the service, only for tests';
const HOUR_MS = 3_600_000;

interface Options {
  readonly networks?: string[];
  readonly onlyHttps?: boolean;
  readonly resolve?: Resolve;
}

/** Webhooks without the service: their job is run when the test says so. */
async function open(t: Test, { networks = ['127.0.0.0/8'], onlyHttps = false, resolve }: Options = {}) {
  const pool = openPool(t, await buildTestDatabase(t));
  const sealing = new Sealing(SECRET);
  const route = { allowed: networksOf(networks), onlyHttps, tryMs: 400, ...(resolve && { resolve }) };
  const webhooks = new Webhooks({ pool, sealing, route, writer: 'test' });
  const tries: string[] = [];
  const job = deliver({ sealing, route, onTry: (result) => tries.push(result) });
  const add = async (url: string, format: WebhookFormat = 'standard') => {
    const { id, secret } = await webhooks.create(
      { url, events: ['user.banned', 'leader.changed', 'season.final'], format },
      ACT,
    );
    const webhook = toUuid('whk', id) ?? '';
    const run = (signal = new AbortController().signal) => job.run(pool, { webhook }, signal);
    const list = () => webhooks.deliveries(id, undefined, 100, null);
    const only = async () => {
      const [delivery, ...others] = await list();
      assert(delivery !== undefined && others.length === 0);
      return delivery;
    };
    /** How long until the next try, from the last one, in milliseconds. */
    const delay = async () => {
      const { nextTryAt, triedAt } = await only();
      return Date.parse(nextTryAt ?? '') - Date.parse(triedAt ?? '');
    };
    /** As if the time of the next try had come. */
    const due = async () => {
      await pool.query("UPDATE webhook_deliveries SET next_try_at = now() WHERE state = 'waiting'");
      await pool.query("UPDATE webhooks SET not_before = '-infinity'");
    };
    /** When jobs for it are to be run, in milliseconds from now. */
    const jobs = async () => {
      const { rows } = await pool.query<{ ms: number }>(
        `SELECT extract(epoch FROM run_at - now())::float8 * 1000 AS ms FROM scoreboard_jobs._private_jobs
         WHERE key IS NOT NULL AND payload->>'webhook' = $1`,
        [webhook],
      );
      return rows.map(({ ms }) => ms);
    };
    return { id, webhook, secret, run, list, only, delay, due, jobs };
  };
  return { pool, webhooks, sealing, add, tries };
}

const banned = (): WebhookEvent => ({ type: 'user.banned', data: { userId: typeId('usr') } });

t.test('an event is posted as Standard Webhooks say, and its signature is verified', async (t) => {
  const { pool, add, tries } = await open(t);
  const receiver = await startReceiver(t, 200);
  const { secret, run, only } = await add(`${receiver.url}/hooks?token=7`);
  const userId = typeId('usr');
  await pool.query("INSERT INTO users (id, display_name) VALUES ($1, 'Ada')", [toUuid('usr', userId)]);
  const data = { leaderboard: 'global', season: 1, userId, score: 7, previousUserId: null };
  await publish(pool, { type: 'leader.changed', data });
  await run();
  const [request, ...others] = receiver.received;
  assert(request !== undefined && others.length === 0);
  const { id, at, ...delivery } = await only();
  t.same(verified(secret, request), {
    type: 'leader.changed',
    timestamp: at,
    data: { ...data, displayName: 'Ada' },
  });
  t.equal(request.path, '/hooks?token=7');
  t.match(request.headers, { 'webhook-id': id, 'content-type': 'application/json' });
  t.match(delivery, { state: 'delivered', tries: 1, status: 200, error: null, nextTryAt: null });
  t.same(tries, ['delivered']);
  t.throws(() => verified(`whsec_${Buffer.alloc(32).toString('base64')}`, request));

  await run();
  t.equal(receiver.received.length, 1, 'it is delivered once');
});

t.test('scores come in the unit of their season too, with the ranks that they share', async (t) => {
  const { pool, add } = await open(t);
  const receiver = await startReceiver(t, 200);
  const { secret, run } = await add(receiver.url);
  await pool.query(
    `UPDATE seasons SET rules = rules || '{"unit": {"kind": "duration"}}' WHERE leaderboard_id = 'global' AND season = 1`,
  );
  const at = '2026-06-14T22:00:00.000Z';
  const top = [83_456, 90_000, 90_000].map((score, i) => ({ rank: i + 1, userId: typeId('usr'), score }));
  const data = { leaderboard: 'global', season: 1, label: null, startsAt: null, endsAt: at };
  await publish(pool, {
    type: 'season.final',
    data: { ...data, entries: 3, digest: 'ab', revision: 1, top },
  });
  await run();
  const [request] = receiver.received;
  assert(request !== undefined);
  t.match(verified(secret, request), {
    data: {
      top: [
        { rank: 1, sharedRank: 1, score: 83_456, formatted: '1:23.456' },
        { rank: 2, sharedRank: 2, formatted: '1:30.000' },
        { rank: 3, sharedRank: 2, formatted: '1:30.000' },
      ],
    },
  });
});

t.test('a receiver that fails in any way is tried again five seconds later', async (t) => {
  const { pool, add } = await open(t);
  const target = await startReceiver(t, 200);
  const receivers: [string, string, object][] = [];
  for (const status of [400, 404, 500, 503])
    receivers.push([`answers ${status}`, (await startReceiver(t, status)).url, { status, error: null }]);
  const redirect = await startReceiver(t, (_, response) =>
    response.writeHead(307, { location: target.url }).end(),
  );
  receivers.push(['redirects', redirect.url, { status: 307, error: null }]);
  const silent = { status: null, error: 'no answer in time' };
  receivers.push(['never answers', (await startReceiver(t, () => {})).url, silent]);
  const slow = await startReceiver(t, (_, response) => void response.writeHead(200).write('and then'));
  receivers.push(['never ends its answer', slow.url, silent]);
  receivers.push(['says nothing', await startSocket(t, () => {}), silent]);
  const garbage = await startSocket(t, (socket) => void socket.end('\u0000garbage\r\n\r\n'));
  receivers.push(['is no HTTP server', garbage, { status: null, error: 'HPE_INVALID_CONSTANT' }]);
  const hangUp = await startSocket(t, (socket) => void socket.destroy());
  receivers.push(['hangs up', hangUp, { status: null, error: 'ECONNRESET' }]);
  const endless = await startSocket(t, (socket) => {
    const timer = setInterval(() => socket.write(`x-${Math.random()}: ${'x'.repeat(4096)}\r\n`), 1);
    socket.write('HTTP/1.1 200 OK\r\n');
    socket.on('close', () => clearInterval(timer));
  });
  receivers.push(['never ends its headers', endless, { status: null, error: 'HPE_HEADER_OVERFLOW' }]);
  const upgrade = await startSocket(t, (socket) => {
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    );
  });
  const otherProtocol = { status: null, error: 'an answer in another protocol' };
  receivers.push(['switches protocols', upgrade, otherProtocol]);
  receivers.push(['refuses connections', 'http://127.0.0.1:1', { status: null, error: 'ECONNREFUSED' }]);

  for (const [what, url, outcome] of receivers) {
    const { run, only, delay, jobs } = await add(url);
    await publish(pool, banned());
    await run();
    t.match(await only(), { state: 'waiting', tries: 1, ...outcome }, what);
    const ms = await delay();
    t.ok(ms >= 4_500 && ms <= 5_500, `${what}: ${ms} ms`);
    const [next = 0, ...others] = await jobs();
    t.ok(next > 0 && next <= 5_500 && others.length === 0, `${what}: ${next} ms`);
    await pool.query('UPDATE webhooks SET disabled_at = now()');
  }
  t.same(target.received, [], 'redirects are not followed');
});

t.test('an answer that has no end is read for a while, and its status counts', async (t) => {
  const { pool, add } = await open(t);
  const receiver = await startReceiver(t, (_, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('x'.repeat(8192)), 1);
    response.on('close', () => clearInterval(timer));
  });
  const { run, only } = await add(receiver.url);
  await publish(pool, banned());
  await run();
  t.match(await only(), { state: 'delivered', status: 200 });
});

t.test('after ten tries in three days an event is a dead letter, which can be replayed', async (t) => {
  const { pool, webhooks, add } = await open(t);
  const receiver = await startReceiver(t, 500);
  const { id, run, only, delay, due, jobs } = await add(receiver.url);
  await publish(pool, banned());
  const expected = [5, 300, 1_800, ...[2, 5, 10, 14, 20, 24].map((hours) => hours * 3_600)];
  for (const seconds of expected) {
    await run();
    const ratio = (await delay()) / (seconds * 1_000);
    t.ok(ratio >= 0.9 && ratio <= 1.1, `${seconds} s, ${ratio}`);
    await due();
  }
  await run();
  const dead = await only();
  t.match(dead, { state: 'dead', tries: 10, status: 500, nextTryAt: null });
  await due();
  await run();
  const ids = new Set(receiver.received.map(({ headers }) => headers['webhook-id']));
  t.same([receiver.received.length, ids], [10, new Set([dead.id])], 'each try has the same id');

  t.equal(await webhooks.replay(id, { since: '2100-01-01T00:00:00.000Z' }, ACT), 0);
  t.equal(await webhooks.replay(id, { since: dead.at }, ACT), 1);
  t.match(await jobs(), [Number]);
  receiver.answers = [200];
  await run();
  t.match(await only(), { id: dead.id, state: 'delivered', tries: 1 });
  t.equal(await webhooks.replay(id, { deliveries: [dead.id, typeId('msg')] }, ACT), 1);
  await run();
  t.equal(receiver.received.length, 12, 'also what was delivered');
});

t.test('a receiver that is gone is told nothing more, until an administrator says so', async (t) => {
  const { pool, webhooks, add, tries } = await open(t);
  const receiver = await startReceiver(t, 410);
  const { id, run, list } = await add(receiver.url);
  for (let n = 0; n < 10; n++) await publish(pool, banned());
  await run();
  t.match(await webhooks.one(id), { disabledBecause: 'gone', disabledAt: String });
  t.equal(receiver.received.length, 8, 'those that were on their way');
  t.same(new Set((await list()).map(({ state }) => state)), new Set(['dead']));
  t.same(tries, Array(8).fill('gone'));
  await publish(pool, banned());
  await run();
  t.equal((await list()).length, 10);
  await t.rejects(webhooks.test(id), new Problem('webhook-disabled', ''));

  receiver.answers = [200];
  await webhooks.change(id, { disabled: false }, ACT);
  t.equal(await webhooks.replay(id, { since: '2000-01-01T00:00:00.000Z' }, ACT), 10);
  await run();
  await run();
  t.same(new Set((await list()).map(({ state }) => state)), new Set(['delivered']));
});

t.test('a receiver is left alone for as long as it asks for', async (t) => {
  const { pool, add } = await open(t);
  const later = () => new Date(Date.now() + HOUR_MS).toUTCString();
  for (const [status, retryAfter] of [
    [429, '3600'],
    [503, later()],
  ] as const) {
    const receiver = await startReceiver(t, (_, response) =>
      response.writeHead(status, { 'retry-after': retryAfter }).end(),
    );
    const { run, delay, jobs, list } = await add(receiver.url);
    await publish(pool, banned());
    await run();
    const ms = await delay();
    t.ok(Math.abs(ms - HOUR_MS) < 60_000, `${ms} ms`);
    await publish(pool, banned());
    await run();
    t.equal(receiver.received.length, 1, 'nor is anything else sent');
    const [next = 0] = await jobs();
    t.ok(Math.abs(next - HOUR_MS) < 60_000, `${next} ms`);
    t.match(await list(), [
      { state: 'waiting', tries: 0 },
      { state: 'waiting', tries: 1, status },
    ]);
    await pool.query('UPDATE webhooks SET disabled_at = now()');
  }
});

t.test('a receiver that has taken an event is left alone no longer than others', async (t) => {
  const { pool, add } = await open(t);
  const receiver = await startReceiver(t, (_, response) =>
    response.writeHead(204, { 'retry-after': '86400' }).end(),
  );
  const { run } = await add(receiver.url);
  for (const sent of [1, 2]) {
    await publish(pool, banned());
    await run();
    t.equal(receiver.received.length, sent);
  }
});

t.test(
  'another URL ends the pause that the receiver of before has asked for, and so does enabling',
  async (t) => {
    const { pool, webhooks, add } = await open(t);
    const busy = await startReceiver(t, (_, response) =>
      response.writeHead(429, { 'retry-after': '86400' }).end(),
    );
    const other = await startReceiver(t, 204);
    const { id, run, jobs } = await add(busy.url);
    await publish(pool, banned());
    await run();
    await publish(pool, banned());
    await run();
    t.equal(busy.received.length, 1);
    await webhooks.change(id, { url: other.url }, ACT);
    t.ok((await jobs()).some((ms) => ms <= 0));
    await run();
    t.equal(other.received.length, 2, 'what was tried, and what waited');

    await webhooks.change(id, { url: busy.url }, ACT);
    await publish(pool, banned());
    await run();
    t.equal(busy.received.length, 2);
    await webhooks.change(id, { disabled: true }, ACT);
    await webhooks.change(id, { disabled: false }, ACT);
    await publish(pool, banned());
    await run();
    t.equal(busy.received.length, 3);
  },
);

t.test('after a rotation both secrets sign, and after a day only the new one', async (t) => {
  const { pool, webhooks, sealing, add } = await open(t);
  const receiver = await startReceiver(t, 200);
  const { id, webhook, secret: old, run } = await add(receiver.url);
  const { secret } = await webhooks.rotate(id, ACT);
  t.not(secret, old);
  await webhooks.test(id);
  await run();
  const [both] = receiver.received;
  assert(both !== undefined);
  t.equal(String(both.headers['webhook-signature']).split(' ').length, 2);
  for (const known of [old, secret]) t.match(verified(known, both), { type: 'webhook.test', data: {} });

  const past = { url: receiver.url, secret, previous: { secret: old, until: Date.now() - 1 } };
  await pool.query('UPDATE webhooks SET sealed = $2 WHERE id = $1', [webhook, sealing.seal(id, past).sealed]);
  await webhooks.test(id);
  await run();
  const [, one] = receiver.received;
  assert(one !== undefined);
  t.match(verified(secret, one), { type: 'webhook.test' });
  t.throws(() => verified(old, one));
});

t.test('one run at a time is at a webhook, and what comes meanwhile is not forgotten', async (t) => {
  const { pool, add } = await open(t);
  let ask = (_: ServerResponse) => {};
  const asked = new Promise<ServerResponse>((resolve) => {
    ask = resolve;
  });
  const receiver = await startReceiver(t, (_, response) => ask(response), 200);
  const { run, list, jobs } = await add(receiver.url);
  await publish(pool, banned());
  const first = run();
  const response = await asked;
  await publish(pool, banned());
  await run();
  t.equal(receiver.received.length, 1, 'the second run leaves it to the first');
  response.writeHead(200).end();
  await first;
  const [next = -1] = await jobs();
  t.ok(next <= 0, 'which asks for another');
  await run();
  t.match(await list(), [{ state: 'delivered' }, { state: 'delivered' }]);
});

t.test('a try that is called off because the process ends leaves everything as it was', async (t) => {
  const { pool, add, tries } = await open(t);
  const stopping = new AbortController();
  const receiver = await startReceiver(t, () => stopping.abort(), 200);
  const { run, only, jobs } = await add(receiver.url);
  await publish(pool, banned());
  await run(stopping.signal);
  t.match(await only(), { state: 'waiting', tries: 0 });
  t.match(await jobs(), [Number]);
  await run();
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  t.same(ids, [(await only()).id, (await only()).id], 'it is sent again, with the same id');
  t.match(await only(), { state: 'delivered', tries: 1 });
  t.same(tries, ['delivered']);
});

t.test('a name is looked up at every try, and only what was checked is connected to', async (t) => {
  const receiver = await startReceiver(t, 500);
  const asked: string[] = [];
  const answers = [['127.0.0.1'], ['127.0.0.1', '10.0.0.7'], ['169.254.169.254'], ['127.0.0.1']];
  const { pool, add } = await open(t, {
    networks: ['127.0.0.1'],
    resolve: async (name) => {
      asked.push(name);
      return (answers.shift() ?? []).map((address) => ({ address, family: 4 }));
    },
  });
  const { run, only, due } = await add(receiver.url.replace('127.0.0.1', 'hooks.example.com'));
  await publish(pool, banned());
  const refused = (address: string) => ({
    status: null,
    error: new RegExp(`leads to ${address}, which is not`),
  });
  for (const outcome of [{ status: 500 }, refused('10.0.0.7'), refused('169.254.169.254'), { status: 500 }]) {
    await run();
    t.match(await only(), outcome);
    await due();
  }
  await run();
  t.match(await only(), { status: null, error: 'no connection' }, 'a name without addresses');
  t.same(asked, Array(5).fill('hooks.example.com'), 'one lookup a try: the connection makes none');
  t.equal(receiver.received.length, 2);
  t.equal(
    receiver.received[0]?.headers.host,
    new URL(receiver.url).host.replace('127.0.0.1', 'hooks.example.com'),
  );
});

t.test('a URL that can never be right is refused at once', async (t) => {
  const { webhooks } = await open(t, { networks: [] });
  const production = await open(t, { networks: ['10.0.0.0/8'], onlyHttps: true });
  const create = (of: Webhooks, url: string) =>
    of.create({ url, events: ['user.banned'], format: 'standard' }, ACT);
  for (const url of [
    'http://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'http://[::1]:3000/',
    'https://[::ffff:10.0.0.1]/',
    'https://user:password@example.com/',
    'ftp://example.com/',
  ])
    await t.rejects(create(webhooks, url), { code: 'webhook-url-refused' }, url);
  await t.rejects(create(webhooks, 'https://'), { code: 'validation-failed' });
  await t.rejects(create(production.webhooks, 'http://example.com/'), { code: 'webhook-url-refused' });
  t.match(await create(production.webhooks, 'https://10.0.0.1/'), { url: 'https://10.0.0.1/' });
  t.match(await create(webhooks, 'http://example.com/'), { url: 'http://example.com/' });
});

t.test('Discord gets messages, one at a time, and is left alone when its limit is reached', async (t) => {
  const { pool, webhooks, add } = await open(t);
  const receiver = await startReceiver(
    t,
    (_, response) =>
      response.writeHead(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '600' }).end(),
    (_, response) =>
      response.writeHead(429).end('{"message": "You are…", "retry_after": 1200.5, "global": false}'),
    404,
  );
  const url = `${receiver.url}/api/webhooks/7/token-of-discord`;
  const { id, run, list, due, jobs } = await add(url, 'discord');
  t.match((await webhooks.one(id)).url, /\/api\/webhooks\/7\/…$/);
  await publish(pool, banned(), banned());
  for (const [tries, pause] of [
    [1, 600_000],
    [2, 1_200_500],
  ] as const) {
    await run();
    t.equal(receiver.received.length, tries);
    const [next = 0] = await jobs();
    t.ok(Math.abs(next - pause) < 60_000, `${next} ms`);
    await due();
  }
  const [request] = receiver.received;
  t.equal(request?.path, '/api/webhooks/7/token-of-discord?wait=true');
  t.match(request?.headers, { 'user-agent': /^DiscordBot \(.+, .+\)$/ });
  const body: unknown = JSON.parse(request?.body ?? '');
  t.match(body, { embeds: [{ description: /was banned/ }], allowed_mentions: { parse: [] } });
  await run();
  t.match(await webhooks.one(id), { disabledBecause: 'gone' }, 'it is not to be asked again');
  t.match(await list(), [{ state: 'dead', status: 404 }, { state: 'delivered' }]);
});

t.test('what was kept long enough is deleted, and so are deleted webhooks, in bites', async (t) => {
  const { pool, webhooks, add } = await open(t);
  const receiver = await startReceiver(t, 200);
  const [one, other] = [await add(receiver.url), await add(receiver.url)];
  for (let n = 0; n < 4; n++) await publish(pool, banned());
  await one.run();
  const kept = async () => (await pool.query('SELECT FROM webhook_deliveries')).rowCount;
  t.equal(await purgeWebhooks(pool, 100), false);
  t.equal(await kept(), 8);
  await pool.query("UPDATE webhook_deliveries SET kept_until = kept_until - interval '3 days 1 minute'");
  t.equal(await purgeWebhooks(pool, 3), true);
  t.equal(await purgeWebhooks(pool, 3), false);
  t.equal(await kept(), 4);
  await webhooks.remove(other.id, ACT);
  await t.rejects(webhooks.one(other.id), { code: 'not-found' });
  await other.run();
  t.equal(await purgeWebhooks(pool, 3), true);
  t.equal(await purgeWebhooks(pool, 3), false);
  t.same(await webhooks.page(10, null), [await webhooks.one(one.id)]);
  t.equal((await pool.query('SELECT FROM webhooks')).rowCount, 1);
  t.equal(receiver.received.length, 4);
});

t.test('a replay takes as many dead letters as may wait, the oldest first', async (t) => {
  const { pool, webhooks, add } = await open(t);
  const { id, webhook } = await add('http://127.0.0.1/');
  const add10_003 = `INSERT INTO webhook_deliveries (webhook_id, id, type, data, state, kept_until)
     SELECT $1, lpad(to_hex(n), 32, '0')::uuid, 'user.banned', '{}', CASE WHEN n <= 5 THEN 'dead' ELSE 'waiting' END,
            CASE WHEN n <= 5 THEN now() + interval '1 day' END
     FROM generate_series(1, 10003) n`;
  await pool.query(add10_003, [webhook]);
  t.equal(await webhooks.replay(id, { since: '2000-01-01T00:00:00.000Z' }, ACT), 2);
  const { rows } = await pool.query(
    "SELECT ltrim(right(id::text, 12), '0') AS n FROM webhook_deliveries WHERE state = 'dead' ORDER BY id",
  );
  t.same(rows, [{ n: '3' }, { n: '4' }, { n: '5' }]);
  t.equal(await webhooks.replay(id, { since: '2000-01-01T00:00:00.000Z' }, ACT), 0, 'the others stay');
  await t.rejects(
    webhooks.test(id),
    { code: 'rate-limited', retryAfter: 60 },
    'nor is there room for a test',
  );
  await pool.query(
    "UPDATE webhook_deliveries SET state = 'dead' WHERE id = (SELECT id FROM webhook_deliveries WHERE state = 'waiting' LIMIT 1)",
  );
  t.match(await webhooks.test(id), { type: 'webhook.test', state: 'waiting' });
  await t.rejects(webhooks.test(id), { code: 'rate-limited' });
});

t.test('the newest dead letters of each webhook are kept, and no more are counted', async (t) => {
  const { pool, add } = await open(t);
  const [full, other] = [await add('http://127.0.0.1/'), await add('http://127.0.0.1/')];
  const bury = (webhook: string, first: number, last: number) =>
    pool.query(
      `INSERT INTO webhook_deliveries (webhook_id, id, type, data, state, kept_until)
       SELECT $1, lpad(to_hex(n), 32, '0')::uuid, 'user.banned', '{}', 'dead', now() + interval '1 day'
       FROM generate_series($2::int, $3::int) n`,
      [webhook, first, last],
    );
  await bury(full.webhook, 1, 10_012);
  await bury(other.webhook, 1, 3);
  t.same(await countDeliveries(pool), { waiting: 0, dead: 10_003 });
  t.equal(await purgeWebhooks(pool, 10), true);
  t.equal(await purgeWebhooks(pool, 10), false);
  const { rows } = await pool.query<{ first: string }>(
    'SELECT min(id::text) AS first, count(*) AS count FROM webhook_deliveries GROUP BY webhook_id ORDER BY count',
  );
  t.match(rows, [{ count: 3 }, { count: 10_000, first: /0d$/ }]);
});

t.test('a rotation of the secret of the service loses no webhook', async (t) => {
  const { pool, webhooks, sealing, add } = await open(t);
  const receiver = await startReceiver(t, 200);
  const { id, webhook, secret, run, only } = await add(receiver.url);
  const read = async (by: Sealing) => {
    const { rows } = await pool.query<{ sealed: Buffer; sealedBy: string }>(
      'SELECT sealed, sealed_by AS "sealedBy" FROM webhooks WHERE id = $1',
      [webhook],
    );
    assert(rows[0] !== undefined);
    return by.open(id, rows[0]);
  };
  t.same(await read(sealing), { url: `${receiver.url}/`, secret });
  const text = JSON.stringify((await pool.query('SELECT encode(sealed, $1) FROM webhooks', ['escape'])).rows);
  t.notMatch(text, secret.slice(6, 20), 'PostgreSQL does not have it');

  // One that nobody can read is before the others, and as many as a bite has.
  const { webhook: damaged } = await add(receiver.url);
  await pool.query("UPDATE webhooks SET sealed = '' WHERE id = $1", [damaged]);
  await pool.query('UPDATE webhooks SET url = url WHERE id = $1', [webhook]);
  const rotated = new Sealing('another secret of the service, as long as it', SECRET);
  const unreadable: string[] = [];
  const bite = resealWebhooks(rotated, ({ message }) => unreadable.push(message));
  for (let n = 0; n < 3; n++) await bite(pool, 1);
  t.equal(await bite(pool, 1), false);
  t.match(unreadable, { length: 1, 0: /is damaged$/ }, 'it is reported once');
  await t.rejects(read(sealing), /a key of an earlier JWT_SECRET/);
  const after = new Sealing('another secret of the service, as long as it');
  t.same(await read(after), { url: `${receiver.url}/`, secret });
  await t.rejects(
    async () => after.open(typeId('whk'), after.seal(id, await read(after))),
    'what is of one webhook is of no other',
  );
  await t.rejects(webhooks.rotate(id, ACT), /earlier JWT_SECRET/);
  await publish(pool, banned());
  await run();
  t.match(await only(), { state: 'waiting', tries: 1, error: 'its URL and secrets cannot be read' });
  t.same(receiver.received, []);
  t.equal(fromUuid('whk', webhook), id);
});
