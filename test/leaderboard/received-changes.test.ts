import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { DisplayNames } from '../../src/access/display-names.js';
import { boardKey } from '../../src/board-key.js';
import type { Change } from '../../src/changes/change.js';
import { UnappliedChanges } from '../../src/changes/unapplied-changes.js';
import { Problem } from '../../src/errors.js';
import { OpenBoards } from '../../src/leaderboard/open-boards.js';
import type { Board, Page, Projection } from '../../src/leaderboard/projection.js';
import { ReceivedChanges } from '../../src/leaderboard/received-changes.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { eventually } from '../api.js';

const GLOBAL: Board = { key: boardKey('global', 1), sort: 'desc' };
const OURS = 'instance-1';
const THEIRS = 'instance-2';

/** A projection that notes what is done to it. */
class Noted implements Projection {
  readonly done: string[] = [];
  readonly bytes = 0;
  isReady = false;
  loads = 0;

  constructor(readonly board: Board) {}

  markStale(): void {
    this.isReady = false;
  }
  async load(): Promise<void> {
    this.loads++;
    this.isReady = true;
  }
  /** What it fails with when it is written to. */
  fault: Error | undefined;
  async apply(changeId: string) {
    this.#note(`apply ${changeId}`);
    return null;
  }
  async confirm(changeId: string): Promise<void> {
    this.#note(`confirm ${changeId}`);
  }
  #note(done: string): void {
    this.done.push(done);
    if (this.fault !== undefined) throw this.fault;
  }
  async erase(changeId: string): Promise<void> {
    this.#note(`erase ${changeId}`);
  }
  async rename(changeId: string): Promise<void> {
    this.#note(`rename ${changeId}`);
  }
  async page(): Promise<Page> {
    return { epoch: 'e1', version: 1, total: 0, entries: [] };
  }
  keptPage(): undefined {
    return undefined;
  }
  many(): Promise<Page> {
    return this.page();
  }
  slice(): Promise<Page> {
    return this.page();
  }
  near(): Promise<Page> {
    return this.page();
  }
  async countThrough() {
    return { total: 0, counts: [] };
  }
  async placement() {
    return null;
  }
  async around() {
    return null;
  }
}

/** The boards of an instance that has `global` open and ready. */
async function open(t: Test, mode: 'memory' | 'redis') {
  const database = {
    query: async () => {
      throw new Error('No query is needed');
    },
  };
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const made: Noted[] = [];
  const boards = new OpenBoards({
    database,
    project: (board) => {
      const projection = new Noted(board);
      made.push(projection);
      return projection;
    },
    maxBytes: 2 ** 20,
    onError,
  });
  const unapplied = new UnappliedChanges(onError);
  t.teardown(() => {
    boards.close();
    void unapplied.close();
  });
  let sort: 'asc' | 'desc' | null = GLOBAL.sort;
  const sharedSortOf = async (): Promise<'asc' | 'desc'> => {
    if (sort === null) throw new Problem('not-found', 'There is no leaderboard "global".');
    return sort;
  };
  const names = new DisplayNames(database);
  const received = new ReceivedChanges({
    instance: OURS,
    boards,
    names,
    erased: new Tombstones(),
    unapplied,
    sharedSortOf: mode === 'memory' ? null : sharedSortOf,
    onError,
  });
  boards.use(GLOBAL);
  const [projection] = made;
  if (projection === undefined) throw new Error('The board was not opened');
  while (!projection.isReady) await nextTurn();
  await nextTurn();
  const announced: string[] = [];
  boards.onChange(({ text }) => announced.push(text));
  /** The leaderboard sorts like this now, or is deleted. */
  const redefine = (now: typeof sort) => {
    sort = now;
  };
  return { boards, unapplied, names, received, projection, announced, errors, redefine };
}

