import t, { type Test } from 'tap';
import type { EventType, WebhookEvent } from '../../schemas/webhook.js';
import { transact } from '../../src/postgres/database.js';
import { tell } from '../../src/webhooks/tell.js';
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
  const told = async (id: string) => {
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
  const fill = (id: string, count: number) =>
    pool.query(
      `INSERT INTO webhook_deliveries (webhook_id, id, type, data)
       SELECT $1, gen_random_uuid(), 'user.banned', '{}' FROM generate_series(1, $2)`,
      [id, count],
    );
  return { pool, webhook, told, jobs, fill };
}

t.test('an event is told to those who want it if its transaction commits, with one id for all', async (t) => {
  const { pool, webhook, told, jobs } = await open(t);
  const [one, both, other, disabled] = [
    await webhook(['user.banned']),
    await webhook(['leader.changed', 'user.banned']),
    await webhook(['season.final']),
    await webhook(['user.banned']),
  ];
  await pool.query('UPDATE webhooks SET disabled_at = now() WHERE id = $1', [disabled]);
  await t.rejects(
    transact(pool, async (client) => {
      await tell(client, banned());
      throw new Error('changed my mind');
    }),
  );
  t.same([await told(one), await jobs()], [[], []]);

  await transact(pool, (client) => tell(client, banned(), leads()));
  const [first, second] = await told(both);
  t.match([first, second], [{ type: 'user.banned', state: 'waiting' }, { type: 'leader.changed' }]);
  t.same(await told(one), [first]);
  t.same([...(await told(other)), ...(await told(disabled))], []);
  t.same(await jobs(), [one, both].sort(), 'a job a webhook');
});

t.test('transactions that tell do not wait for each other', async (t) => {
  const { pool, webhook, told } = await open(t);
  const id = await webhook(['user.banned']);
  await tell(pool, banned());
  await transact(pool, async (client) => {
    await tell(client, banned());
    await transact(pool, (other) => tell(other, banned()), 5_000);
  });
  t.equal((await told(id)).length, 3);
});

t.test('what waits has a bound: news are left out, all else is a dead letter for 30 days', async (t) => {
  const { pool, webhook, told, fill } = await open(t);
  const id = await webhook(['user.banned', 'leader.changed']);
  await fill(id, 999);
  await tell(pool, leads());
  await tell(pool, leads());
  t.equal((await told(id)).length, 1000);
  await fill(id, 8_999);
  await tell(pool, banned());
  const last = banned();
  await tell(pool, last);
  const dead = (await told(id)).filter(({ state }) => state === 'dead');
  t.match(dead, [{ type: 'user.banned', kept: 30 }]);
});
