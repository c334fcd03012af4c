import assert from 'node:assert/strict';
import fc from 'fast-check';
import type pg from 'pg';
import type { Test } from 'tap';
import { idFromWords } from '../../src/ids.js';
import type { Entry, EntryChange, RankedEntry, Sort, VersionedEntry } from '../../src/leaderboard/entry.js';
import {
  type Board,
  type BoardReader,
  type Mark,
  NotReady,
  type Projection,
} from '../../src/leaderboard/projection.js';
import { BoardRows, compare, inOrder, interrupted, slowDatabase } from './board-rows.js';

const SORTS = ['desc', 'asc'] as const;
const MOST = Number.MAX_SAFE_INTEGER;

/** Twenty users; among the words of their ids are those that differ in the last bit, or would sort wrongly if signed. */
const USERS = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].flatMap((first) =>
  [0, 1, 0x8000_0000, 0xffff_ffff].map((last) =>
    idFromWords('usr', Uint32Array.of(0x0190_0000, first, 0x8000_0000, last), 0),
  ),
);
const userIn = (n: number): string => USERS[n % USERS.length] ?? '';

// Few values each, so that all kinds of ties come up.
const user = fc.constantFrom(...USERS);
const score = fc.constantFrom(-MOST, 1 - MOST, -10, 0, 0, 10, 10, MOST - 1, MOST);
const achievedAt = fc.constantFrom(0, 1, 1_781_136_000_000, 1_781_136_000_001, 4_102_444_800_999);
const anyEntry = fc.record({ userId: user, score, achievedAt });
const row = anyEntry.map((known): VersionedEntry => ({ ...known, version: 1 }));
const rows = fc.uniqueArray(row, {
  selector: ({ userId }) => userId,
  minLength: 0,
  maxLength: 20,
  size: 'max',
});

/** The entries of a whole board, in its order, with the ranks that a reader must give them. */
const shown = (entries: readonly VersionedEntry[]): RankedEntry[] =>
  entries.map(({ userId, score, achievedAt }, i) => {
    const sharedRank = 1 + entries.findIndex((other) => other.score === score);
    return { userId, score, achievedAt, rank: i + 1, sharedRank };
  });
/** Without what a projection may know besides. */
const plain = ({ userId, score, achievedAt, rank, sharedRank }: RankedEntry): RankedEntry => ({
  userId,
  score,
  achievedAt,
  rank,
  sharedRank,
});

/**
 * What every way to read a board must answer. `open` gives a reader of a board that has exactly these rows, in `scores`
 * already.
 */
