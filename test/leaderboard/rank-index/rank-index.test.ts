import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { idFromWords, newId } from '../../../src/ids.js';
import type { Entry, Sort, VersionedEntry } from '../../../src/leaderboard/entry.js';
import { RankIndex } from '../../../src/leaderboard/rank-index/rank-index.js';

/** The same promises, kept by sorting everything each time. */
class PlainBoard {
  readonly #standings = new Map<string, VersionedEntry>();

  constructor(private readonly sort: Sort) {}

  get(userId: string): VersionedEntry | undefined {
    return this.#standings.get(userId);
  }

  apply(change: VersionedEntry): boolean {
    if (change.version <= (this.get(change.userId)?.version ?? -Infinity)) return false;
    this.#standings.set(change.userId, change);
    return true;
  }

  remove(userId: string): boolean {
    return this.#standings.delete(userId);
  }

  ordered(): VersionedEntry[] {
    return [...this.#standings.values()].sort((a, b) => this.#compare(a, b));
  }

  rank(userId: string): number | undefined {
    return this.ordered().findIndex((standing) => standing.userId === userId) + 1 || undefined;
  }

  places({ userId, score, achievedAt }: Entry): number[] {
    const ordered = this.ordered();
    const position = { userId, score, achievedAt };
    const byScore = (standing: Entry) => (this.sort === 'asc' ? 1 : -1) * (standing.score - score);
    return [
      ordered.filter((standing) => this.#compare(standing, position) < 0),
      ordered.filter((standing) => this.#compare(standing, position) <= 0),
      ordered.filter((standing) => byScore(standing) < 0),
      ordered.filter((standing) => byScore(standing) <= 0),
    ].map(({ length }) => length);
  }

  countBetter(score: number): number {
    return this.ordered().filter((standing) => this.#by(standing.score, score) < 0).length;
  }

  #by(a: number, b: number): number {
    return this.sort === 'asc' ? a - b : b - a;
  }

  #compare(a: Entry, b: Entry): number {
    return (
      this.#by(a.score, b.score) ||
      a.achievedAt - b.achievedAt ||
      Number(a.userId > b.userId) - Number(a.userId < b.userId)
    );
  }
}

const MOST = Number.MAX_SAFE_INTEGER;
const SORTS = ['asc', 'desc'] as const;

// Few values each, so that all kinds of ties come up; among the words are those whose sign could be taken wrongly.
const word = fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff);
const user = fc
  .tuple(fc.constantFrom(0, 0xffff_ffff), word, fc.constantFrom(0, 1), word)
  .map((words) => idFromWords('usr', Uint32Array.from(words), 0));
const position = fc.record({
  userId: user,
  score: fc.constantFrom(-MOST, 1 - MOST, -10, 0, 1, 10, MOST - 1, MOST),
  achievedAt: fc.constantFrom(-1, 0, 1_750_000_000_000, 1_750_000_000_000.5),
});
const change = fc
  .tuple(position, fc.integer({ min: 1, max: 9 }))
  .map(([standing, version]) => ({ ...standing, version }));

type Step = (index: RankIndex, model: PlainBoard) => void;
// The index remembers whom it looked for last: a rank is asked for before and after each change.
const applies = change.map(
  (made): Step =>
    (index, model) => {
      assert.equal(index.rank(made.userId), model.rank(made.userId));
      assert.equal(index.apply(made), model.apply(made));
      assert.equal(index.rank(made.userId), model.rank(made.userId));
    },
);
const removes = user.map(
  (userId): Step =>
    (index, model) => {
      assert.equal(index.rank(userId), model.rank(userId));
      assert.equal(index.remove(userId), model.remove(userId));
      assert.equal(index.rank(userId), undefined);
    },
);
const gets = user.map(
  (userId): Step =>
    (index, model) => {
      assert.deepEqual(index.get(userId), model.get(userId));
      assert.equal(index.rank(userId), model.rank(userId));
    },
);
const counts = position.map(
  (sought): Step =>
    (index, model) => {
      assert.equal(index.countBetter(sought.score), model.countBetter(sought.score));
      const { score } = sought;
      const marks = [{ before: sought }, { after: sought }, { above: score }, { below: score }];
      assert.deepEqual(
        marks.map((mark) => index.place(mark)),
        model.places(sought),
      );
    },
);
const slices = fc.tuple(fc.integer({ min: -5, max: 60 }), fc.nat(20)).map(
  ([start, count]): Step =>
    (index, model) => {
      const end = Math.max(start + count, 0);
      assert.deepEqual(index.slice(start, count), model.ordered().slice(Math.max(start, 0), end));
    },
);

for (const sort of SORTS) {
  t.test(`a board sorted ${sort} is at every step as if all entries were sorted anew`, async () => {
    const steps = (weightOfApply: number, weightOfRemove: number) =>
      fc.array(
        fc.oneof(
          { arbitrary: applies, weight: weightOfApply },
          { arbitrary: removes, weight: weightOfRemove },
          { arbitrary: fc.oneof(gets, counts, slices), weight: 3 },
        ),
        { maxLength: 150, size: 'max' },
      );
    const present = fc.uniqueArray(change, { selector: ({ userId }) => userId, maxLength: 50, size: 'max' });
    const life = fc.tuple(steps(5, 1), steps(1, 5)).map((phases) => phases.flat());
    fc.assert(
      fc.property(fc.constantFrom(2, 3, 4, 8, 64), present, life, (blockCapacity, present, steps) => {
        const index = new RankIndex(sort, blockCapacity);
        const model = new PlainBoard(sort);
        for (const made of present) model.apply(made);
        for (let i = 0; i < present.length; i += 7) index.append(model.ordered().slice(i, i + 7));
        assert.deepEqual(index.slice(0, index.size), model.ordered());
        for (const step of steps) step(index, model);
        assert.equal(index.size, model.ordered().length);
        assert.deepEqual(index.slice(0, index.size), model.ordered());
      }),
      { numRuns: 300 },
    );
  });
}

t.test('changes that come repeatedly and in any order end in the same board', async () => {
  const changes = fc.uniqueArray(change, { selector: ({ userId, version }) => `${userId}/${version}` });
  const histories = changes.chain((made) =>
    fc.tuple(fc.constant(made), fc.shuffledSubarray([...made, ...made], { minLength: made.length * 2 })),
  );
  fc.assert(
    fc.property(histories, ([once, disorderly]) => {
      const [expected, actual] = [new RankIndex('desc', 4), new RankIndex('desc', 4)];
      for (const made of once.toSorted((a, b) => a.version - b.version)) assert.ok(expected.apply(made));
      for (const made of disorderly) actual.apply(made);
      assert.deepEqual(actual.slice(0, actual.size), expected.slice(0, expected.size));
    }),
  );
});

t.test('thousands of users who come, move, go and come back are all in their places', async (t) => {
  const users = Array.from({ length: 20_000 }, () => newId('usr'));
  for (const sort of SORTS) {
    const index = new RankIndex(sort);
    const model = new PlainBoard(sort);
    const matches = (what: string): void => {
      const ordered = model.ordered();
      t.equal(index.size, ordered.length, what);
      assert.deepEqual(index.slice(0, index.size), ordered);
      for (const [place, { userId }] of ordered.entries()) assert.equal(index.rank(userId), place + 1);
      for (const userId of users) assert.deepEqual(index.get(userId), model.get(userId));
    };
    const each = (step: number, act: (userId: string, i: number) => void): void => {
      for (let i = 0; i < users.length; i += step) act(users[i] ?? '', i);
    };
    const applyAll = (step: number, version: number): void =>
      each(step, (userId, i) => {
        const made = { userId, score: (i * version * 7919) % 1_000, achievedAt: version, version };
        assert.equal(index.apply(made), model.apply(made));
      });
    const removeAll = (step: number): void =>
      each(step, (userId) => assert.equal(index.remove(userId), model.remove(userId)));

    applyAll(1, 1);
    matches('all came');
    applyAll(2, 2);
    matches('half of them moved');
    removeAll(3);
    matches('a third went');
    applyAll(1, 3);
    matches('all came back');
    removeAll(1);
    matches('all went');
  }
});

t.test('users who come and go leave no memory behind, nor do ids that are refused', async (t) => {
  const index = new RankIndex('desc');
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 50_000; i++) {
    const change = { userId: newId('usr'), score: i, achievedAt: i, version: 1 };
    index.apply(change);
    index.remove(change.userId);
    assert.throws(() => index.apply({ ...change, userId: 'usr_nobody' }));
  }
  t.ok(process.memoryUsage().arrayBuffers - before < 500_000);
});

