import assert from 'node:assert/strict';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { VERIFYING, verify } from '../../src/ledger/verification.js';
import type { Difference } from '../../src/ledger/verification-statements.js';
import { connect } from '../../src/postgres/connection.js';
import { buildTestApp, buildTestDatabase, type TestApp } from '../helper.js';
import { ACTION, addPlayers, openPool, prepare } from './game-server.js';
import { submission } from './ledgers.js';

const act = { actor: 'svc_1', reason: 'A test.' };
/** Its scores are held: its board takes one point in a minute. */
const SUSPECT = 'suspect-race';
const OPTIONS = { application_name: 'test', connectionTimeoutMillis: 5_000 };

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  await prepare(databaseUrl, 0);
  const pool = openPool(t, databaseUrl);
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator, max_points_per_minute)
    VALUES ('best-lap', 'Best lap', 'asc', 'best', NULL), ('gate', 'Gate', 'desc', 'increment', 1)`);
  await pool.query(`INSERT INTO actions VALUES ($1, 'Suspect', -1000, 100000, 'server', 0)`, [SUSPECT]);
  await pool.query(
    `INSERT INTO action_leaderboards VALUES ($1, 'best-lap'), ($2, 'best-lap'), ($2, 'gate'), ($2, 'global')`,
    [ACTION, SUSPECT],
  );
  /** What differs, in the whole database unless it is limited. */
  const differences = async (scope = {}, eventsAtOnce?: number) => {
    const client = await connect(databaseUrl, OPTIONS, VERIFYING);
    try {
      const found: Difference[] = [];
      const verified = await verify(client, scope, (difference) => found.push(difference), eventsAtOnce);
      assert(typeof verified === 'object');
      assert.equal(verified.differences, found.length);
      return { ...verified, found };
    } finally {
      await client.end();
    }
  };
  return { databaseUrl, pool, differences };
}

/** Users of their own, and two instances on which they score, often at the same time. */
class World {
  readonly events: string[] = [];

  constructor(
    readonly instances: readonly TestApp[],
    readonly users: readonly string[],
  ) {}

  app(at: number) {
    const instance = this.instances[at % this.instances.length];
    assert(instance !== undefined);
    return instance.app;
  }

  user(n: number): string {
    return this.users[n % this.users.length] ?? '';
  }

  async score(at: number, who: number, points: number, isSuspect: boolean): Promise<void> {
    const actionId = isSuspect ? SUSPECT : ACTION;
    const limits = await this.app(at).catalog.limits(actionId);
    const recording = this.app(at).ledger.record(submission(this.user(who), points, { actionId, limits }));
    // Of a user who is banned or erased.
    const { eventId } = await recording.catch(() => ({ eventId: null }));
    if (eventId !== null) this.events.push(eventId);
  }

  async judge(at: number, which: number, to: 'release' | 'void'): Promise<void> {
    const event = this.events[which % this.events.length];
    // Releasing what is voided is refused.
    if (event !== undefined)
      await this.app(at)
        .moderation[to](event, act)
        .catch(() => {});
  }

  async ban(at: number, who: number, banned: boolean): Promise<void> {
    await this.app(at)
      .moderation[banned ? 'ban' : 'unban'](this.user(who), act)
      .catch(() => {});
  }
}

type Step = (world: World) => Promise<void>;
const points = fc.oneof(fc.constantFrom(-5, 0, 0, 7, 7), fc.integer({ min: -100, max: 100 }));
const scores = fc
  .array(fc.tuple(fc.nat(1), fc.nat(3), points, fc.boolean()), { minLength: 1, maxLength: 6 })
  .map(
    (all): Step =>
      async (world) =>
        void (await Promise.all(all.map((one) => world.score(...one)))),
  );
const step = fc.oneof(
  { arbitrary: scores, weight: 6 },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(), fc.constantFrom('release' as const, 'void' as const)).map(
      (args): Step =>
        (world) =>
          world.judge(...args),
    ),
    weight: 5,
  },
  {
    arbitrary: fc.tuple(fc.nat(1), fc.nat(3), fc.boolean()).map(
      (args): Step =>
        (world) =>
          world.ban(...args),
    ),
    weight: 2,
  },
  {
    arbitrary: fc.nat(3).map(
      (who): Step =>
        async (world) => {
          await world
            .app(0)
            .userChanges.erase(world.user(who))
            .catch(() => {});
        },
    ),
    weight: 1,
  },
);

t.test('whatever is scored, voided, released, banned and erased equals the ledger', async (t) => {
  const { databaseUrl, pool, differences } = await open(t);
  const instances = [
    await buildTestApp(t, { DATABASE_URL: databaseUrl }),
    await buildTestApp(t, { DATABASE_URL: databaseUrl }),
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }), async (steps) => {
      const world = new World(instances, await addPlayers(pool, 4));
      for (const step of steps) await step(world);
      assert.deepEqual((await differences()).found, []);
    }),
    { numRuns: 12, endOnFailure: true },
  );
  const { events, entries, boards, tokens, reordered } = await differences();
  t.comment(`${events} events, ${entries} entries, of which ${reordered} were recorded in another order`);
  const { rows } = await pool.query(
    `SELECT (SELECT count(*) FROM score_events WHERE status = 'counted') AS counted,
            (SELECT count(*) FROM consumed_tokens) AS tokens,
            (SELECT count(*) FROM scores WHERE score IS NOT NULL OR withheld_score IS NOT NULL) AS entries`,
  );
  t.match(rows, [{ tokens, entries }]);
  t.ok((entries ?? 0) > 20 && (events ?? 0) > 40 && (events ?? 0) <= Number(rows[0].counted));
  t.equal(boards, 5);

  await pool.query('ANALYZE score_events');
  const inSlices = await differences({}, Math.ceil(Number(rows[0].counted) / 7));
  t.match(inSlices, { events, entries, found: [] }, 'a large ledger, in slices');
  const one = await differences({ leaderboard: 'global', season: 1 });
  t.match(one, { boards: 1, tokens: null, found: [] });
  t.ok((one.entries ?? 0) < (entries ?? 0));

  // A deleted leaderboard, and a new one of the same name: the next season.
  const { catalog } = instances[0]?.app ?? assert.fail();
  await pool.query(`DELETE FROM action_leaderboards WHERE leaderboard_id = 'best-lap'`);
  await catalog.setFrozen('best-lap', true, act);
  await catalog.deleteLeaderboard('best-lap', act);
  t.match(await differences(), { boards: 4, found: [] });
  await catalog.putLeaderboard({ id: 'best-lap', title: 'Again', sort: 'desc', operator: 'increment' }, act);
  t.match(await differences(), { boards: 4, found: [] });
});

const TABLES = ['scores', 'score_events', 'consumed_tokens'];

/** Four users: a player of three scores, one of a single score, a banned one, and an erased one. */
async function openWithUsers(t: Test) {
  const { databaseUrl, pool, differences } = await open(t);
  const { app } = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const [ada = '', bob = '', cleo = '', dan = ''] = await addPlayers(pool, 4);
  for (const points of [5, 9, 7]) await app.ledger.record(submission(ada, points));
  await app.ledger.record(submission(bob, 50));
  for (const user of [cleo, dan]) await app.ledger.record(submission(user, 30));
  await app.moderation.ban(cleo, act);
  await app.userChanges.erase(dan);
  for (const table of TABLES) await pool.query(`CREATE TABLE saved_${table} AS TABLE ${table}`);
  const undo = async () => {
    for (const table of TABLES)
      await pool.query(`TRUNCATE ${table}; INSERT INTO ${table} TABLE saved_${table}`);
  };
  return { pool, differences, undo, ada, bob, cleo, dan };
}

t.test('each fault is found and named', async (t) => {
  const { pool, differences, undo, ada, bob, cleo, dan } = await openWithUsers(t);
  t.same((await differences()).found, []);
  const OF = (user: string, board = 'global') =>
    `WHERE user_id = uuid_of('${user}') AND leaderboard_id = '${board}'`;
  const LAST_OF_ADA = `(SELECT id FROM score_events WHERE user_id = uuid_of('${ada}') ORDER BY id DESC LIMIT 1)`;
  const found: [
    fault: string,
    sql: string,
    expected: Partial<Record<keyof Difference, RegExp | string>>[],
  ][] = [
    [
      'a score is off by one',
      `UPDATE scores SET score = score + 1, sort_key = sort_key - 1 ${OF(ada)}`,
      [{ of: `global:1 ${ada}`, stored: /^22 since/, ledger: /^21 since/ }],
    ],
    [
      'a best score is not the best',
      `UPDATE scores SET score = 7, sort_key = -7 ${OF(ada, 'best-race')}`,
      [{ of: `best-race:1 ${ada}`, stored: /^7 since/, ledger: /^9 since/ }],
    ],
    [
      'the latest score is not the latest',
      `UPDATE scores SET score = 6, sort_key = 6 ${OF(ada, 'latest-race')}`,
      [{ of: `latest-race:1 ${ada}`, stored: /^6 since/, ledger: /^7 since/ }],
    ],
    [
      'it is in the wrong place',
      `UPDATE scores SET sort_key = 50 ${OF(bob)}`,
      [
        {
          of: `global:1 ${bob}`,
          stored: /^50 since .*, and in the place of the sort key 50$/,
          ledger: /^50 since/,
        },
      ],
    ],
    [
      'an entry is missing',
      `DELETE FROM scores ${OF(bob, 'best-race')}`,
      [{ of: `best-race:1 ${bob}`, stored: 'nothing', ledger: /^50 since/ }],
    ],
    [
      'an entry has no score',
      `UPDATE scores SET score = NULL, sort_key = NULL ${OF(bob)}`,
      [{ of: `global:1 ${bob}`, stored: 'nothing', ledger: /^50 since/ }],
    ],
    [
      'there is an entry too many',
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version) VALUES ('gate', 1, uuid_of('${bob}'), 5, -5, now(), 1)`,
      [{ of: `gate:1 ${bob}`, stored: /^5 since/, ledger: 'nothing' }],
    ],
    [
      'a score was reached a millisecond later',
      `UPDATE scores SET achieved_at = achieved_at + interval '1 ms' ${OF(bob)}`,
      [{ of: `global:1 ${bob}` }],
    ],
    [
      'a withheld score is off by one',
      `UPDATE scores SET withheld_score = withheld_score - 1 ${OF(cleo)}`,
      [{ of: `global:1 ${cleo}`, stored: /^29 since .*, withheld$/, ledger: /^30 since .*, withheld$/ }],
    ],
    [
      'a withheld score was reached a millisecond later',
      `UPDATE scores SET withheld_at = withheld_at + interval '1 ms' ${OF(cleo)}`,
      [{ of: `global:1 ${cleo}` }],
    ],
    [
      'nothing is withheld',
      `UPDATE scores SET withheld_score = NULL, withheld_at = NULL ${OF(cleo)}`,
      [{ of: `global:1 ${cleo}`, stored: 'nothing', ledger: /^30 since .*Z$/ }],
    ],
    [
      'a banned user is on the board',
      `UPDATE scores SET score = withheld_score, sort_key = -withheld_score ${OF(cleo)}`,
      [{ of: `global:1 ${cleo}`, stored: /^30 since .*, and 30 since .*, withheld$/, ledger: /, withheld$/ }],
    ],
    [
      'the score of a user who is not banned is withheld',
      `UPDATE scores SET withheld_score = score, withheld_at = achieved_at, score = NULL, sort_key = NULL ${OF(bob)}`,
      [{ of: `global:1 ${bob}`, stored: /^50 since .*, withheld$/, ledger: /^50 since .*Z$/ }],
    ],
    [
      'an erased user has an entry',
      `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version) VALUES ('global', 1, uuid_of('${dan}'), 30, -30, now(), 1)`,
      [{ of: `global:1 ${dan}`, stored: /^30 since/, ledger: 'nothing' }],
    ],
    [
      'an event is deleted',
      `DELETE FROM score_events WHERE id = ${LAST_OF_ADA}`,
      [
        { of: /^consumed token tok_/, stored: /^counted as evt_/, ledger: 'no such event' },
        { of: `global:1 ${ada}`, stored: /^21/, ledger: /^14/ },
        { of: `latest-race:1 ${ada}`, stored: /^7/, ledger: /^9/ },
      ],
    ],
    [
      'an event has other points',
      `UPDATE score_events SET points = 8 WHERE id = ${LAST_OF_ADA}`,
      [
        { of: `global:1 ${ada}`, ledger: /^22/ },
        { of: `latest-race:1 ${ada}`, ledger: /^8/ },
      ],
    ],
    [
      'an event was voided without its scores',
      `UPDATE score_events SET status = 'voided' WHERE id = ${LAST_OF_ADA}`,
      [
        { of: `global:1 ${ada}`, ledger: /^14/ },
        { of: `latest-race:1 ${ada}`, ledger: /^9/ },
      ],
    ],
    [
      'an event has no token',
      `DELETE FROM consumed_tokens WHERE event_id = ${LAST_OF_ADA}`,
      [{ of: /^event evt_/, stored: /^tok_.* is not consumed$/, ledger: /^counted for tok_/ }],
    ],
    [
      'a token has counted for another event',
      `UPDATE consumed_tokens SET event_id = (SELECT id FROM score_events WHERE user_id = uuid_of('${bob}')) WHERE event_id = ${LAST_OF_ADA}`,
      [
        { of: /^consumed token tok_/, stored: /^counted as evt_/, ledger: /^evt_.* is of tok_/ },
        { of: /^event evt_/, stored: /^tok_.* is counted as evt_/ },
      ],
    ],
  ];
  for (const [fault, sql, expected] of found) {
    await pool.query(sql);
    const { found } = await differences();
    const inOrder = found.sort((a, b) => (a.of < b.of ? -1 : 1));
    t.match(inOrder, expected, fault);
    t.equal(inOrder.length, expected.length, `${fault}: and nothing else`);
    await undo();
  }

  await pool.query(`UPDATE scores SET score = score + 1 ${OF(ada)}`);
  t.same(
    (await differences({ leaderboard: 'best-race' })).found,
    [],
    'a board that is right, beside a wrong one',
  );
  t.equal((await differences({ leaderboard: 'global' })).found.length, 1);
  await undo();
  t.same((await differences()).found, []);
  // A day after it has expired, a token is forgotten.
  await pool.query(`DELETE FROM consumed_tokens`);
  t.equal((await differences()).found.length, 6);
  await pool.query(`UPDATE score_events SET accepted_at = accepted_at - interval '1 day'`);
  await pool.query(
    `UPDATE scores SET achieved_at = achieved_at - interval '1 day', withheld_at = withheld_at - interval '1 day'`,
  );
  t.same((await differences()).found, []);
});
