import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import type { AppConfig } from '../../src/config.js';
import { toUuids } from '../../src/stored-ids.js';
import { eventually } from '../api.js';
import { buildTestApp, buildTestDatabase, type TestApp } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from '../ledger/game-server.js';
import { submission } from '../ledger/ledgers.js';
import { agreement, deadlocks } from '../ledger/truth.js';
import { RedisServer, startRedisCluster } from '../redis-server.js';

/** Feeds the same boards, and one more that takes a single point in a minute: what gives more is held. */
const HELD_ACTION = 'suspect-race';
const RULES = {
  global: { sort: 'desc', operator: 'increment' },
  'best-race': { sort: 'desc', operator: 'best' },
  'best-lap': { sort: 'asc', operator: 'best' },
  'latest-race': { sort: 'asc', operator: 'latest' },
} as const;
const act = { actor: 'svc_1', reason: 'A test.' };

interface Event {
  readonly id: string;
  readonly userId: string;
  readonly points: number;
  readonly acceptedAt: number;
  status: 'counted' | 'held' | 'voided';
}

/** What a user has on a board, by doing one event after the other. */
function standing(board: keyof typeof RULES, events: readonly Event[]) {
  const { sort, operator } = RULES[board];
  let score: number | null = null;
  let achievedAt = 0;
  for (const { points, acceptedAt, status } of events) {
    if (status !== 'counted') continue;
    const better = score === null || (sort === 'desc' ? points > score : points < score);
    const next: number =
      operator === 'increment'
        ? (score ?? 0) + points
        : operator === 'latest' || better
          ? points
          : (score ?? 0);
    if (next !== score) achievedAt = acceptedAt;
    score = next;
  }
  return score === null ? null : { score, achievedAt: new Date(achievedAt).toISOString() };
}

const inOrder = (events: readonly Event[]): Event[] =>
  [...events].sort((a, b) => a.acceptedAt - b.acceptedAt || (a.id < b.id ? -1 : 1));

