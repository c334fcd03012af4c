import assert from 'node:assert/strict';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { newId } from '../../src/ids.js';
import { closeFence } from '../../src/ledger/fence.js';
import { type BatchRow, recordBatch } from '../../src/ledger/submission.js';
import { turnPage } from '../../src/seasons/turn-page.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { turnPages } from '../seasons/turn-pages.js';
import { addPlayers, openPool, prepare } from './game-server.js';
import { newLedger, outcome, submission } from './ledgers.js';
import { during, holding } from './waiting.js';

/** Seasons in seconds from now. Between the first two, and before the fourth, the board is closed. */
const SEASONS = [
  [Number.NEGATIVE_INFINITY, -3_000],
  [-2_000, -1_500],
  [-1_500, -1_000],
  [-500, 500],
  [600, 1_200],
] as const;
const SECOND = 1_000;

type Score = [acceptedAt: number, issuedAt?: number | undefined, expected?: number];

/** All boards have these seasons, and the second is that of their rows: nobody has turned the pages for long. */
async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  const now = Date.now();
  const at = (seconds: number) => new Date(now + seconds * SECOND).toISOString();
  await pool.query('UPDATE leaderboards SET season_ends_at = $1, next_starts_at = $2, next_ends_at = $3', [
    at(SEASONS[0][1]),
    at(SEASONS[1][0]),
    at(SEASONS[1][1]),
  ]);
  await pool.query(
    'UPDATE leaderboards SET season = 2, schedule = $1, season_starts_at = $2, season_ends_at = $3, next_starts_at = $4, next_ends_at = $5',
    [
      { seasons: SEASONS.slice(1).map(([start, end]) => ({ startsAt: at(start), endsAt: at(end) })) },
      ...[...SEASONS[1], ...SEASONS[2]].map(at),
    ],
  );

  const pendingOf = (issuedAt?: number, expected?: number) => ({
    ...submission(user, 1, {
      tokenIssuedAt: issuedAt === undefined ? null : now / SECOND + issuedAt,
      expectedSeasons: expected === undefined ? null : { global: expected },
    }),
    eventId: newId('evt'),
    arrivedAt: 0,
    isOfOtherSeason: false,
    resolve: () => {},
    reject: () => {},
  });
  /** What the ledger makes of a score that was accepted, and whose token was issued, at these times. Nothing of it stays. */
  const placed = async (...[acceptedAt, issuedAt, expected]: Score) => {
    const pending = pendingOf(issuedAt, expected);
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const { rows: begun } = await client.query<{ ms: number }>(
        'SELECT (extract(epoch FROM now()) * 1000)::float8 AS ms',
      );
      const age = (begun[0]?.ms ?? 0) - now - acceptedAt * SECOND;
      await client.query('SAVEPOINT before');
      const byRow = await client.query<BatchRow>(recordBatch([{ pending, age, held: false }], 'i', 'c'));
      await client.query('ROLLBACK TO before');
      pending.isOfOtherSeason = true;
      const bySeasons = await client.query<BatchRow>(recordBatch([{ pending, age, held: false }], 'i', 'c'));
      await client.query('ROLLBACK');
      const [found, result] = [resultOf(byRow.rows), resultOf(bySeasons.rows)];
      if (found !== 'other-season') t.equal(found, result, 'the row says the same, or that it does not know');
      return result;
    } finally {
      client.release();
    }
  };
  /** The user is locked by one at a time. */
  const allPlaced = async (...scores: readonly Score[]) => {
    const found = [];
    for (const score of scores) found.push(await placed(...score));
    return found;
  };
  return { pool, user, pendingOf, placed, allPlaced };
}

function resultOf(rows: readonly BatchRow[]) {
  const row = rows.find(({ leaderboard }) => leaderboard === 'global') ?? rows[0];
  if (row === undefined || row.leaderboard === null) return row?.refused;
  return row.late ? `${row.season} late` : row.season;
}

const set = (pool: pg.Pool, what: string) => pool.query(`UPDATE leaderboards SET ${what}`);

