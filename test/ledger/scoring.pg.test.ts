import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../src/errors.js';
import type { ScoredChange } from '../../src/leaderboard/entry.js';
import { type RecordedScore, ScoreLedger } from '../../src/ledger/score-ledger.js';
import { toUuids } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { typeId } from '../mint.js';
import { results } from '../receipts.js';
import { addPlayers, groupBy, openPool } from './game-server.js';

const MAX = Number.MAX_SAFE_INTEGER;
const OPERATORS = ['increment', 'best', 'latest'] as const;
const SORTS = ['asc', 'desc'] as const;
const BOARDS = OPERATORS.flatMap((operator) =>
  SORTS.map((sort) => ({ id: `${operator}-${sort}`, operator, sort })),
);
type Board = (typeof BOARDS)[number];
const BOARD = new Map(BOARDS.map((board) => [board.id, board]));

/** Feeds the boards whose bits are set. */
const actionOf = (bits: number) => `feeds-${bits}`;
const fedBy = (bits: number): Board[] => BOARDS.filter((_, i) => bits & (1 << i));
const ACTIONS = Array.from({ length: 2 ** BOARDS.length - 1 }, (_, i) => i + 1);

interface Shot {
  readonly player: number;
  readonly bits: number;
  readonly points: number;
}

/** A receipt, and the changes that the leaderboards were told of with it. */
interface Step extends Shot {
  readonly receipt: RecordedScore | Problem;
  readonly changes: readonly ScoredChange[];
}

interface Standing {
  readonly score: number;
  readonly achievedAt: number;
  readonly version: number;
}

/** The rules of scoring, one submission after the other. */
function next(board: Board, standing: Standing | undefined, points: number, acceptedAt: number): Standing {
  const { score, achievedAt, version } = standing ?? { score: undefined, achievedAt: -Infinity, version: 0 };
  const scores = {
    increment: () => (score ?? 0) + points,
    best: () => (board.sort === 'desc' ? Math.max(score ?? -MAX, points) : Math.min(score ?? MAX, points)),
    latest: () => points,
  };
  const reached = scores[board.operator]();
  return {
    score: reached,
    // It stays where the score was reached first, and an event that was held up does not bring it back in time.
    achievedAt: reached === score ? achievedAt : Math.max(achievedAt, acceptedAt),
    version: version + 1,
  };
}

