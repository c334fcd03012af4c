import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Entries, EntryDetails, Leaderboard } from '../../../schemas/leaderboard.js';
import { Histogram, RankOf, ScoreAt } from '../../../schemas/position.js';
import { eventually, serviceApi, startApi } from '../../api.js';
import { typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app } = service;
const admin = await serviceApi(service, 'admin');
const { pool } = app.pg;

/** A board with these scores, the first of equal ones reached first, in a season: 2 is the current one. */
async function newBoard(
  id: string,
  sort: 'desc' | 'asc',
  scores: readonly number[],
  season = 1,
): Promise<void> {
  const rules = { title: id, sort, operator: 'latest' };
  (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, Leaderboard);
  const users = scores.map(() => typeId('usr')).sort();
  await pool.query("INSERT INTO users (id, display_name) SELECT uuid_of(unnest($1::text[])), 'Filler'", [
    users,
  ]);
  await pool.query(
    `INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
     SELECT $1, $2, uuid_of(user_id), score, CASE $3 WHEN 'desc' THEN -score ELSE score END,
            timestamptz '2026-06-11' + n * interval '1 second', 1
     FROM unnest($4::text[], $5::bigint[]) WITH ORDINALITY s (user_id, score, n)`,
    [id, season, sort, users, scores],
  );
}

const read = (id: string, query = '') => api.get(`/v1/leaderboards/${id}/entries${query}`);
const page = async (id: string, query = '') => (await read(id, query)).is(200, Entries);
const ranksOf = ({ items }: Entries) => items.map(({ rank }) => rank);
const scoresOf = ({ items }: Entries) => items.map(({ score }) => score);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
/** Until it is loaded PostgreSQL is read: the same answers. */
const loaded = (id: string) =>
  eventually(async () => {
    await page(id);
    const projection = app.boards.projections().find(({ board }) => board.key.leaderboard === id);
    assert(projection?.isReady);
  });

t.test('a page begins at a rank, and cursors lead on from it both ways to the same pages', async (t) => {
  await newBoard('walked', 'desc', range(1, 45));
  for (const from of ['PostgreSQL', 'the projection']) {
    if (from === 'the projection') await loaded('walked');
    const middle = await page('walked', '?rank=21&limit=10');
    t.same(ranksOf(middle), range(21, 30), from);
    t.equal(middle.total, 45);
    const cursor = (page: Entries, way: 'nextCursor' | 'prevCursor') =>
      page[way] === null ? null : `?limit=10&cursor=${page[way]}`;
    const next = await page('walked', cursor(middle, 'nextCursor') ?? '');
    t.same(ranksOf(next), range(31, 40));
    const last = await page('walked', cursor(next, 'nextCursor') ?? '');
    t.same(ranksOf(last), range(41, 45));
    t.equal(last.nextCursor, null);
    const back = await page('walked', cursor(last, 'prevCursor') ?? '');
    t.same(back.items, next.items);
    t.equal(back.nextCursor, next.nextCursor);
    const first = await page('walked', cursor(middle, 'prevCursor') ?? '');
    t.same(ranksOf(first), range(11, 20));
    const top = await page('walked', cursor(first, 'prevCursor') ?? '');
    t.same(ranksOf(top), range(1, 10));
    t.equal(top.prevCursor, null);
    t.equal((await page('walked', '?limit=10')).prevCursor, null, 'nor has the first page one');
    t.same((await page('walked', '?rank=46')).items, []);
    t.match(await page('walked', '?rank=45'), { nextCursor: null, prevCursor: /./ });
  }
});

