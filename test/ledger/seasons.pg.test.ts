import t from 'tap';
import { CHANGES_CHANNEL, parseChange } from '../../src/changes/change.js';
import { newId } from '../../src/ids.js';
import { RECORD_BATCH, RECORD_SEASONS, RECORD_USERS } from '../../src/ledger/record-batch.js';
import { type BatchRow, recordBatch } from '../../src/ledger/submission.js';
import { toUuids } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { openPool, prepare } from './game-server.js';
import { newLedger, submission } from './ledgers.js';

t.test('one batch writes two seasons of each board', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [ada = '', bob = ''] = await prepare(databaseUrl, 2);
  const pool = openPool(t, databaseUrl);
  const { ledger } = newLedger(pool);
  const { acceptedAt: before } = await ledger.record(submission(ada, 100));

  const heard: unknown[] = [];
  const client = await pool.connect();
  client.on('notification', ({ payload = '' }) => heard.push(parseChange(payload)));
  await client.query(`LISTEN ${CHANGES_CHANNEL}`);
  // Not in the order of their times, as they are when a submission had to wait.
  const shots: [userId: string, points: number, age: number][] = [
    [ada, 1, 5_000],
    [ada, 2, 0],
    [bob, 3, 0],
    [ada, 4, 3_000],
    [bob, 5, 4_000],
    [ada, 6, 0],
  ];
  const events = shots.map(() => newId('evt'));
  const entrants = shots.map(([userId, points, age], i) => ({
    pending: {
      ...submission(userId, points),
      eventId: events[i] ?? '',
      arrivedAt: 0,
      isOfOtherSeason: false,
      resolve: () => {},
      reject: () => {},
    },
    age,
    held: false,
  }));
  const { values = [] } = recordBatch(entrants, 'writer', 'chg');
  // What was accepted less than a second ago is of the next season.
  await client.query(`
    UPDATE leaderboards SET season_ends_at = clock_timestamp() - interval '1 second', next_starts_at = clock_timestamp() - interval '1 second'`);
  const { rows } = await client.query<BatchRow>(RECORD_SEASONS, values);

  const steps = rows.flatMap((row) => (row.leaderboard === 'global' ? row : []));
  const now = steps[1]?.acceptedAt ?? 0;
  t.same(
    steps.map(({ season, score, previousScore, previousAchievedAt, version, achievedAt }) => [
      [season, score, version, achievedAt - now],
      previousScore === null ? null : [previousScore, (previousAchievedAt ?? 0) - now],
    ]),
    [
      // Achieved no earlier than the score before.
      [
        [1, 101, 2, before - now],
        [100, before - now],
      ],
      [[2, 2, 1, 0], null],
      [[2, 3, 1, 0], null],
      [
        [1, 105, 3, before - now],
        [101, before - now],
      ],
      [[1, 5, 1, -4_000], null],
      [
        [2, 8, 2, 0],
        [2, 0],
      ],
    ],
  );
  const { rows: stored } = await pool.query(
    `SELECT leaderboard_id, season, typeid('usr', user_id) AS user_id, score, version FROM scores
     WHERE leaderboard_id <> 'latest-race' ORDER BY leaderboard_id, season, score DESC`,
  );
  const entry = (
    leaderboard_id: string,
    season: number,
    user_id: string,
    score: number,
    version: number,
  ) => ({
    leaderboard_id,
    season,
    user_id,
    score,
    version,
  });
  t.same(stored, [
    entry('best-race', 1, ada, 100, 3),
    entry('best-race', 1, bob, 5, 1),
    entry('best-race', 2, ada, 6, 2),
    entry('best-race', 2, bob, 3, 1),
    entry('global', 1, ada, 105, 3),
    entry('global', 1, bob, 5, 1),
    entry('global', 2, ada, 8, 2),
    entry('global', 2, bob, 3, 1),
  ]);
  const { rows: seasons } = await pool.query<{ season: number }>(
    "SELECT (boards->>'global')::int AS season FROM score_events WHERE id = ANY ($1::uuid[]) ORDER BY id",
    [toUuids('evt', events)],
  );
  t.same(
    seasons.map(({ season }) => season),
    [1, 2, 2, 1, 1, 2],
    'an event keeps its season',
  );

  await client.query('SELECT');
  client.release(true);
  const announced = heard.filter((change) => JSON.stringify(change).includes('"global:'));
  t.same(
    announced.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    [
      {
        type: 'scores',
        id: 'chg',
        writer: 'writer',
        board: 'global:1',
        entries: [
          [ada, 105, before, 3],
          [bob, 5, now - 4_000, 1],
        ].sort(),
      },
      {
        type: 'scores',
        id: 'chg',
        writer: 'writer',
        board: 'global:2',
        entries: [
          [ada, 8, now, 2],
          [bob, 3, now, 1],
        ].sort(),
      },
    ],
    'one announcement a board, in the name of the batch',
  );
});

t.test('after a season a user begins with the first score', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  const { ledger } = newLedger(pool);
  await ledger.record(submission(user, 5));
  await pool.query('UPDATE leaderboards SET season = 2');
  const { leaderboards } = await ledger.record(submission(user, 7));
  t.match(leaderboards, [
    { id: 'best-race', season: 2, score: 7, previousScore: null },
    { id: 'global', season: 2, score: 7, previousScore: null },
    { id: 'latest-race', season: 2, score: 7, previousScore: null },
  ]);
});

t.test('the statement for users who come once does what the other one does', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 6);
  const pool = openPool(t, databaseUrl);
  await pool.query("UPDATE leaderboards SET operator = 'best', sort = 'asc' WHERE id = 'latest-race'");
  const { ledger } = newLedger(pool);
  // The last has no entries; those of the first were removed.
  for (const user of users.slice(0, 5)) await ledger.record(submission(user, 10));
  await pool.query('UPDATE scores SET score = NULL, sort_key = NULL WHERE user_id = uuid_of($1)', [users[0]]);
  const points = [3, 3, 10, 12, 0, 7];
  const entrants = users.map((userId, i) => ({
    pending: {
      ...submission(userId, points[i] ?? 0),
      eventId: newId('evt'),
      arrivedAt: 0,
      isOfOtherSeason: false,
      resolve: () => {},
      reject: () => {},
    },
    // Some have waited since before the score that is there.
    age: i % 2 === 0 ? 60_000 : 0,
    held: i === 4,
  }));
  const { values = [] } = recordBatch(entrants, 'writer', 'chg');
  const client = await pool.connect();
  t.teardown(() => client.release());
  await client.query('BEGIN; SAVEPOINT before');
  const found: unknown[] = [];
  for (const sql of [RECORD_BATCH, RECORD_USERS, RECORD_SEASONS]) {
    const { rows } = await client.query(sql, values);
    const { rows: scores } = await client.query('SELECT * FROM scores ORDER BY leaderboard_id, user_id');
    found.push({ rows, scores });
    await client.query('ROLLBACK TO before');
  }
  t.same(found[1], found[0]);
  t.same(found[2], found[0], 'and so does that for several seasons');
  t.match(found[0], { rows: { length: 1 + 5 * 3 } });
});