const scored = (id: string, writer: string, board = 'global:1'): Change => ({
  type: 'scores',
  id,
  writer,
  board,
  entries: [['usr_1', 5, 0, 1]],
});
const corrected = (id: string, writer: string, boards: readonly string[]): Change => {
  return { type: 'corrections', id, writer, entries: boards.map((board, i) => [`usr_${i}`, 5, 0, 1, board]) };
};
const renamed = (id: string, writer: string, boards = ['global:1']): Change => {
  return { type: 'user-renamed', id, writer, userId: 'usr_1', displayName: 'Countess', boards };
};
const erased = (id: string, writer: string, userId = 'usr_9'): Change => {
  return { type: 'user-erased', id, writer, userId, boards: ['global:1'] };
};

t.test(
  'in memory, changes of others are applied and announced, and of boards that are open alone',
  async (t) => {
    const { boards, received, projection, announced } = await open(t, 'memory');
    received.receive(scored('evt_1', THEIRS));
    received.receive(renamed('chg_1', THEIRS));
    received.receive(erased('chg_2', THEIRS));
    received.receive(scored('evt_2', THEIRS, 'laps:1'));
    await nextTurn();
    t.same(projection.done, ['confirm evt_1', 'rename chg_1', 'erase chg_2']);
    t.same(announced.sort(), ['global:1', 'global:1', 'global:1', 'laps:1']);
    t.equal(boards.size, 1, 'a cold board stays cold');
  },
);

for (const mode of ['memory', 'redis'] as const) {
  t.test(
    `in ${mode}, a change of our own is left to us, unless we do not report it as applied`,
    async (t) => {
      const { unapplied, received, projection } = await open(t, mode);
      unapplied.applied('global:1', 'evt_1');
      received.receive(scored('evt_1', OURS));
      received.receive(scored('evt_2', OURS));
      unapplied.applied('global:1', 'evt_2');
      received.receive(scored('evt_3', OURS));
      await eventually(async () => assert.deepEqual(projection.done, ['confirm evt_3']));
    },
  );
}

t.test('a change of our own is no news here: not when it arrives, and not when it is overdue', async (t) => {
  const { unapplied, received, projection, announced } = await open(t, 'memory');
  received.receive(renamed('chg_1', OURS));
  received.receive(erased('chg_2', OURS));
  unapplied.applied('global:1', 'chg_1');
  unapplied.applied('global:1', 'chg_2');
  received.receive(scored('evt_2', OURS));
  await eventually(async () => assert.deepEqual(projection.done, ['confirm evt_2']));
  await nextTurn();
  t.same(announced, [], 'the board had it already');
  projection.isReady = false;
  received.receive(scored('evt_3', OURS));
  await eventually(async () => assert.deepEqual(announced, ['global:1']));
});

t.test('a change of our own is announced on cold boards, and nobody waits for it', async (t) => {
  for (const mode of ['memory', 'redis'] as const) {
    const { boards, unapplied, received, announced } = await open(t, mode);
    received.receive(renamed('chg_1', OURS, ['laps:1', 'miles:1']));
    t.same(announced, ['laps:1', 'miles:1'], mode);
    await unapplied.settled();
    t.same(announced, ['laps:1', 'miles:1'], 'once');
    t.equal(boards.size, 1, 'a cold board stays cold');
  }
});

t.test(
  'in Redis, scores of others are left to them, unless they do not report them as applied',
  async (t) => {
    const { unapplied, received, projection, announced } = await open(t, 'redis');
    received.receive(scored('evt_1', THEIRS));
    unapplied.applied('global:1', 'evt_1');
    received.receive(scored('evt_2', THEIRS));
    t.same(announced, [], 'nobody reads before it is applied');
    await eventually(async () => assert(projection.done.length > 0));
    await nextTurn();
    t.same(projection.done, ['confirm evt_2']);
    t.same(announced, ['global:1']);
  },
);

