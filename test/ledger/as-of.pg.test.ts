import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { Sort } from '../../src/leaderboard/entry.js';
import { entriesAsOf, type RuledSeason } from '../../src/ledger/as-of.js';
import { carry, close, type Month, oldestMonth } from '../../src/ledger/old-events.js';
import { transact } from '../../src/postgres/database.js';
import { firstKey } from '../../src/postgres/partitions.js';
import { toUuid, toUuids } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { inOrder } from '../leaderboard/board-rows.js';
import { addPlayers, openPool, prepare } from './game-server.js';
import { addEvents, monthsAgo, prepareMonths } from './old-months.js';

const START = Date.parse('2026-06-11T12:00:00Z');
const BOARDS = [
  ['global', 'desc', 'increment'],
  ['best-race', 'desc', 'best'],
  ['best-lap', 'asc', 'best'],
  ['latest-race', 'desc', 'latest'],
] as const;
const ruled = (board: (typeof BOARDS)[number], season: number): RuledSeason => {
  const [leaderboard, sort, operator] = board;
  return { leaderboard, season, sort, operator, startsAt: Number.NEGATIVE_INFINITY };
};

/** An event and what became of it: times are in seconds since START. */
interface Past {
  readonly user: number;
  readonly points: number;
  readonly at: number;
  readonly wasHeld: boolean;
  /** When it was released, or voided while it was held. */
  readonly holdEnded: number | null;
  readonly voided: number | null;
}

const moment = fc.integer({ min: 0, max: 30 });
const past = fc
  .record({ user: fc.nat(4), points: fc.integer({ min: -3, max: 3 }), at: fc.nat(20) })
  .chain((event) =>
    fc.oneof(
      fc.constant({ ...event, wasHeld: false, holdEnded: null, voided: null }),
      moment.map((voided) => ({ ...event, wasHeld: false, holdEnded: null, voided: event.at + voided })),
      fc.constant({ ...event, wasHeld: true, holdEnded: null, voided: null }),
      moment.map((ended) => ({
        ...event,
        wasHeld: true,
        holdEnded: event.at + ended,
        voided: event.at + ended,
      })),
      fc.tuple(moment, fc.option(moment)).map(([released, voided]) => ({
        ...event,
        wasHeld: true,
        holdEnded: event.at + released,
        voided: voided === null ? null : event.at + released + voided + 1,
      })),
    ),
  );

/** What counted at a time, by what had happened until then. */
const counts = (at: number) => (event: Past) =>
  event.at <= at &&
  (!event.wasHeld ||
    (event.holdEnded !== null && event.holdEnded !== event.voided && event.holdEnded <= at)) &&
  (event.voided === null || event.voided > at);

/** The entry that the events of a user make, which are in the order of their times. */
function entryOf([, sort, operator]: (typeof BOARDS)[number], events: readonly Past[]) {
  let made: { score: number; at: number } | undefined;
  for (const { points, at } of events) {
    const score =
      made === undefined || operator === 'latest'
        ? points
        : operator === 'increment'
          ? made.score + points
          : better(sort, points, made.score)
            ? points
            : made.score;
    made = { score, at: made === undefined || score !== made.score ? at : made.at };
  }
  return made;
}
const better = (sort: Sort, a: number, b: number): boolean => (sort === 'desc' ? a > b : a < b);

