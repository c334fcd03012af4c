import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { type Attempt, actionSince, dayOf, judge, type Limits, type Past } from '../../src/ledger/limits.js';

const DAY = 86_400_000;
const MIDNIGHT = Date.UTC(2026, 5, 12);
const NOTHING: Past = { days: [], points: [] };
const UNLIMITED: Limits = { cooldownMs: null, dailyLimit: null, boards: [] };

const attempt = (at: number, limits: Partial<Limits>, more: Partial<Attempt> = {}): Attempt => ({
  userId: 'usr_1',
  actionId: 'coin',
  points: 10,
  at,
  limits: { ...UNLIMITED, ...limits },
  ...more,
});
const results = (attempts: readonly Attempt[], past = NOTHING) =>
  judge(attempts, past).map((verdict) =>
    verdict.result === 'refused' ? verdict.retryAfter : verdict.result,
  );

t.test('a day ends exactly at midnight UTC', async (t) => {
  const daily = (at: number) => attempt(at, { dailyLimit: 1 });
  t.same(results([daily(MIDNIGHT - 2), daily(MIDNIGHT - 1), daily(MIDNIGHT), daily(MIDNIGHT + 1)]), [
    'counted',
    1,
    'counted',
    86_400,
  ]);
  const yesterday = {
    userId: 'usr_1',
    actionId: 'coin',
    day: dayOf(MIDNIGHT) - 1,
    count: 9,
    last: MIDNIGHT - 1,
  };
  t.same(results([daily(MIDNIGHT)], { ...NOTHING, days: [yesterday] }), ['counted']);
  t.same(results([daily(MIDNIGHT - 1)], { ...NOTHING, days: [yesterday] }), [1]);
  // Arrived before midnight, written after it: what counts is when it arrived.
  t.same(results([daily(MIDNIGHT), daily(MIDNIGHT - 1)]), ['counted', 'counted']);
  t.equal(actionSince(daily(MIDNIGHT)), MIDNIGHT);
  t.equal(actionSince(daily(MIDNIGHT - 1)), MIDNIGHT - DAY);
});

t.test('a cooldown ends to the millisecond, and goes on over midnight', async (t) => {
  const cooled = (at: number) => attempt(at, { cooldownMs: 2_500 });
  t.same(results([cooled(MIDNIGHT - 1), cooled(MIDNIGHT), cooled(MIDNIGHT + 2_498)]), ['counted', 3, 1]);
  t.same(results([cooled(MIDNIGHT - 1), cooled(MIDNIGHT + 2_499)]), ['counted', 'counted']);
  t.equal(actionSince(cooled(MIDNIGHT)), MIDNIGHT - 2_500);
});

t.test('the longer wait is told where both limits are reached', async (t) => {
  const both = (at: number) => attempt(at, { cooldownMs: 60_000, dailyLimit: 1 });
  t.same(results([both(MIDNIGHT - 10_000), both(MIDNIGHT - 5_000)]), ['counted', 55]);
  t.same(results([both(MIDNIGHT), both(MIDNIGHT + 1_000)]), ['counted', 86_399]);
});

t.test('points beyond those of a minute are held', async (t) => {
  const boards = [{ id: 'global', maxPointsPerMinute: 25 }];
  const score = (at: number, points = 10) => attempt(at, { boards }, { points });
  t.same(results([score(0), score(1), score(2), score(3, 5), score(4, 1)]), [
    'counted',
    'counted',
    'held',
    'counted',
    'held',
  ]);
  t.same(results([score(0, 25), score(59_999), score(60_000)]), ['counted', 'held', 'counted']);
  t.same(results([score(0, 26)]), ['held'], 'one alone may be too much');
  t.match(
    judge([score(0, 20), score(1, 6)], NOTHING)[1],
    { because: { limit: 'maxPointsPerMinute', leaderboard: 'global', allowed: 25, reached: 26 } },
    'and says which limit it has exceeded',
  );
  t.same(
    results([score(0, 25), score(1, -5), score(2, 0), score(3, 5)]),
    ['counted', 'counted', 'counted', 'held'],
    'what is lost makes no room: on a board of the best it would cost nothing',
  );
});

t.test('points far from what is usual for the action are held', async (t) => {
  const usual = (events: number, median: number, deviation: number): Past => ({
    ...NOTHING,
    usual: new Map([[attempt(0, {}).actionId, { events, median, deviation }]]),
  });
  const score = (points: number, maxRobustZ?: number) =>
    attempt(0, maxRobustZ === undefined ? {} : { maxRobustZ }, { points });
  const far = (points: number, past: Past, maxRobustZ = 8) => results([score(points, maxRobustZ)], past)[0];
  // Eight times 14.826 from 100.
  t.equal(far(218, usual(10_000, 100, 10)), 'counted');
  t.equal(far(219, usual(10_000, 100, 10)), 'held');
  t.equal(far(-19, usual(10_000, 100, 10)), 'held', 'on either side');
  t.equal(far(219, usual(99, 100, 10)), 'counted', 'of few events nobody knows what is usual');
  t.equal(far(219, NOTHING), 'counted');
  t.same(results([score(9_999)], usual(10_000, 100, 10)), ['counted'], 'where it is not asked for');
  t.equal(
    far(5_400, usual(10_000, 5_000, 0)),
    'counted',
    'points that are always the same may differ a little',
  );
  t.equal(far(5_401, usual(10_000, 5_000, 0)), 'held');
  t.match(judge([score(219, 8)], usual(10_000, 100, 10))[0], {
    because: { limit: 'maxRobustZ', leaderboard: null, allowed: 8, reached: 8 },
  });
});