t.test('standings are appended in the order of the board or not at all', async (t) => {
  for (const sort of SORTS) {
    const [first = '', second = ''] = [newId('usr'), newId('usr')].sort();
    const standing = { userId: first, score: 5, achievedAt: 5, version: 1 };
    const worse = { ...standing, userId: second, score: sort === 'asc' ? 6 : 4 };
    for (const next of [worse, { ...standing, userId: second }, { ...worse, score: 5, achievedAt: 6 }]) {
      const index = new RankIndex(sort);
      index.append([standing, next]);
      t.same(index.slice(0, 2), [standing, next]);
      t.equal(index.rank(next.userId), 2);
      t.throws(() => new RankIndex(sort).append([next, standing]), RangeError);
    }
    t.throws(() => new RankIndex(sort).append([{ ...standing, userId: 'usr_nobody' }]), TypeError);
  }
});

t.test('a score of −0 is level with 0 and reads as 0', async (t) => {
  for (const sort of SORTS) {
    const index = new RankIndex(sort);
    const [first = '', second = ''] = [newId('usr'), newId('usr')].sort();
    index.apply({ userId: second, score: 0, achievedAt: 2, version: 1 });
    index.apply({ userId: first, score: -0, achievedAt: 2, version: 1 });
    t.strictSame(
      index.slice(0, 2).map(({ userId }) => userId),
      [first, second],
    );
    for (const userId of [first, second]) t.ok(Object.is(index.get(userId)?.score, 0));
  }
});

t.test('what is no standing is refused and changes nothing', async (t) => {
  const index = new RankIndex('desc');
  const good = { userId: newId('usr'), score: 1, achievedAt: 1, version: 1 };
  index.apply(good);
  for (const bad of [
    { score: NaN },
    { score: 0.5 },
    { score: MOST + 1 },
    { achievedAt: NaN },
    { achievedAt: Infinity },
  ]) {
    t.throws(() => index.apply({ ...good, version: 2, ...bad }), RangeError);
  }
  for (const userId of ['', 'usr_', newId('evt'), good.userId.toUpperCase()]) {
    t.throws(() => index.apply({ ...good, userId }), TypeError);
    t.throws(() => index.place({ after: { ...good, userId } }), TypeError);
    t.equal(index.rank(userId), undefined);
    t.equal(index.get(userId), undefined);
    t.notOk(index.remove(userId));
  }
  t.strictSame(index.slice(0, 10), [good]);
});