async function open(t: Test, settings: Partial<AppConfig>) {
  const databaseUrl = await buildTestDatabase(t);
  await prepare(databaseUrl, 0);
  const pool = openPool(t, databaseUrl);
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator, max_points_per_minute)
    VALUES ('best-lap', 'Best lap', 'asc', 'best', NULL), ('gate', 'Gate', 'desc', 'increment', 1)`);
  await pool.query(`INSERT INTO actions VALUES ($1, 'Suspect', -1000, 100000, 'server', 0)`, [HELD_ACTION]);
  await pool.query(
    `INSERT INTO action_leaderboards
     SELECT $1, 'best-lap' UNION ALL SELECT $2, 'gate' UNION ALL SELECT $2, unnest($3::text[])`,
    [ACTION, HELD_ACTION, Object.keys(RULES)],
  );
  const instances = [
    await buildTestApp(t, { DATABASE_URL: databaseUrl, ...settings }),
    await buildTestApp(t, { DATABASE_URL: databaseUrl, ...settings }),
  ];
  return { databaseUrl, pool, instances };
}

/** Some users, what they have scored, and two instances that judge it. */
class World {
  readonly events: Event[] = [];
  readonly banned = new Set<string>();
  readonly hidden = new Set<string>();

  constructor(
    readonly instances: readonly TestApp[],
    readonly users: readonly string[],
  ) {}

  async score(at: number, who: number, points: number, suspect: boolean): Promise<void> {
    const { app } = this.#instance(at);
    // Of two scores in one millisecond nobody knows which was the later.
    const last = this.events.at(-1)?.acceptedAt ?? 0;
    while (Date.now() <= last + 1) await nextTurn();
    const userId = this.users[who % this.users.length] ?? '';
    const actionId = suspect ? HELD_ACTION : ACTION;
    const limits = await app.catalog.limits(actionId);
    const recording = app.ledger.record(submission(userId, points, { actionId, limits }));
    if (this.banned.has(userId)) return await assert.rejects(recording, { code: 'user-banned' });
    const { eventId, acceptedAt, status } = await recording;
    this.events.push({ id: eventId, userId, points, acceptedAt, status });
  }

  async judge(at: number, which: number, to: 'release' | 'void'): Promise<void> {
    const event = this.events[which % this.events.length];
    if (event === undefined) return;
    const { moderation } = this.#instance(at).app;
    if (to === 'void') {
      event.status = (await moderation.void(event.id, act)).status;
      assert.equal(event.status, 'voided');
    } else if (event.status === 'voided') {
      await assert.rejects(moderation.release(event.id, act), { code: 'not-found' });
    } else {
      event.status = (await moderation.release(event.id, act)).status;
      assert.equal(event.status, 'counted');
    }
  }

  async voidAll(at: number, who: number): Promise<void> {
    const userId = this.users[who % this.users.length] ?? '';
    const span = { from: '2000-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
    const own = this.events.filter((event) => event.userId === userId && event.status !== 'voided');
    const { moderation } = this.#instance(at).app;
    const { voided } = await moderation.outcome(await moderation.voidAll({ userId, ...span }, act), 30_000);
    assert.equal(voided, own.length);
    for (const event of own) event.status = 'voided';
  }

  async ban(at: number, who: number, banned: boolean): Promise<void> {
    const userId = this.users[who % this.users.length] ?? '';
    await this.#instance(at).app.moderation[banned ? 'ban' : 'unban'](userId, act);
    if (banned) this.banned.add(userId);
    else this.banned.delete(userId);
  }

  async hide(at: number, who: number, hidden: boolean): Promise<void> {
    const userId = this.users[who % this.users.length] ?? '';
    const { hiddenAt } = await this.#instance(at).app.moderation.change(userId, { hidden }, act);
    assert.equal(hiddenAt !== null, hidden);
    if (hidden) this.hidden.add(userId);
    else this.hidden.delete(userId);
  }

  /** Both instances and PostgreSQL say what the model says. */
  async check(pool: pg.Pool): Promise<void> {
    for (const board of Object.keys(RULES) as (keyof typeof RULES)[]) {
      const wanted = new Map(
        this.users.flatMap((userId) => {
          const found = standing(board, inOrder(this.events.filter((event) => event.userId === userId)));
          const isShown = found !== null && !this.banned.has(userId) && !this.hidden.has(userId);
          return isShown ? [[userId, found] as const] : [];
        }),
      );
      const { rows } = await pool.query<{ userId: string; score: number; achievedAt: number }>(
        `SELECT typeid('usr', user_id) AS "userId", score, achieved_at AS "achievedAt" FROM scores
         WHERE leaderboard_id = $1 AND user_id = ANY ($2::uuid[]) AND score IS NOT NULL`,
        [board, toUuids('usr', this.users)],
      );
      const truth = new Map(
        rows.map(({ userId, score, achievedAt }) => [
          userId,
          { score, achievedAt: new Date(achievedAt).toISOString() },
        ]),
      );
      assert.deepEqual(truth, wanted, `${board} in PostgreSQL`);
      for (const { app } of this.instances) {
        await eventually(async () => {
          const { items } = await app.leaderboards.many(boardKey(board, 1), this.users);
          const shown = new Map(
            items.map(({ userId, score, achievedAt }) => [userId, { score, achievedAt }]),
          );
          assert.deepEqual(shown, wanted, board);
        });
      }
    }
  }

  #instance(at: number): TestApp {
    const instance = this.instances[at % this.instances.length];
    assert(instance !== undefined);
    return instance;
  }
}

const points = fc.oneof(fc.constantFrom(-5, 0, 0, 7, 7, 9), fc.integer({ min: -100, max: 100 }));
type Step = (world: World) => Promise<void>;
const step = fc.oneof(
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(2), points, fc.boolean()).map(
      (args): Step =>
        (world) =>
          world.score(...args),
    ),
    weight: 6,
  },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(), fc.constantFrom('release' as const, 'void' as const)).map(
      (args): Step =>
        (world) =>
          world.judge(...args),
    ),
    weight: 5,
  },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(2)).map(
      (args): Step =>
        (world) =>
          world.voidAll(...args),
    ),
    weight: 1,
  },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(2), fc.boolean()).map(
      (args): Step =>
        (world) =>
          world.ban(...args),
    ),
    weight: 3,
  },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(2), fc.boolean()).map(
      (args): Step =>
        (world) =>
          world.hide(...args),
    ),
    weight: 3,
  },
);

type Settings = (t: Test) => Promise<Partial<AppConfig>>;
const MODES: Record<string, Settings> = {
  memory: async () => ({}),
  Redis: async (t) => ({ REDIS_MODE: 'single', REDIS_URL: (await RedisServer.start(t)).url }),
  'Redis Cluster': async (t) => ({ REDIS_MODE: 'cluster', REDIS_URL: (await startRedisCluster(t)).url }),
};

for (const [mode, settings] of Object.entries(MODES)) {
  t.test(
    `boards in ${mode}: whatever is scored, voided, released, banned and hidden, all say what a model says`,
    async (t) => {
      const { databaseUrl, pool, instances } = await open(t, await settings(t));
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
          const world = new World(instances, await addPlayers(pool, 3));
          for (const step of steps) await step(world);
          await world.check(pool);
        }),
        { numRuns: mode === 'memory' ? 25 : 12, endOnFailure: true },
      );
      await agreement(
        t,
        pool,
        instances.map(({ url }) => url),
        5_000,
      );

      await t.test('also when scores, voids, releases, bans and hiding of a user come at once', async () => {
        for (let round = 0; round < 5; round++) {
          const world = new World(instances, await addPlayers(pool, 3));
          for (let i = 0; i < 12; i++) await world.score(i, i, 5 + i, i % 3 === 0);
          await Promise.all(
            Array.from({ length: 48 }, (_, i) =>
              i % 12 === 5
                ? world.instances[i % 2]?.app.moderation[i % 24 === 5 ? 'ban' : 'unban'](
                    world.users[i % 3] ?? '',
                    act,
                  )
                : i % 12 === 7
                  ? world.instances[i % 2]?.app.moderation.change(
                      world.users[i % 3] ?? '',
                      { hidden: i % 24 === 7 },
                      act,
                    )
                  : i % 4 === 0
                    ? world.judge(i, i / 4, i % 8 === 0 ? 'void' : 'release').catch((error) => {
                        // Voided on the other instance meanwhile.
                        assert.equal(error.code, 'not-found');
                      })
                    : world.score(i, i, 100 + i, false).catch((error) => {
                        assert.equal(error.code, 'user-banned');
                      }),
            ),
          );
          const { rows } = await pool.query<Pick<Event, 'id' | 'status'>>(
            "SELECT typeid('evt', id) AS id, status FROM score_events WHERE user_id = ANY ($1::uuid[])",
            [toUuids('usr', world.users)],
          );
          const statuses = new Map(rows.map(({ id, status }) => [id, status]));
          for (const event of world.events) event.status = statuses.get(event.id) ?? 'held';
          // Which of two that come at once is the latest is nobody's business: the next one is.
          for (let i = 0; i < 3; i++) await world.ban(i, i, false);
          // What was scored while they were hidden has counted.
          for (let i = 0; i < 3; i++) await world.hide(i, i, false);
          for (let i = 0; i < 3; i++) await world.score(i, i, 1_000 + i, false);
          await world.check(pool);
        }
      });
      await Promise.all(instances.map(({ app }) => app.close()));
      t.equal(await deadlocks(openPool(t, process.env['TEST_POSTGRES_URL'] ?? ''), databaseUrl), 0);
    },
  );
}