t.test('scoring', async (t) => {
  const pool = openPool(t, await buildTestDatabase(t));
  await pool.query(
    `INSERT INTO leaderboards (id, title, sort, operator)
     SELECT id, id, sort, operator FROM unnest($1::text[], $2::text[], $3::text[]) AS b (id, sort, operator)`,
    [BOARDS.map(({ id }) => id), BOARDS.map(({ sort }) => sort), BOARDS.map(({ operator }) => operator)],
  );
  await pool.query("INSERT INTO actions SELECT id, id, 0, 0, 'server', 0 FROM unnest($1::text[]) id", [
    ACTIONS.map(actionOf),
  ]);
  const feeds = ACTIONS.flatMap((bits) => fedBy(bits).map(({ id }) => [actionOf(bits), id] as const));
  await pool.query('INSERT INTO action_leaderboards SELECT * FROM unnest($1::text[], $2::text[])', [
    feeds.map(([action]) => action),
    feeds.map(([, board]) => board),
  ]);

  const told: ScoredChange[] = [];
  const ledger = new ScoreLedger({
    pool,
    turnPages: () => {},
    writer: 'test',
    onError: (error) => t.fail(String(error)),
    leaderboards: {
      /** The rank says where among all changes this one was told, so that a receipt leads to it. */
      applyAndRank: async (_changeId, changes) =>
        changes.map((change) => ({ previousRank: null, rank: told.push(change) - 1 })),
    },
  });

  const record = async (players: readonly string[], shot: Shot): Promise<Step> => {
    const receipt = await ledger
      .record({
        tokenId: typeId('tok'),
        userId: players[shot.player] ?? '',
        actionId: actionOf(shot.bits),
        points: shot.points,
        metadata: null,
        tokenExpiresAt: Date.now() / 1000 + 300,
        tokenIssuedAt: null,
        expectedSeasons: null,
        issuedBy: null,
        signingKey: 'key_00000000',
        limits: null,
      })
      .catch((error: unknown) => {
        if (error instanceof Problem) return error;
        throw error;
      });
    if (receipt instanceof Problem) return { ...shot, receipt, changes: [] };
    return { ...shot, receipt, changes: results(receipt).flatMap(({ rank }) => told[rank ?? -1] ?? []) };
  };

  const stored = async (players: readonly string[]): Promise<Map<string, Standing & { sortKey: number }>> => {
    const { rows } = await pool.query<Standing & { key: string; sortKey: number }>(
      `SELECT leaderboard_id || ' ' || typeid('usr', user_id) AS key, score, achieved_at AS "achievedAt", version, sort_key AS "sortKey"
       FROM scores WHERE user_id = ANY ($1::uuid[])`,
      [toUuids('usr', players)],
    );
    return new Map(rows.map(({ key, ...standing }) => [key, standing]));
  };

  /** Walks the steps in the order of their versions: each leads from where the last one ended, and the last to what is stored. */
  const follow = async (players: readonly string[], steps: readonly Step[]): Promise<void> => {
    const moves = steps.flatMap(({ points, receipt, changes }) => {
      if (receipt instanceof Problem) return [];
      return results(receipt).map((result, i) => ({ points, receipt, result, change: changes[i] }));
    });
    const rows = await stored(players);
    const ways = groupBy(moves, ({ change }) => `${change?.board.leaderboard} ${change?.userId}`);
    same([...rows.keys()].sort(), [...ways.keys()].sort(), 'there are no other entries');
    for (const [key, way] of ways) {
      const board = BOARD.get(key.split(' ')[0] ?? '');
      if (board === undefined) throw new Error(`No board ${key}`);
      let standing: Standing | undefined;
      for (const { points, receipt, result, change } of way.sort(
        (a, b) => (a.change?.version ?? 0) - (b.change?.version ?? 0),
      )) {
        const wanted = next(board, standing, points, receipt.acceptedAt);
        same(
          [result.id, result.previousScore, result.score],
          [board.id, standing?.score ?? null, wanted.score],
          key,
        );
        const { score, achievedAt, version, previous } = change ?? {};
        same({ score, achievedAt, version }, wanted, key);
        const before = standing && { score: standing.score, achievedAt: standing.achievedAt };
        same(previous, before ?? null, `${key} before`);
        standing = wanted;
      }
      const sortKey = (board.sort === 'desc' ? -1 : 1) * (standing?.score ?? Number.NaN) + 0;
      same(rows.get(key), { ...standing, sortKey }, `${key} as stored`);
    }
    for (const { bits, receipt } of steps) {
      if (receipt instanceof Problem) continue;
      const fed = fedBy(bits)
        .map(({ id }) => id)
        .sort();
      same(
        receipt.leaderboards.map(({ id }) => id),
        fed,
        'each board that the action feeds, once',
      );
    }
  };

  const shotOf = (points: fc.Arbitrary<number>): fc.Arbitrary<Shot> =>
    fc.record({ player: fc.nat(2), bits: fc.constantFrom(...ACTIONS), points });
  const small = fc.integer({ min: -3, max: 3 });
  const extreme = fc.oneof(small, fc.constantFrom(MAX, -MAX, MAX - 1, 1 - MAX, 2 ** 52, -(2 ** 52)));

  await t.test('many at once, in one batch and in two at the same time', async (t) => {
    const rounds = fc.array(
      fc.tuple(fc.array(shotOf(small), { maxLength: 12 }), fc.array(shotOf(small), { maxLength: 12 })),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(rounds, async (rounds) => {
        const players = await addPlayers(pool, 3);
        const steps: Step[] = [];
        for (const [first, second] of rounds) {
          const batch = first.map((shot) => record(players, shot));
          // The first batch has left when the second is filled.
          await turn();
          const other = second.map((shot) => record(players, shot));
          steps.push(...(await Promise.all([...batch, ...other])));
        }
        same(
          steps.filter(({ receipt }) => receipt instanceof Problem),
          [],
          'all are recorded',
        );
        await follow(players, steps);
      }),
      { numRuns: 60 },
    );
    t.pass('60 random games');
  });

  await t.test('at the limits of what a score can be, rows that would leave them fail alone', async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(shotOf(extreme), { maxLength: 10 }), { minLength: 1, maxLength: 4 }),
        async (rounds) => {
          const players = await addPlayers(pool, 3);
          const steps: Step[] = [];
          const sums = new Map<string, number>();
          const expected: boolean[] = [];
          for (const round of rounds) {
            steps.push(...(await Promise.all(round.map((shot) => record(players, shot)))));
            // One batch is as good as its submissions one by one, in the order in which they came.
            for (const { player, bits, points } of round) {
              const keys = fedBy(bits).flatMap(({ id, operator }) =>
                operator === 'increment' ? `${player} ${id}` : [],
              );
              const fits = keys.every((key) => Number.isSafeInteger((sums.get(key) ?? 0) + points));
              if (fits) for (const key of keys) sums.set(key, (sums.get(key) ?? 0) + points);
              expected.push(fits);
            }
          }
          const outcome = steps.map(({ receipt }) => (receipt instanceof Problem ? receipt.code : true));
          same(
            outcome,
            expected.map((fits) => fits || 'points-out-of-range'),
            'who is refused',
          );
          await follow(players, steps);
        },
      ),
      { numRuns: 60 },
    );
    t.pass('60 random games');
  });

  await t.test('submissions that come together count in the order in which they came', async (t) => {
    const players = await addPlayers(pool, 1);
    const bits = 1 << BOARDS.findIndex(({ id }) => id === 'latest-desc');
    const shots = Array.from({ length: 256 }, (_, points) => ({ player: 0, bits, points }));
    const steps = await Promise.all(shots.map((shot) => record(players, shot)));
    t.same(
      steps.map(({ changes: [change] }) => [change?.score, change?.version]),
      steps.map((_, i) => [i, i + 1]),
    );
  });
});

/** @throws Error; an assertion of tap would not make fast-check shrink */
function same(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [found, wanted].map((value) =>
    JSON.stringify(value, (_, v) => (v === undefined ? 'undefined' : v)),
  );
  if (a !== b) throw new Error(`${what}: found ${a}, wanted ${b}`);
}