const user = fc.constantFrom('usr_1', 'usr_2');
const action = fc.constantFrom('coin', 'level');
const limits = fc.record({
  cooldownMs: fc.option(fc.constantFrom(1, 1_000, 60_000, DAY)),
  dailyLimit: fc.option(fc.integer({ min: 1, max: 4 })),
  boards: fc.subarray([
    { id: 'global', maxPointsPerMinute: 30 },
    { id: 'best', maxPointsPerMinute: 55 },
  ]),
});
const at = fc.oneof(
  fc.integer({ min: MIDNIGHT - 5, max: MIDNIGHT + 5 }),
  fc.integer({ min: MIDNIGHT - 90_000, max: MIDNIGHT + 90_000 }),
  fc.integer({ min: MIDNIGHT - 2 * DAY, max: MIDNIGHT + DAY }),
);
const attempts = fc.record({ coin: limits, level: limits }).chain((rules) =>
  fc.array(
    fc
      .record({ userId: user, actionId: action, points: fc.integer({ min: -20, max: 40 }), at })
      .map((made): Attempt => ({ ...made, limits: made.actionId === 'coin' ? rules.coin : rules.level })),
    { maxLength: 30, size: 'max' },
  ),
);

t.test('it does not matter which attempts came in earlier batches', async () => {
  fc.assert(
    fc.property(attempts, fc.nat(), (all, cut) => {
      const verdicts = judge(all, NOTHING);
      const first = all.slice(0, cut % (all.length + 1));
      const known = first.flatMap((one, i) => (verdicts[i]?.result === 'refused' ? [] : [{ ...one, i }]));
      const past: Past = {
        days: known.map(({ userId, actionId, at }) => ({
          userId,
          actionId,
          day: dayOf(at),
          count: 1,
          last: at,
        })),
        points: known.flatMap(({ userId, limits, at, points, i }) =>
          verdicts[i]?.result === 'held'
            ? []
            : limits.boards.map(({ id }) => ({ userId, leaderboardId: id, at, points })),
        ),
      };
      assert.deepEqual(judge(all.slice(first.length), past), verdicts.slice(first.length));
    }),
  );
});

t.test('what is not refused keeps the limits, and what is refused would have broken one', async () => {
  fc.assert(
    fc.property(attempts, (all) => {
      const verdicts = judge(all, NOTHING);
      const taken: (Attempt & { held: boolean })[] = [];
      for (const [i, one] of all.entries()) {
        const verdict = verdicts[i];
        assert(verdict !== undefined);
        const same = taken.filter(
          ({ userId, actionId }) => userId === one.userId && actionId === one.actionId,
        );
        const { cooldownMs, dailyLimit, boards } = one.limits;
        const tooSoon = cooldownMs !== null && same.some((other) => one.at < other.at + cooldownMs);
        const day = new Date(one.at).toISOString().slice(0, 10);
        const today = same.filter((other) => new Date(other.at).toISOString().startsWith(day));
        const tooOften = dailyLimit !== null && today.length >= dailyLimit;
        assert.equal(verdict.result === 'refused', tooSoon || tooOften);
        if (verdict.result === 'refused') {
          assert(verdict.retryAfter >= 1);
          // Unless there are later ones already, whose limits it would come up against then.
          if (same.some((other) => other.at > one.at)) continue;
          const later = one.at + verdict.retryAfter * 1_000;
          const again = judge([...taken, { ...one, at: later }], NOTHING).at(-1);
          assert.notEqual(again?.result, 'refused', 'the wait is long enough');
          continue;
        }
        const lately = (board: string) =>
          taken.filter(
            (other) =>
              !other.held &&
              other.userId === one.userId &&
              other.at > one.at - 60_000 &&
              other.limits.boards.some(({ id }) => id === board),
          );
        const isTooMuch = boards.some(
          ({ id, maxPointsPerMinute }) =>
            one.points > 0 &&
            lately(id).reduce((sum, { points }) => sum + Math.max(points, 0), one.points) >
              maxPointsPerMinute,
        );
        assert.equal(verdict.result, isTooMuch ? 'held' : 'counted');
        taken.push({ ...one, held: isTooMuch });
      }
    }),
    { numRuns: 500 },
  );
});