/** Times, in seconds from now, and the season of a score that is accepted then. */
const TIMES: [time: number, season: number | 'closed'][] = [
  [-4_000, 1],
  [-3_000, 'closed'],
  [-2_001, 'closed'],
  [-2_000, 2],
  [-1_501, 2],
  [-1_500, 3],
  [-1_001, 3],
  [-1_000, 'closed'],
  [-501, 'closed'],
  [-500, 4],
  [-1, 4],
];

t.test('a score is in the season of its time, before and after the page is turned', async (t) => {
  const { pool, allPlaced } = await open(t);
  const placedAt = () => allPlaced(...TIMES.map(([time]): Score => [time]));
  const isKnown = ([time]: (typeof TIMES)[number]) => time < SEASONS[2][1];
  t.same(
    await placedAt(),
    TIMES.map((time) => (isKnown(time) ? time[1] : 'unturned')),
    'the row knows two seasons ahead, and does not guess',
  );
  const next = await turnPages(pool, 'here');
  t.ok(next !== null && next > 0 && next <= 500 * SECOND, `something is due again in ${next} ms`);
  t.same(
    await placedAt(),
    TIMES.map(([, season]) => season),
  );
});

t.test('what comes too late for its season counts in the present one, and says so', async (t) => {
  const { pool, allPlaced } = await open(t);
  await turnPages(pool, 'here');
  await pool.query(
    'UPDATE leaderboards l SET closed_through = s.ends_at FROM seasons s WHERE s.leaderboard_id = l.id AND s.season = 2',
  );
  t.same(await allPlaced([-1_600], [-2_500], [-1_400], [-1]), ['4 late', 'closed', 3, 4]);
});

t.test('a batch that began in a season which was closed meanwhile counts in the one after it', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  const score = {
    ...submission(user, 1),
    eventId: newId('evt'),
    arrivedAt: 0,
    isOfOtherSeason: true,
    resolve: () => {},
    reject: () => {},
  };
  const client = await pool.connect();
  t.teardown(() => client.release(true));
  await client.query('BEGIN');
  await client.query('SELECT now()');
  await set(
    pool,
    "season_ends_at = clock_timestamp(), next_starts_at = clock_timestamp(), next_ends_at = now() + interval '1 hour'",
  );
  await turnPages(pool, 'here');
  await set(pool, 'closed_through = season_starts_at');
  const batch = recordBatch([{ pending: score, age: 0, held: false }], 'i', 'c');
  t.equal(resultOf((await client.query<BatchRow>(batch)).rows), '2 late');
});

const SLOW = 99;

t.test('a page that takes its time makes no score of other boards wait', async (t) => {
  const { pool, user } = await open(t);
  const [other = '', another = ''] = await addPlayers(pool, 2);
  await pool.query(`
    INSERT INTO actions VALUES ('practise', 'Practise', 0, 100000, 'server', 0);
    INSERT INTO leaderboards (id, title, sort, operator) VALUES ('practice', 'Practice', 'desc', 'best');
    INSERT INTO action_leaderboards VALUES ('practise', 'practice');
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(${SLOW}); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE UPDATE OF season ON leaderboards FOR EACH ROW EXECUTE FUNCTION take_time();`);
  const goOn = await holding(pool, (client) => client.query(`SELECT pg_advisory_xact_lock(${SLOW})`));
  const turning = (pages: number) =>
    eventually(async () => {
      const { rowCount } = await pool.query(
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
      );
      assert((rowCount ?? 0) >= pages);
    });
  const { ledger, errors } = newLedger(pool);
  // As many as there can be batches under way.
  const first = outcome(ledger, submission(user, 5));
  await turning(1);
  const second = outcome(ledger, submission(other, 5));
  await turning(2);
  const practice = submission(another, 7, { actionId: 'practise' });
  const waited = new Promise((resolve) => setTimeout(resolve, 3_000, 'it waits'));
  t.same(await Promise.race([outcome(ledger, practice, 'practice'), waited]), [null, 7]);
  await goOn();
  t.same(await Promise.all([first, second]), [
    [null, 5],
    [null, 5],
  ]);
  t.same(errors, []);
});

