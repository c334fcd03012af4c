import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Recount, type Rules, type Standing } from '../../src/ledger/standing.js';

interface Event {
  readonly points: bigint;
  readonly at: number;
  /** How long it waited until it was recorded, in milliseconds. */
  readonly waited: number;
}

const rules = fc.record<Rules>({
  sort: fc.constantFrom('asc', 'desc'),
  operator: fc.constantFrom('increment', 'best', 'latest'),
});
const points = fc.oneof(fc.constantFrom(-5n, 0n, 0n, 7n, 7n), fc.bigInt(-20n, 20n));
/** Some follow each other within the milliseconds of a batch, others after a year. */
const pause = fc.oneof(fc.nat(3), fc.nat(12_000), fc.constant(31_536_000_000));
const history = (waited: fc.Arbitrary<number>): fc.Arbitrary<Event[]> =>
  fc.array(fc.record({ points, pause, waited }), { minLength: 1, maxLength: 30 }).map((steps) => {
    let at = 0;
    return steps.map(({ points, pause, waited }) => {
      at += pause;
      return { points, at, waited };
    });
  });

/** What the service writes, which records events in the order in which their waits end. */
function recorded(rules: Rules, events: readonly Event[]): Standing | null {
  let now: Standing | undefined;
  for (const { points, at } of [...events].sort((a, b) => a.at + a.waited - (b.at + b.waited))) {
    const score = scored(rules, now?.score, points);
    if (score !== now?.score) now = { score, since: Math.max(now?.since ?? 0, at) };
  }
  return now ?? null;
}

function scored({ sort, operator }: Rules, before: bigint | undefined, points: bigint): bigint {
  if (before === undefined || operator === 'latest') return points;
  if (operator === 'increment') return before + points;
  const isBetter = sort === 'desc' ? points > before : points < before;
  return isBetter ? points : before;
}

function judged(rules: Rules, events: readonly Event[], claim: Standing | null) {
  const recount = new Recount(rules, claim);
  for (const { points, at } of events) recount.add(points, at);
  return recount.judge();
}

t.test('events that were recorded in the order of their times make what the service writes', async () => {
  fc.assert(
    fc.property(rules, history(fc.constant(0)), (rules, events) => {
      assert.equal(judged(rules, events, recorded(rules, events)), 'right');
    }),
    { numRuns: 300 },
  );
});

t.test('also if each waited for up to ten seconds', async () => {
  fc.assert(
    fc.property(rules, history(fc.oneof(fc.constant(0), fc.nat(10_000))), (rules, events) => {
      assert.notEqual(judged(rules, events, recorded(rules, events)), 'wrong');
    }),
    { numRuns: 20_000 },
  );
});

t.test('what no order makes is wrong', async () => {
  fc.assert(
    fc.property(rules, history(fc.nat(10_000)), (rules, events) => {
      const right = recorded(rules, events);
      if (right === null) return;
      assert.equal(judged(rules, events, { ...right, score: right.score + 100n }), 'wrong', 'another score');
      assert.equal(
        judged(rules, events, { ...right, since: right.since + 0.5 }),
        'wrong',
        'a time of no event',
      );
      assert.equal(judged(rules, events, null), 'wrong', 'no score');
      assert.equal(judged(rules, [], right), 'wrong', 'no events');
    }),
    { numRuns: 300 },
  );
  const latest = { sort: 'desc', operator: 'latest' } as const;
  const late = [1n, 2n].map((points, n) => ({ points, at: n * 10_001, waited: 0 }));
  assert.equal(judged(latest, late, { score: 1n, since: 0 }), 'wrong', 'an event that came too long before');
});