t.test('a board stands as it did at each time, by what had happened until then', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  await prepare(databaseUrl, 0);
  const pool = openPool(t, databaseUrl);
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator) VALUES ('best-lap', 'Lap', 'asc', 'best')`,
  );
  const users = (await addPlayers(pool, 5)).sort();
  let season = 100;
  await fc.assert(
    fc.asyncProperty(
      fc.array(past, { maxLength: 25, size: 'max' }),
      fc.array(fc.integer({ min: -1, max: 60 }), { minLength: 1, maxLength: 3 }),
      async (events, times) => {
        season++;
        await write(events, users, season);
        for (const board of BOARDS) {
          for (const at of times) {
            const found = await entriesAsOf(pool, ruled(board, season), START + 1_000 * at);
            const counted = events.filter(counts(at));
            const expected = users.flatMap((userId, user) => {
              // Of the same time the one whose id is lower came first: the ids are in this order.
              const own = counted.filter((event) => event.user === user).sort((a, b) => a.at - b.at);
              const entry = entryOf(board, own);
              if (entry === undefined) return [];
              const voided = own.filter((event) => event.voided !== null).length;
              return { userId, score: entry.score, achievedAt: START + 1_000 * entry.at, voided };
            });
            assert.deepEqual(
              found.index.slice(0, 10).map(({ userId, score, achievedAt }) => ({
                userId,
                score,
                achievedAt,
                voided: found.voided.get(userId) ?? 0,
              })),
              inOrder(board[1], expected),
              `${board[0]} at ${at}`,
            );
          }
        }
      },
    ),
    { numRuns: 25 },
  );
  await pool.query('UPDATE users SET banned_at = now() WHERE id = $1', [toUuid('usr', users[0] ?? '')]);
  const shown = await entriesAsOf(pool, ruled(BOARDS[0], season), START + 60_000);
  t.notOk(shown.index.has(users[0] ?? ''), 'a banned user is not shown');

  async function write(events: readonly Past[], users: readonly string[], season: number): Promise<void> {
    const status = ({ wasHeld, holdEnded, voided }: Past) =>
      voided !== null ? 'voided' : wasHeld && holdEnded === null ? 'held' : 'counted';
    const act = (at: number | null) => (at === null ? null : firstKey('aud', START + 1_000 * at));
    const ordered = [...events].sort((a, b) => a.at - b.at);
    await pool.query(
      `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, status, best, boards, hold_ended_by, voided_by)
       SELECT id, u, 'finish-race', gen_random_uuid(), points, to_timestamp(at / 1000.0), status, true, $1, held, voided
       FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::float8[], $6::text[], $7::uuid[], $8::uuid[])
         e (id, u, points, at, status, held, voided)`,
      [
        JSON.stringify(Object.fromEntries(BOARDS.map(([id]) => [id, season]))),
        ordered.map(({ at }, n) => idAt(START + 1_000 * at, n)),
        toUuids(
          'usr',
          ordered.map(({ user }) => users[user] ?? ''),
        ),
        ordered.map(({ points }) => points),
        ordered.map(({ at }) => START + 1_000 * at),
        ordered.map(status),
        ordered.map(({ holdEnded }) => act(holdEnded)),
        ordered.map(({ voided }) => act(voided)),
      ],
    );
  }
});

/** An id as it is stored: the n-th of a time. */
const idAt = (ms: number, n: number): string =>
  `${firstKey('evt', ms).slice(0, 13)}-7${n.toString(16).padStart(3, '0')}-8${randomUUID().slice(20)}`;

t.test('what is archived counts on, so that later times are shown as before', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl);
  await prepareMonths(pool, databaseUrl, 3);
  const users = await addPlayers(pool, 6);
  const [from, until] = [monthsAgo(3), monthsAgo(0)];
  const events = Array.from({ length: 300 }, (_, n) => ({
    user: users[(n * 7) % 5] ?? '',
    points: (n * 13) % 9,
    at: from + Math.floor(((until - from) * n) / 300),
  }));
  // Of the last user all is archived.
  events.push({ user: users[5] ?? '', points: 4, at: from + 1_000 });
  await addEvents(pool, events);
  const times = [monthsAgo(1), monthsAgo(1) + 86_400_000, Date.now()];
  const read = async () => {
    const boards: unknown[] = [];
    for (const board of BOARDS)
      for (const at of times) boards.push((await entriesAsOf(pool, ruled(board, 1), at)).index.slice(0, 10));
    return boards;
  };
  const before = await read();
  for (const expected of [monthsAgo(3), monthsAgo(2)]) {
    const month = await oldestMonth(pool);
    assert(month !== null);
    t.equal(month.start, expected);
    const step = <T>(work: (client: Parameters<typeof close>[0], month: Month) => Promise<T>) =>
      transact(pool, (client) => work(client, month));
    t.equal(await step(close), 'closed');
    while (await step((client, month) => carry(client, month, 41)));
    await pool.query(`DROP TABLE ${month.partition}`);
  }
  t.same(await read(), before);
});