t.test('a token counts in the season of its issue, or not at all, if the board says so', async (t) => {
  const { pool, placed, allPlaced } = await open(t);
  await turnPages(pool, 'here');
  const of = () => allPlaced([-400, -1_100], [-400, -1_600], [-400, -700], [-400, -450], [-10]);
  t.same(await of(), [4, 4, 4, 4, 4], 'by default in that of its arrival');

  await set(pool, "late_tokens = 'issued', grace_ms = 700000");
  t.same(await of(), [3, '4 late', 4, 4, 4], 'within the time of grace');
  t.equal(await placed(-700, -1_100), 3, 'also while the board is closed');
  await set(pool, 'grace_ms = 500000');
  t.same(await of(), ['4 late', '4 late', 4, 4, 4], 'the grace is over');
  await set(pool, `grace_ms = 700000, closed_through = now() - interval '900 seconds'`);
  t.equal(await placed(-400, -1_100), '4 late', 'the season is closed for good');

  await set(pool, `late_tokens = 'refuse', closed_through = '-infinity'`);
  t.same(await of(), ['closed', 'closed', 4, 4, 4], 'no season has ended since the token of a closed time');
});

t.test('what expects another season is refused, and its token is not used up', async (t) => {
  const { pool, user, allPlaced } = await open(t);
  await turnPages(pool, 'here');
  t.same(await allPlaced([-1, undefined, 4], [-1, undefined, 3], [-700, undefined, 3]), [
    4,
    'season-changed',
    'closed',
  ]);
  const { ledger } = newLedger(pool);
  const score = submission(user, 5, { expectedSeasons: { global: 5 } });
  t.equal(await outcome(ledger, score), 'season-changed');
  t.equal((await pool.query('SELECT FROM consumed_tokens')).rowCount, 0);
  t.same(await outcome(ledger, { ...score, expectedSeasons: { global: 4, 'best-race': 4 } }), [null, 5]);
  t.equal(
    await outcome(ledger, { ...score, expectedSeasons: { global: 5 } }),
    'action-token-replayed',
    'what has counted is told first',
  );
});

t.test(
  'a score whose answer was lost before its season ended gets its first receipt after that',
  async (t) => {
    const { pool, user } = await open(t);
    await turnPages(pool, 'here');
    const { ledger } = newLedger(pool);
    const first = await ledger.record(submission(user, 5));
    t.match(first.leaderboards, [{ season: 4 }, { season: 4 }, { season: 4 }]);
    await set(
      pool,
      "season_ends_at = now(), next_starts_at = now(), next_ends_at = now() + interval '1 minute'",
    );
    await turnPages(pool, 'here');
    await set(pool, 'closed_through = season_starts_at');
    t.match((await ledger.record(submission(user, 1))).leaderboards, [
      { season: 5 },
      { season: 5 },
      { season: 5 },
    ]);
    // The next submission has the event id and the token of the first: as a try whose answer was lost.
    const again = submission(user, 5);
    await pool.query('UPDATE consumed_tokens SET token_id = uuid_of($1) WHERE event_id = uuid_of($2)', [
      again.tokenId,
      first.eventId,
    ]);
    const recorded = await ledger.record(Object.assign(again, { eventId: first.eventId }));
    t.equal(recorded.acceptedAt, first.acceptedAt);
    t.match(recorded.leaderboards, [
      { id: 'best-race', season: 4, score: 5, late: undefined },
      { id: 'global', season: 4, score: 5, previousScore: null, late: undefined },
      { id: 'latest-race', season: 4, score: 5, late: undefined },
    ]);
  },
);

t.test('pages are turned when a score comes that they do not know, and it is sent again', async (t) => {
  const { pool, user } = await open(t);
  const { ledger, errors } = newLedger(pool);
  const { leaderboards } = await ledger.record(submission(user, 5));
  t.match(leaderboards, [{ season: 4 }, { season: 4 }, { season: 4 }]);
  t.same(errors, []);
});

