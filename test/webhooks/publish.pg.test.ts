import t, { type Test } from 'tap';
import type { EventType, WebhookEvent } from '../../schemas/webhook.js';
import { transact } from '../../src/postgres/database.js';
import { publish } from '../../src/webhooks/publish.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';
import { typeId } from '../mint.js';

const banned = (): WebhookEvent => ({ type: 'user.banned', data: { userId: typeId('usr') } });
const leads = (): WebhookEvent => ({
  type: 'leader.changed',
  data: { leaderboard: 'global', season: 1, userId: typeId('usr'), score: 7, previousUserId: null },
});

async function open(t: Test) {
  const pool = openPool(t, await buildTestDatabase(t));
  /** @returns its uuid */
  const webhook = async (events: readonly EventType[]) => {
    const { rows } = await pool.query<{ id: string }>(
      `INSERT INTO webhooks (id, url, events, format, sealed, sealed_by)
       VALUES (gen_random_uuid(), 'https://example.com', $1, 'standard', '', '') RETURNING id`,
      [events],
    );
    return rows[0]?.id ?? '';
  };
  const published = async (id: string) => {
    const { rows } = await pool.query<{ id: string; type: string; state: string; kept: number | null }>(
      `SELECT id, type, state, extract(day FROM kept_until - at)::int AS kept FROM webhook_deliveries
       WHERE webhook_id = $1 ORDER BY id`,
      [id],
    );
    return rows;
  };
  const jobs = async () => {
    const { rows } = await pool.query<{ webhook: string }>(
      "SELECT payload->>'webhook' AS webhook FROM scoreboard_jobs._private_jobs ORDER BY 1",
    );
    return rows.map(({ webhook }) => webhook);
  };
  /** Deliveries that wait, as many as this. */
  const fill = (id: string, count: number, state = 'waiting') =>
    pool.query(
      `INSERT INTO webhook_deliveries (webhook_id, id, type, data, state)
       SELECT $1, gen_random_uuid(), 'user.banned', '{}', $3 FROM generate_series(1, $2)`,
      [id, count, state],
    );
  return { pool, webhook, published, jobs, fill };
}

t.test(
  'an event is published to the webhooks that want it if its transaction commits, with one id for all',
  async (t) => {
    const { pool, webhook, published, jobs } = await open(t);
    const [one, both, other, disabled] = [
      await webhook(['user.banned']),
      await webhook(['leader.changed', 'user.banned']),
      await webhook(['season.final']),
      await webhook(['user.banned']),
    ];
    await pool.query('UPDATE webhooks SET disabled_at = now() WHERE id = $1', [disabled]);
    await t.rejects(
      transact(pool, async (client) => {
        await publish(client, banned());
        throw new Error('changed my mind');
      }),
    );
    t.same([await published(one), await jobs()], [[], []]);

    await transact(pool, (client) => publish(client, banned(), leads()));
    const [first, second] = await published(both);
    t.match([first, second], [{ type: 'user.banned', state: 'waiting' }, { type: 'leader.changed' }]);
    t.same(await published(one), [first]);
    t.same([...(await published(other)), ...(await published(disabled))], []);
    t.same(await jobs(), [one, both].sort(), 'a job a webhook');
  },
);

t.test('transactions that publish do not wait for each other', async (t) => {
  const { pool, webhook, published } = await open(t);
  const id = await webhook(['user.banned']);
  await publish(pool, banned());
  await transact(pool, async (client) => {
    await publish(client, banned());
    await transact(pool, (other) => publish(other, banned()), 5_000);
  });
  t.equal((await published(id)).length, 3);
});

t.test('what waits has a bound: news are left out, all else is a dead letter for 30 days', async (t) => {
  const { pool, webhook, published, fill } = await open(t);
  const id = await webhook(['user.banned', 'leader.changed']);
  await fill(id, 999);
  await publish(pool, leads());
  await publish(pool, leads());
  t.equal((await published(id)).length, 1000);
  await fill(id, 8_999);
  await publish(pool, banned());
  const last = banned();
  await publish(pool, last);
  const dead = (await published(id)).filter(({ state }) => state === 'dead');
  t.match(dead, [{ type: 'user.banned', kept: 30 }]);
  await fill(id, 19_999, 'dead');
  await publish(pool, banned());
  t.equal((await published(id)).length, 30_000, 'and so have dead letters, until the oldest are deleted');
});

t.test('a season has ended at its end, also if that is published later', async (t) => {
  const { pool, webhook } = await open(t);
  await webhook(['season.ended', 'season.skipped', 'user.banned']);
  const span = {
    leaderboard: 'global',
    startsAt: '2026-06-01T00:00:00.000Z',
    endsAt: '2026-06-08T00:00:00.000Z',
  };
  await publish(
    pool,
    { type: 'season.ended', data: { ...span, season: 1, label: null } },
    { type: 'season.skipped', data: { ...span, firstSeason: 2, lastSeason: 3 } },
    banned(),
  );
  const { rows } = await pool.query<{ type: string; isEnd: boolean }>(
    `SELECT type, at = '2026-06-08T00:00:00Z' AS "isEnd" FROM webhook_deliveries ORDER BY type`,
  );
  t.same(rows, [
    { type: 'season.ended', isEnd: true },
    { type: 'season.skipped', isEnd: true },
    { type: 'user.banned', isEnd: false },
  ]);
});
