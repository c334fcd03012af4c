import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { binsOf, boundsOf, entriesIn } from '../../src/leaderboard/histogram.js';
import { percentileOf, rankAt } from '../../src/leaderboard/percentile.js';

const MOST = Number.MAX_SAFE_INTEGER;
const score = fc.oneof(
  fc.integer({ min: -50, max: 50 }),
  fc.constantFrom(-MOST, 1 - MOST, 0, MOST - 1, MOST),
  fc.maxSafeInteger(),
);

t.test('bins cover every score once, in order, and count like a naive count', async () => {
  fc.assert(
    fc.property(
      fc.array(score, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 100 }),
      fc.constantFrom('asc' as const, 'desc' as const),
      (scores, most, sort) => {
        const [lowest, highest] = [Math.min(...scores), Math.max(...scores)];
        const bins = binsOf(lowest, highest, most);
        assert(bins.length >= 1 && bins.length <= most);
        assert.equal(bins[0]?.from, lowest);
        assert.equal(bins.at(-1)?.to, highest);
        for (const [i, { from, to }] of bins.entries()) {
          assert(from <= to);
          if (i > 0) assert.equal(BigInt(from), BigInt(bins[i - 1]?.to ?? 0) + 1n);
        }
        const isThrough = (bound: number) => (score: number) =>
          sort === 'desc' ? score >= bound : score <= bound;
        const counts = boundsOf(sort, bins).map((bound) => scores.filter(isThrough(bound)).length);
        assert.deepEqual(
          entriesIn(sort, { total: scores.length, counts }),
          bins.map(({ from, to }) => scores.filter((score) => from <= score && score <= to).length),
        );
      },
    ),
  );
});

t.test('the rank at a percentile is the last one that has it', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 0, max: 10_000 }),
      (total, hundredths) => {
        const rank = rankAt(hundredths / 100, total);
        assert(rank >= 1 && rank <= total);
        const share = (of: number) => 10_000 * (total - of + 1);
        if (rank > 1) assert(share(rank) >= hundredths * total);
        if (rank < total) assert(share(rank + 1) < hundredths * total);
      },
    ),
  );
  assert.equal(rankAt(90, 10), 2);
  assert.equal(percentileOf(2, 10), 90);
  assert.equal(rankAt(50, 0), 1);
});