t.test('a page around a score, and entries between two scores', async (t) => {
  const scores = [10, 20, 20, 30, 40, 50, 50, 60, 70, 80];
  for (const sort of ['desc', 'asc'] as const) {
    const id = `ranged-${sort}`;
    await newBoard(id, sort, scores);
    const ordered = sort === 'desc' ? [...scores].reverse() : scores;
    for (const from of ['PostgreSQL', 'the projection']) {
      if (from === 'the projection') await loaded(id);
      t.same(
        scoresOf(await page(id, '?score=45&limit=4')),
        sort === 'desc' ? [50, 50, 40, 30] : [30, 40, 50, 50],
      );
      const around = sort === 'desc' ? [70, 60, 50, 50] : [30, 40, 50, 50];
      t.same(scoresOf(await page(id, '?score=50&limit=4')), around, 'who has it comes in the middle');
      t.same(
        scoresOf(await page(id, '?score=1000&limit=4')),
        ordered.slice(...(sort === 'desc' ? [0, 2] : [8, 10])),
      );
      const inRange = ordered.filter((score) => 20 <= score && score <= 60);
      const all = await page(id, '?minScore=20&maxScore=60');
      t.same(scoresOf(all), inRange, from);
      t.match(all, { nextCursor: null, prevCursor: null, total: 10 });
      const pages: Entries[] = [];
      for (let query = ''; ; ) {
        const found = await page(id, `?minScore=20&maxScore=60&limit=3${query}`);
        pages.push(found);
        if (found.nextCursor === null) break;
        query = `&cursor=${found.nextCursor}`;
      }
      t.same(pages.flatMap(scoresOf), inRange);
      t.equal(pages.length, 3);
      let [back] = pages.slice(-1);
      for (const expected of pages.slice(0, -1).reverse()) {
        back = await page(id, `?minScore=20&maxScore=60&limit=3&cursor=${back?.prevCursor}`);
        t.same(back.items, expected.items);
      }
      t.equal(back?.prevCursor, null);
      t.same(scoresOf(await page(id, '?minScore=75')), [80]);
      t.same(scoresOf(await page(id, '?maxScore=15')), [10]);
      t.same((await page(id, '?minScore=31&maxScore=39')).items, []);
    }
  }
});

t.test('a page is asked for in one way', async (t) => {
  await newBoard('asked', 'desc', range(1, 5));
  const { nextCursor } = await page('asked', '?limit=2');
  for (const [query, path] of [
    ['rank=1&score=2', '/score'],
    [`rank=1&cursor=${nextCursor}`, '/cursor'],
    [`score=1&cursor=${nextCursor}`, '/cursor'],
    ['rank=1&minScore=1', '/rank'],
    ['score=1&maxScore=1', '/score'],
    ['minScore=2&maxScore=1', '/maxScore'],
    ['rank=0', '/querystring/rank'],
    ['rank=1.5', '/querystring/rank'],
    ['score=x', '/querystring/score'],
    ['minScore=9007199254740992', '/querystring/minScore'],
  ] as const) {
    const { errors } = (await read('asked', `?${query}`)).fails('validation-failed');
    t.match(errors, [{ path }], query);
  }
});

t.test('ranks, scores and histograms are those of a naive count, also of old seasons', async (t) => {
  let boards = 0;
  const score = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -5_000, max: 5_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('desc' as const, 'asc' as const),
      fc.array(score, { maxLength: 40 }),
      score,
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 10_000 }),
      async (sort, scores, asked, bins, hundredths) => {
        const id = `counted-${boards++}`;
        await newBoard(id, sort, scores);
        const ordered = [...scores].sort((a, b) => (sort === 'desc' ? b - a : a - b));
        const total = scores.length;
        const isThrough = (score: number) => (sort === 'desc' ? score >= asked : score <= asked);
        for (const state of ['open', 'closing', 'final']) {
          if (state === 'closing') await turn(id);
          if (state === 'final') await makeFinal(id);
          const query = state === 'open' ? '' : '&season=1';
          const path = `/v1/leaderboards/${id}`;
          const of = (await api.get(`${path}/rank-of?score=${asked}${query}`)).is(200, RankOf);
          assert.equal(of.rank, scores.filter(isThrough).length + 1);
          const better = (score: number) => isThrough(score) && score !== asked;
          assert.equal(of.sharedRank, scores.filter(better).length + 1);
          const at = await api.get(`${path}/score-at?percentile=${hundredths / 100}${query}`);
          if (total === 0) at.fails('not-found');
          else {
            const found = at.is(200, ScoreAt);
            assert.equal(found.score, ordered[found.rank - 1]);
            assert.equal(found.sharedRank, ordered.indexOf(found.score) + 1);
            const share = (of: number) => 10_000 * (total - of + 1);
            if (found.rank > 1) assert(share(found.rank) >= hundredths * total);
            if (found.rank < total) assert(share(found.rank + 1) < hundredths * total);
            const again = await api.get(`${path}/score-at?rank=${found.rank}${query}`);
            assert.deepEqual(again.is(200, ScoreAt), found);
          }
          (await api.get(`${path}/score-at?rank=${total + 1}${query}`)).fails('not-found');
          const histogram = (await api.get(`${path}/histogram?bins=${bins}${query}`)).is(200, Histogram);
          assert.equal(histogram.total, total);
          assert(histogram.bins.length <= bins);
          for (const { from, to, entries } of histogram.bins)
            assert.equal(entries, scores.filter((score) => from <= score && score <= to).length);
          assert.equal(
            histogram.bins.reduce((sum, { entries }) => sum + entries, 0),
            total,
          );
        }
      },
    ),
    { numRuns: 8 },
  );
  const path = `/v1/leaderboards/global`;
  for (const query of ['score-at', 'score-at?rank=1&percentile=1']) {
    const { errors } = (await api.get(`${path}/${query}`)).fails('validation-failed');
    t.match(errors, [{ path: '/', message: 'must name either rank or percentile' }]);
  }
  for (const query of ['rank-of', 'histogram?bins=0', 'histogram?bins=101', 'score-at?percentile=101'])
    (await api.get(`${path}/${query}`)).fails('validation-failed');
  for (const query of ['rank-of?score=1', 'histogram?bins=2', 'score-at?rank=1']) {
    (await api.get(`/v1/leaderboards/nowhere/${query}`)).fails('not-found');
    (await api.get(`${path}/${query}&season=7`)).fails('season-not-found');
  }
});