export function readerContract(t: Test, scores: BoardRows, open: (key: Board) => Promise<BoardReader>): void {
  for (const sort of SORTS) {
    t.test(`a board sorted ${sort} reads like a sorted array`, async () => {
      const question = fc.record({
        limit: fc.integer({ min: 1, max: 25 }),
        radius: fc.integer({ min: 0, max: 25 }),
        // Mostly of no entry: it may have moved, or left the board, since the cursor was made.
        position: anyEntry,
        sides: fc.tuple(fc.nat(8), fc.nat(8)),
        scores: fc.array(score, { maxLength: 6 }),
        users: fc.array(user, { maxLength: 8 }),
      });
      await fc.assert(
        fc.asyncProperty(
          rows,
          fc.array(question, { minLength: 1, maxLength: 4 }),
          async (entries, questions) => {
            const key = scores.newBoard(sort);
            await scores.write(key, entries);
            const reader = await open(key);
            for (const { limit, radius, sides, position, scores, users } of questions) {
              await checkPages(reader, sort, entries, limit, position);
              await checkPositions(reader, sort, entries, sides, position);
              await checkCounts(reader, sort, entries, scores);
              await checkUsers(reader, sort, entries, users, radius);
            }
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  t.test('pages that follow one another are the whole board, in order and without gaps', async (t) => {
    const key = scores.newBoard('desc');
    const entries = USERS.map((userId, n) => ({ userId, score: n % 3, achievedAt: n % 2, version: 1 }));
    await scores.write(key, entries);
    const reader = await open(key);
    const read: RankedEntry[] = [];
    for (;;) {
      const { entries: found, total } = await reader.page(3, read.at(-1));
      t.equal(total, USERS.length);
      read.push(...found.map(plain));
      if (found.length < 3) break;
    }
    t.same(read, shown(inOrder('desc', entries)));
  });
}

async function checkPages(
  reader: BoardReader,
  sort: Sort,
  entries: readonly VersionedEntry[],
  limit: number,
  position: VersionedEntry | Omit<VersionedEntry, 'version'>,
): Promise<void> {
  const ordered = inOrder(sort, entries);
  const top = await reader.page(limit);
  assert.deepEqual(top.entries.map(plain), shown(ordered).slice(0, limit));
  assert.equal(top.total, entries.length);
  for (const after of [position, ordered[limit % (ordered.length + 1)]]) {
    if (after === undefined) continue;
    const start = ordered.filter((entry) => compare(sort, entry, after) <= 0).length;
    const next = await reader.page(limit, after);
    assert.deepEqual(next.entries.map(plain), shown(ordered).slice(start, start + limit));
    assert.equal(next.total, entries.length);
  }
}

/** What lies on both sides of an entry that may not be there, of a score, and from a rank on. */
async function checkPositions(
  reader: BoardReader,
  sort: Sort,
  entries: readonly VersionedEntry[],
  [before, behind]: readonly [number, number],
  position: Omit<VersionedEntry, 'version'>,
): Promise<void> {
  const ordered = inOrder(sort, entries);
  const ranking = shown(ordered);
  const total = ranking.length;
  const { score } = position;
  const byScore = (a: number) => (sort === 'desc' ? score - a : a - score);
  // An entry that is there, or mostly none.
  const at = (behind % 2 === 0 ? ordered[before] : undefined) ?? position;
  const marks: readonly [Mark, isBefore: (entry: Entry) => boolean][] = [
    [{ before: at }, (entry) => compare(sort, entry, at) < 0],
    [{ after: at }, (entry) => compare(sort, entry, at) <= 0],
    [{ above: score }, (entry) => byScore(entry.score) < 0],
    [{ below: score }, (entry) => byScore(entry.score) <= 0],
  ];
  for (const [mark, isBefore] of marks) {
    const place = ordered.filter(isBefore).length;
    const found = await reader.near(mark, before, behind);
    const expected = ranking.slice(Math.max(place - before, 0), place + behind);
    assert.deepEqual(found.entries.map(plain), expected, JSON.stringify({ mark, before, behind }));
    assert.equal(found.total, total);
  }
  const found = await reader.slice(before, behind);
  assert.deepEqual(found.entries.map(plain), ranking.slice(before, before + behind));
  assert.equal(found.total, total);
}

async function checkCounts(
  reader: BoardReader,
  sort: Sort,
  entries: readonly VersionedEntry[],
  scores: readonly number[],
): Promise<void> {
  const { counts, total } = await reader.countThrough(scores);
  const isThrough = (score: number) => (entry: VersionedEntry) =>
    sort === 'desc' ? entry.score >= score : entry.score <= score;
  assert.deepEqual(
    counts,
    scores.map((score) => entries.filter(isThrough(score)).length),
  );
  assert.equal(total, entries.length);
}

async function checkUsers(
  reader: BoardReader,
  sort: Sort,
  entries: readonly VersionedEntry[],
  users: readonly string[],
  radius: number,
): Promise<void> {
  const ranking = shown(inOrder(sort, entries));
  const total = ranking.length;
  const placeOf = (userId: string) => ranking.findIndex((entry) => entry.userId === userId);
  for (const userId of users) {
    const place = placeOf(userId);
    const placement = await reader.placement(userId);
    const around = await reader.around(userId, radius);
    if (place < 0) {
      assert.equal(placement, null);
      assert.equal(around, null);
      continue;
    }
    assert.deepEqual(placement && plain(placement.entry), ranking[place]);
    const above = ranking[place - 1];
    assert.deepEqual(
      placement?.above && { userId: placement.above.userId, score: placement.above.score },
      above === undefined ? null : { userId: above.userId, score: above.score },
    );
    assert.equal(placement?.total, total);
    assert.equal(placement?.best, ranking[0]?.score);
    assert.deepEqual(
      around?.entries.map(plain),
      ranking.slice(Math.max(place - radius, 0), place + radius + 1),
    );
    assert.equal(around?.total, total);
  }
  const many = await reader.many(users);
  assert.deepEqual(
    many.entries.map(plain),
    ranking.filter(({ userId }) => users.includes(userId)),
  );
  assert.equal(many.total, total);
}

/** Makes an empty projection that is not ready. */
type Project = (board: Board, database: pg.Pool) => Projection;

/** Loads a board that may be ready, as after changes were missed. */
const rebuild = async (board: Projection): Promise<void> => {
  board.markStale();
  await board.load();
};
/** The id of a change matters only to other instances. */
const CHANGE = 'evt_1';

/** Whether the board can be read. */
const isReady = (board: Projection): Promise<boolean> =>
  board.page(1).then(
    () => true,
    (error) => {
      if (error instanceof NotReady) return false;
      throw error;
    },
  );

/** What every projection must keep. */
export function projectionContract(t: Test, scores: BoardRows, project: Project): void {
  const openBoard = opener(scores, project);

  t.test(
    'what is committed and announced is what is read, in whatever order and however often it is heard',
    async () => {
      type Step = (world: World) => Promise<void>;
      const commits = fc.tuple(user, score, achievedAt).map(
        ([userId, score, achievedAt]): Step =>
          (world) =>
            world.commit(userId, score, achievedAt),
      );
      const erases = user.map(
        (userId): Step =>
          (world) =>
            world.erase(userId),
      );
      const leaves = user.map(
        (userId): Step =>
          (world) =>
            world.leave(userId),
      );
      const hears = fc.nat().map(
        (pick): Step =>
          (world) =>
            world.hear(pick),
      );
      const rebuilds = fc.constant<Step>((world) => rebuild(world.board));
      const steps = fc.array(
        fc.oneof(
          { arbitrary: commits, weight: 8 },
          { arbitrary: hears, weight: 8 },
          { arbitrary: leaves, weight: 3 },
          { arbitrary: erases, weight: 1 },
          { arbitrary: rebuilds, weight: 1 },
        ),
        { maxLength: 60, size: 'max' },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...SORTS),
          steps,
          fc.infiniteStream(fc.nat()),
          async (sort, steps, order) => {
            const { key, board } = await openBoard([], sort);
            await rebuild(board);
            const world = new World(key, scores, board);
            for (const step of steps) await step(world);
            for (const pick of order) if (!(await world.hearLast(pick))) break;
            assert.deepEqual(await top(board), shown(inOrder(sort, world.truth.values())));
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  t.test('a receipt says where the user stood and stands', async (t) => {
    const { board } = await openBoard([change(1, 30, 1), change(2, 20, 1)]);
    await rebuild(board);
    const receipts = await board.apply(CHANGE, [
      change(3, 10, 1),
      change(3, 25, 2),
      change(3, 10, 1),
      change(3, 40, 3),
    ]);
    t.same(receipts, [
      { previousRank: null, rank: 3 },
      { previousRank: 3, rank: 2 },
      { previousRank: 2, rank: 2 },
      { previousRank: 2, rank: 1 },
    ]);
  });

  t.test('versions grow with every change, and each rebuild begins an epoch', async (t) => {
    const { board } = await openBoard([change(1, 30, 1)]);
    t.equal(await isReady(board), false);
    await rebuild(board);
    const { epoch, version } = await board.page(1);
    let last = version;
    const changes: [string, () => Promise<unknown>][] = [
      ['apply', () => board.apply('evt_1', [change(1, 40, 2)])],
      ['confirm', () => board.confirm('chg_1', [change(1, 50, 3)])],
      ['rename', () => board.rename('chg_2', userIn(1))],
      ['erase', () => board.erase('chg_3', userIn(1))],
    ];
    for (const [name, make] of changes) {
      await make();
      const page = await board.page(1);
      t.ok(page.version > last, name);
      t.equal(page.epoch, epoch, name);
      last = page.version;
    }
    await rebuild(board);
    t.not((await board.page(1)).epoch, epoch);
  });

  t.test('while it loads, it is not ready and receipts have no rank', async (t) => {
    const { board, hold } = await openBoard([change(1, 30, 1)]);
    t.same(await board.apply(CHANGE, [change(2, 20, 1)]), null, 'before the load');
    const load = hold();
    const loaded = rebuild(board);
    await load.reached;
    t.equal(await isReady(board), false);
    t.same(await board.apply(CHANGE, [change(2, 40, 2)]), null);
    load.release();
    await loaded;
    t.equal(await isReady(board), true);
    t.same(await board.apply(CHANGE, [change(2, 50, 3)]), [{ previousRank: 1, rank: 1 }]);
  });

  t.test(
    'a change that commits during the load is not lost, whether its row was read before or after it',
    async (t) => {
      const { key, board, hold } = await openBoard([change(1, 30, 1), change(2, 20, 1)]);
      const load = hold();
      const loaded = rebuild(board);
      await load.reached;
      for (const made of [change(2, 50, 2), change(3, 40, 2)]) {
        await scores.write(key, [made]);
        await board.apply(CHANGE, [made]);
      }
      await board.apply(CHANGE, [change(3, 5, 1)]);
      load.release();
      await loaded;
      t.same(await top(board), shown([change(2, 50, 2), change(3, 40, 2), change(1, 30, 1)]));
      await board.apply(CHANGE, [change(1, 10, 0), change(2, 20, 1)]);
      t.same(
        await top(board),
        shown([change(2, 50, 2), change(3, 40, 2), change(1, 30, 1)]),
        'nor undone by old news',
      );
    },
  );

  t.test(
    'an entry that moves to a page read already is there, even before its change is announced',
    async (t) => {
      const entries = 2_500; // more than are read at once
      const entryOf = (n: number) => ({ ...change(1, n, 1), userId: BoardRows.userOf(n) });
      const { key, board, hold } = await openBoard(Array.from({ length: entries }, (_, i) => entryOf(i + 1)));
      // The first query finds that the board is not small; the second reads a page in the snapshot.
      hold().release();
      const load = hold();
      const loaded = rebuild(board);
      await load.reached;
      const moved = { ...entryOf(1), score: 1_000_000, version: 2 };
      await scores.write(key, [moved]);
      load.release();
      await loaded;
      t.equal((await board.page(1)).total, entries);
      t.match(await board.placement(moved.userId), { entry: { rank: entries, score: 1 } });
      t.same(await board.apply(CHANGE, [moved]), [{ previousRank: entries, rank: 1 }]);
    },
  );

  t.test('a user who is erased during the load does not come back', async (t) => {
    const { key, board, hold } = await openBoard([change(1, 30, 1), change(2, 20, 1)]);
    const load = hold();
    const loaded = rebuild(board);
    await load.reached;
    await scores.delete(key, userIn(1));
    await board.erase(CHANGE, userIn(1));
    load.release();
    await loaded;
    t.same(await top(board), shown([change(2, 20, 1)]));
    const late = [{ previousRank: null, rank: null }];
    t.same(await board.apply(CHANGE, [change(1, 30, 2)]), late, 'nor by a batch that is reported late');
    await rebuild(board);
    t.same(await board.apply(CHANGE, [change(1, 30, 2)]), late, 'nor after a rebuild');
    t.same(await top(board), shown([change(2, 20, 1)]));
  });

  t.test('a user whose events were all voided leaves, and comes back with the next score only', async (t) => {
    const { key, board, hold } = await openBoard([change(1, 30, 3), change(2, 20, 1)]);
    const gone = { ...change(1, 0, 4), score: null };
    const load = hold();
    const loaded = rebuild(board);
    await load.reached;
    // The row that the load has read is older.
    await scores.write(key, [gone]);
    await board.apply(CHANGE, [gone]);
    load.release();
    await loaded;
    const alone = shown([change(2, 20, 1)]);
    t.same(await top(board), alone);
    t.equal((await board.page(1)).total, 1);
    t.equal(await board.placement(userIn(1)), null);
    t.same(await board.apply(CHANGE, [change(1, 40, 3)]), [{ previousRank: null, rank: null }], 'late news');
    t.same(await top(board), alone);
    await rebuild(board);
    await board.apply(CHANGE, [change(1, 40, 3)]);
    t.same(await top(board), alone, 'late news after a rebuild');
    t.same(await board.apply(CHANGE, [change(1, 5, 5), gone]), [
      { previousRank: null, rank: 2 },
      { previousRank: 2, rank: 2 },
    ]);
    t.same(await board.apply(CHANGE, [{ ...gone, version: 6 }]), [{ previousRank: 2, rank: null }]);
  });

  t.test('an entry that has gone while nobody listened does not survive a rebuild', async (t) => {
    const { key, board } = await openBoard([change(1, 30, 1), change(2, 20, 1)]);
    await rebuild(board);
    await scores.delete(key, userIn(1));
    await rebuild(board);
    t.same(await top(board), shown([change(2, 20, 1)]));
    t.equal(await board.placement(userIn(1)), null);
  });

  t.test('a load that fails leaves the board not ready, and the next one makes it good', async (t) => {
    const rows = [change(1, 30, 1)];
    const key = scores.newBoard('desc');
    await scores.write(key, [...rows, change(2, 20, 1)]);
    let away = true;
    const database = interrupted(scores.pool, async () => {
      if (away) throw new Error('the database is away');
    });
    const board = project(key, database);
    await t.rejects(rebuild(board), { message: 'the database is away' });
    t.equal(await isReady(board), false);
    await scores.delete(key, userIn(2));
    await board.erase(CHANGE, userIn(2));
    await board.apply(CHANGE, [change(3, 40, 1)]); // of whom it is not heard that the row has gone
    away = false;
    await rebuild(board);
    t.equal(await isReady(board), true);
    await board.apply(CHANGE, [change(2, 50, 2)]);
    t.same(await top(board), shown(rows), 'who was erased meanwhile does not come back');
  });
}

/** What a projection must keep besides if it is alone in loading its board. */
export function loadingContract(t: Test, scores: BoardRows, project: Project): void {
  const openBoard = opener(scores, project);

  t.test('a rebuild that is overtaken gives way, and what it has read is forgotten', async (t) => {
    const { key, board, hold } = await openBoard([change(1, 30, 1), change(2, 20, 1)]);
    const slow = hold();
    const overtaken = rebuild(board);
    await slow.reached;
    await scores.delete(key, userIn(1));
    const second = hold();
    const rebuilt = rebuild(board);
    await second.reached;
    slow.release();
    await overtaken;
    t.equal(await isReady(board), false, 'the second is not through yet');
    second.release();
    await rebuilt;
    t.equal(await isReady(board), true);
    t.same(await top(board), shown([change(2, 20, 1)]));
  });
}

const top = async (board: Projection) => (await board.page(100)).entries.map(plain);
const change = (n: number, score: number, version: number): VersionedEntry => ({
  userId: userIn(n),
  score,
  achievedAt: 1_781_136_000_000 + version,
  version,
});

/** Makes boards that are not ready, of a database that can be held up. */
const opener =
  (scores: BoardRows, project: Project) =>
  async (rows: readonly VersionedEntry[], sort: Sort = 'desc') => {
    const key = scores.newBoard(sort);
    await scores.write(key, rows);
    const { database, hold } = slowDatabase(scores.pool);
    return { key, hold, board: project(key, database) };
  };

/** The ledger and what it announces, heard by one board. */
class World {
  readonly truth = new Map<string, VersionedEntry>();
  readonly #versions = new Map<string, number>();
  readonly #erased = new Set<string>();
  readonly #news: (() => Promise<unknown>)[] = [];
  readonly #heard = new Set<() => Promise<unknown>>();

  constructor(
    private readonly key: Board,
    private readonly scores: BoardRows,
    readonly board: Projection,
  ) {}

  async commit(userId: string, score: number, achievedAt: number): Promise<void> {
    if (this.#erased.has(userId)) return;
    const made = { userId, score, achievedAt, version: this.#nextVersion(userId) };
    this.truth.set(userId, made);
    await this.#write(made);
  }

  /** All of the user's events are voided: the entry goes, and may come back with the next commit. */
  async leave(userId: string): Promise<void> {
    if (!this.truth.delete(userId)) return;
    await this.#write({ userId, score: null, achievedAt: 0, version: this.#nextVersion(userId) });
  }

  #nextVersion(userId: string): number {
    const version = (this.#versions.get(userId) ?? 0) + 1;
    this.#versions.set(userId, version);
    return version;
  }

  async #write(change: EntryChange): Promise<void> {
    await this.scores.write(this.key, [change]);
    this.#news.push(() => this.board.apply(CHANGE, [change]));
  }

  async erase(userId: string): Promise<void> {
    this.#erased.add(userId);
    this.truth.delete(userId);
    await this.scores.delete(this.key, userId);
    this.#news.push(() => this.board.erase(CHANGE, userId));
  }

  /** Any of the news, which may have been heard before. */
  async hear(pick: number): Promise<void> {
    const news = this.#news[pick % this.#news.length];
    if (news === undefined) return;
    this.#heard.add(news);
    await news();
  }

  /** Any of the news that was not heard yet. False if there is none. */
  async hearLast(pick: number): Promise<boolean> {
    const unheard = this.#news.filter((news) => !this.#heard.has(news));
    const news = unheard[pick % unheard.length];
    if (news === undefined) return false;
    this.#heard.add(news);
    await news();
    return true;
  }
}