t.test('a score that waits while an end is set that comes first counts in the season after it', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  const { ledger, errors } = newLedger(pool);
  const client = await pool.connect();
  await client.query('BEGIN');
  await closeFence(client, 'global');
  await client.query("SELECT FROM leaderboards WHERE id = 'global' FOR UPDATE");
  await client.query(`
    UPDATE leaderboards SET season_ends_at = clock_timestamp() + interval '1 ms',
           next_starts_at = clock_timestamp() + interval '1 ms', next_ends_at = 'infinity' WHERE id = 'global'`);
  await client.query('SELECT pg_sleep(0.01)');
  const recorded = ledger.record(submission(user, 5));
  await eventually(async () => {
    const waiting = await pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
    assert.equal(waiting.rowCount, 1);
  });
  await client.query('COMMIT');
  client.release();
  const { acceptedAt, leaderboards } = await recorded;
  t.match(
    leaderboards.find(({ id }) => id === 'global'),
    { season: 2 },
  );
  const { rows } = await pool.query<{ season: number }>(
    "SELECT season FROM seasons WHERE leaderboard_id = 'global' AND starts_at <= $1 AND ends_at > $1",
    [new Date(acceptedAt)],
  );
  t.same(rows, [{ season: 2 }], 'that of its time');
  t.same(errors, []);
});

t.test('a score that waits while several pages are turned is sent again', async (t) => {
  const { pool, pendingOf } = await open(t);
  const pending = { ...pendingOf(), isOfOtherSeason: true };
  const turnAll = async (client: pg.ClientBase) => {
    await closeFence(client, 'global');
    // As a change of the leaderboard does: the batch sees the new row.
    await client.query("SELECT FROM leaderboards WHERE id = 'global' FOR UPDATE");
    while ((await turnPage(client, 'global', 'here')).isBehind);
  };
  const { rows } = await during(pool, turnAll, 1, () =>
    pool.query<BatchRow>(recordBatch([{ pending, age: 0, held: false }], 'i', 'c')),
  );
  t.match(rows, [{ refused: 'unturned', skipped: { global: 'unturned' } }]);
});

t.test('a board that is closed is skipped; if all are, the score is refused', async (t) => {
  const { pool, user } = await open(t);
  await turnPages(pool, 'here');
  await pool.query(
    "UPDATE leaderboards SET season_ends_at = clock_timestamp() - interval '1 second' WHERE id <> 'best-race'",
  );
  const { ledger } = newLedger(pool);
  const score = () => submission(user, 5);
  t.match((await ledger.record(score())).leaderboards, [
    { id: 'best-race', season: 4, seasonEndsAt: /Z$/ },
    { id: 'global', skipped: 'closed' },
    { id: 'latest-race', skipped: 'closed' },
  ]);
  const { rows } = await pool.query('SELECT boards, skipped FROM score_events');
  t.same(rows, [{ boards: { 'best-race': 4 }, skipped: { global: 'closed', 'latest-race': 'closed' } }]);
  await set(pool, `season_ends_at = clock_timestamp() - interval '1 second'`);
  const refused = score();
  t.equal(await outcome(ledger, refused), 'season-ended');
  await set(pool, "frozen_at = CASE WHEN id = 'global' THEN now() END");
  t.equal(await outcome(ledger, refused), 'board-frozen');
  await set(pool, "frozen_at = NULL, season_ends_at = now() + interval '1 minute'");
  t.same(await outcome(ledger, refused), [null, 5], 'its token was not used up');
});

t.test('each season has its own rules', async (t) => {
  const { pool, user, placed } = await open(t);
  const { ledger } = newLedger(pool);
  await pool.query(
    `UPDATE seasons SET rules = '{"sort": "asc", "operator": "best"}' WHERE leaderboard_id = 'global' AND season = 3`,
  );
  // The page of the third season is not turned yet.
  await pool.query('UPDATE leaderboards SET next_ends_at = $1', [new Date(Date.now() + 60_000)]);
  for (const points of [5, 3, 9]) await ledger.record(submission(user, points));
  const { rows } = await pool.query(
    "SELECT season, score, sort_key FROM scores WHERE leaderboard_id = 'global'",
  );
  t.same(rows, [{ season: 3, score: 3, sort_key: 3 }]);
  t.equal(await placed(-1_600), 2);
  await turnPages(pool, 'here');
  const { rows: turned } = await pool.query(
    "SELECT season, sort, operator FROM leaderboards WHERE id = 'global'",
  );
  t.same(turned, [{ season: 3, sort: 'asc', operator: 'best' }]);
  await ledger.record(submission(user, 2));
  const { rows: then } = await pool.query("SELECT score FROM scores WHERE leaderboard_id = 'global'");
  t.same(then, [{ score: 2 }]);
});