t.test(
  'in Redis too, other changes are applied by all who have their boards open, and at once',
  async (t) => {
    const { received, projection, announced, boards } = await open(t, 'redis');
    received.receive(corrected('chg_1', THEIRS, ['global:1', 'laps:1', 'global:1']));
    received.receive(renamed('chg_2', THEIRS, ['laps:1', 'global:1']));
    received.receive(erased('chg_3', THEIRS));
    await eventually(async () => assert.equal(announced.length, 5));
    t.same(projection.done, ['confirm chg_1', 'rename chg_2', 'erase chg_3']);
    t.same(announced.sort(), ['global:1', 'global:1', 'global:1', 'laps:1', 'laps:1']);
    t.equal(boards.size, 1, 'a cold board stays cold');
  },
);

t.test('an erased user does not come back, whatever the projection has forgotten', async (t) => {
  for (const mode of ['memory', 'redis'] as const) {
    const { received, projection, unapplied } = await open(t, mode);
    received.receive(erased('chg_1', THEIRS, 'usr_1'));
    received.receive(scored('evt_1', THEIRS));
    received.receive(corrected('chg_2', THEIRS, ['global:1']));
    await eventually(async () => assert(projection.done.includes('confirm chg_2')));
    await unapplied.settled();
    t.same(projection.done, ['erase chg_1', 'confirm chg_2'], mode);
  }
});

t.test('nothing is written into a shared board in the order that it had before', async (t) => {
  const { received, projection, announced, redefine } = await open(t, 'redis');
  redefine('asc');
  received.receive(corrected('chg_1', THEIRS, ['global:1']));
  await eventually(async () => assert.deepEqual(announced, ['global:1']));
  t.same(projection.done, []);
});

t.test(
  'a name is announced when it is known here, even if its writer has announced the board before',
  async (t) => {
    const { unapplied, names, received, announced } = await open(t, 'redis');
    unapplied.applied('global:1', 'chg_1');
    received.receive(renamed('chg_1', THEIRS));
    await eventually(async () => assert.deepEqual(announced, ['global:1']));
    t.same(await names.of(['usr_1']), new Map([['usr_1', 'Countess']]));
  },
);

t.test('a change of a board that is not ready is announced at once, for reads of PostgreSQL', async (t) => {
  const { received, announced } = await open(t, 'redis');
  received.receive(scored('evt_1', THEIRS, 'laps:1'));
  t.same(announced, ['laps:1']);
});

t.test('a board whose change could not be confirmed is compared with PostgreSQL', async (t) => {
  const { received, projection, errors } = await open(t, 'redis');
  projection.fault = new Error('Redis is away');
  received.receive(scored('evt_1', THEIRS));
  await eventually(async () => assert.equal(projection.loads, 2));
  t.match(errors, [{ message: 'Redis is away' }]);
});

t.test('nothing is confirmed of a leaderboard that was deleted meanwhile', async (t) => {
  const { received, projection, announced, errors, redefine } = await open(t, 'redis');
  redefine(null);
  received.receive(erased('chg_1', THEIRS));
  await eventually(async () => assert.deepEqual(announced, ['global:1']));
  t.same(projection.done, []);
  t.same(errors, []);
  t.equal(projection.loads, 1);
});

t.test('boards are compared when more changes wait than can be remembered', async (t) => {
  const { unapplied, received, projection } = await open(t, 'redis');
  for (let n = 0; n < 50_000; n++) unapplied.expect('laps:1', `evt_${n}`, () => {});
  received.receive(scored('evt_x', THEIRS));
  t.equal(projection.isReady, false);
  await eventually(async () => assert.equal(projection.loads, 2));
});

t.test('after changes were missed, names and boards are read again', async (t) => {
  const { names, received, projection, announced } = await open(t, 'redis');
  names.set('usr_1', 'Ada');
  received.resync();
  t.same(announced, ['global:1']);
  await t.rejects(names.of(['usr_1']), { message: 'No query is needed' });
  await eventually(async () => assert.equal(projection.loads, 2));
});

t.test('a board that no key can name is reported', async (t) => {
  const { received, errors } = await open(t, 'redis');
  received.receive(renamed('chg_1', THEIRS, ['nonsense']));
  t.match(errors, [{ message: 'Not a board: nonsense' }]);
});
