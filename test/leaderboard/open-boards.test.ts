import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import { OpenBoards } from '../../src/leaderboard/open-boards.js';
import {
  type Board,
  type Counts,
  NotReady,
  type Page,
  type Projection,
} from '../../src/leaderboard/projection.js';
import type { Queryable } from '../../src/postgres/database.js';

const MEGABYTE = 2 ** 20;
const boardOf = (n: number): Board => ({ key: boardKey('level', n), sort: 'desc' });

/** A projection of a given size that is ready when the test says so. */
class Stub implements Projection {
  isReady = false;
  bytes = 0;
  loads = 0;
  readonly #size: number;

  constructor(
    readonly board: Board,
    size: number,
  ) {
    this.#size = size;
  }

  markStale(): void {
    this.isReady = false;
  }

  async load(): Promise<void> {
    this.loads++;
    this.isReady = true;
    this.bytes = this.#size;
  }

  async apply() {
    return null;
  }
  async confirm() {}
  async erase() {}
  async rename() {}
  async placement() {
    return null;
  }
  async around() {
    return null;
  }
  keptPage(): undefined {
    return undefined;
  }
  async many(): Promise<Page> {
    throw new NotReady();
  }
  page(): Promise<Page> {
    return this.many();
  }
  slice(): Promise<Page> {
    return this.many();
  }
  near(): Promise<Page> {
    return this.many();
  }
  async countThrough(): Promise<Counts> {
    throw new NotReady();
  }
}

function open(t: Test, size: number) {
  const made: Stub[] = [];
  const database: Queryable = {
    query: async () => {
      throw new Error('No query is needed');
    },
  };
  const boards = new OpenBoards({
    database,
    project: (board) => {
      const stub = new Stub(board, size);
      made.push(stub);
      return stub;
    },
    maxBytes: 10 * MEGABYTE,
    onError: (error) => t.fail(String(error)),
  });
  t.teardown(() => boards.close());
  return { boards, made };
}

async function loaded(made: readonly Stub[]): Promise<void> {
  while (!made.every(({ isReady }) => isReady)) await nextTurn();
  await nextTurn();
}

t.test('a board is opened once, when it is first used', async (t) => {
  const { boards, made } = open(t, 1);
  t.equal(boards.peek(boardOf(1).key), undefined);
  const first = boards.use(boardOf(1));
  t.equal(boards.use(boardOf(1)), first);
  await loaded(made);
  t.equal(made.length, 1);
  t.equal(made[0]?.loads, 1);
});

t.test('projections stay within the budget: the least recently used are closed', async (t) => {
  const { boards, made } = open(t, MEGABYTE);
  for (let n = 1; n <= 40; n++) {
    boards.use(boardOf(n));
    boards.use(boardOf(1));
    await loaded(made);
    t.ok(boards.bytes <= 10 * MEGABYTE, `${boards.bytes} bytes after ${n} boards`);
  }
  t.ok(boards.peek(boardOf(1).key), 'a board in use stays open');
  t.equal(boards.peek(boardOf(2).key), undefined);
  t.ok(boards.size >= 8);
});

t.test('a board larger than the budget is still projected', async (t) => {
  const { boards, made } = open(t, 100 * MEGABYTE);
  boards.use(boardOf(1));
  await loaded(made);
  t.ok(boards.peek(boardOf(1).key));
});

t.test('a board whose changes were missed is loaded again, and announced', async (t) => {
  const { boards, made } = open(t, 1);
  const announced: string[] = [];
  boards.use(boardOf(1));
  boards.use(boardOf(2));
  await loaded(made);
  boards.onChange(({ text }) => announced.push(text));
  boards.reload(boardOf(1).key);
  boards.reload(boardOf(3).key);
  await loaded(made);
  t.same(
    made.map(({ loads }) => loads),
    [2, 1],
  );
  t.same(announced, ['level:1', 'level:1'], 'when it becomes stale, and when it is ready again');
});

t.test('the longest load is that of the board that has not been ready for longest', async (t) => {
  const { boards, made } = open(t, 1);
  boards.use(boardOf(1));
  await loaded(made);
  t.equal(boards.longestLoadMs, 0, 'none is loading');
  boards.reload(boardOf(1).key);
  const stale = performance.now();
  // Loads begin at the next turn of the event loop, so none begins meanwhile.
  while (performance.now() < stale + 5) boards.peek(boardOf(1).key);
  boards.use(boardOf(2));
  boards.reload(boardOf(1).key);
  t.ok(boards.longestLoadMs >= 5, 'a second reload does not begin a new load');
  await loaded(made);
  t.equal(boards.longestLoadMs, 0);
});