t.test('a score that others have too is ranked behind them, and shares their rank', async (t) => {
  for (const sort of ['desc', 'asc'] as const) {
    const id = `level-${sort}`;
    await newBoard(id, sort, [10, 40, 40, 100]);
    for (const from of ['PostgreSQL', 'the projection']) {
      if (from === 'the projection') await loaded(id);
      const at = async (score: number) => {
        const answer = await api.get(`/v1/leaderboards/${id}/rank-of?score=${score}`);
        const { rank, sharedRank } = answer.is(200, RankOf);
        return [rank, sharedRank];
      };
      t.same(await at(40), [4, 2], `${from}, ${sort}`);
      t.same(await at(41), sort === 'desc' ? [2, 2] : [4, 4]);
      const best = sort === 'desc' ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
      t.same(await at(best), [1, 1], 'no score is better');
    }
  }
});

t.test('an entry says how far it is to the first', async (t) => {
  for (const sort of ['desc', 'asc'] as const) {
    const id = `first-${sort}`;
    await newBoard(id, sort, [10, 40, 40, 100]);
    for (const from of ['PostgreSQL', 'the projection']) {
      if (from === 'the projection') await loaded(id);
      const { items } = await page(id);
      const distances = await Promise.all(
        items.map(async ({ userId }) => (await read(id, `/${userId}`)).is(200, EntryDetails).pointsToFirst),
      );
      t.same(distances, sort === 'desc' ? [null, 61, 61, 91] : [null, 31, 31, 91], `${from}, ${sort}`);
    }
  }
});

/** The next season has begun, as after its row was changed and all instances know. */
async function turn(id: string): Promise<void> {
  await pool.query(
    'UPDATE leaderboards SET season = season + 1, season_starts_at = clock_timestamp() WHERE id = $1',
    [id],
  );
  await pool.query(
    `UPDATE seasons s SET ends_at = l.season_starts_at, state = 'closing' FROM leaderboards l
     WHERE s.leaderboard_id = $1 AND l.id = $1 AND s.season = l.season - 1`,
    [id],
  );
  app.catalog.forgetAll();
}
const makeFinal = async (id: string) => {
  await pool.query(
    `INSERT INTO season_marks SELECT leaderboard_id, season, rank, sort_key, achieved_at, user_id
     FROM (SELECT *, row_number() OVER (ORDER BY sort_key, achieved_at, user_id) AS rank
           FROM scores WHERE leaderboard_id = $1 AND season = 1) ranked WHERE rank % 7 = 0`,
    [id],
  );
  await pool.query(
    `UPDATE seasons SET state = 'final', digest = $2, entries = (SELECT count(*) FROM scores WHERE leaderboard_id = $1)
     WHERE leaderboard_id = $1 AND season = 1`,
    [id, 'ab'.repeat(32)],
  );
};
