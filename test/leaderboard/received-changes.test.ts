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
  async apply(changeId: string) {
    this.done.push(`apply ${changeId}`);
    return null;
  }
  async erase(changeId: string): Promise<void> {
    this.done.push(`erase ${changeId}`);
  }
  async rename(changeId: string): Promise<void> {
    this.done.push(`rename ${changeId}`);
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
    isShared: false,
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
  const confirmed: string[] = [];
  let confirm = async (changeId: string) => void confirmed.push(changeId);
  const names = new DisplayNames(database);
  const received = new ReceivedChanges({
    instance: OURS,
    boards,
    names,
    erased: new Tombstones(),
    unapplied,
    confirm: mode === 'memory' ? null : (_board, changeId) => confirm(changeId),
    onError,
  });
  boards.use(GLOBAL);
  const [projection] = made;
  if (projection === undefined) throw new Error('The board was not opened');
  while (!projection.isReady) await nextTurn();
  await nextTurn();
  const announced: string[] = [];
  boards.onChange(({ text }) => announced.push(text));
  const failConfirming = (error: Error) => {
    confirm = async (changeId) => {
      confirmed.push(changeId);
      throw error;
    };
  };
  return { boards, unapplied, names, received, projection, announced, confirmed, errors, failConfirming };
}

const scored = (id: string, writer: string, board = 'global:1'): Change => ({
  type: 'scores',
  id,
  writer,
  board,
  entries: [['usr_1', 5, 0, 1]],
});
const renamed = (id: string, writer: string, boards = ['global:1']): Change => {
  return { type: 'user-renamed', id, writer, userId: 'usr_1', displayName: 'Countess', boards };
};
const erased = (id: string, writer: string): Change => {
  return { type: 'user-erased', id, writer, userId: 'usr_1', boards: ['global:1'] };
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
    t.same(projection.done, ['apply evt_1', 'rename chg_1', 'erase chg_2']);
    t.same(announced.sort(), ['global:1', 'global:1', 'global:1', 'laps:1']);
    t.equal(boards.size, 1, 'a cold board stays cold');
  },
);

for (const mode of ['memory', 'redis'] as const) {
  t.test(
    `in ${mode}, a change of our own is left to us, unless we do not report it as applied`,
    async (t) => {
      const { unapplied, received, projection, confirmed } = await open(t, mode);
      unapplied.applied('global:1', 'evt_1');
      received.receive(scored('evt_1', OURS));
      received.receive(scored('evt_2', OURS));
      unapplied.applied('global:1', 'evt_2');
      received.receive(scored('evt_3', OURS));
      const done = mode === 'memory' ? projection.done : confirmed;
      await eventually(async () => assert(done.length > 0));
      t.same(done, [mode === 'memory' ? 'apply evt_3' : 'evt_3']);
    },
  );
}

t.test('a change of our own is no news here: not when it arrives, and not when it is overdue', async (t) => {
  const { unapplied, received, projection, announced } = await open(t, 'memory');
  received.receive(renamed('chg_1', OURS));
  received.receive(erased('chg_2', OURS));
  received.receive(scored('evt_1', OURS, 'laps:1'));
  unapplied.applied('global:1', 'chg_1');
  unapplied.applied('global:1', 'chg_2');
  unapplied.applied('laps:1', 'evt_1');
  received.receive(scored('evt_2', OURS));
  await eventually(async () => assert.deepEqual(projection.done, ['apply evt_2']));
  await nextTurn();
  t.same(announced, [], 'the board had it already');
  projection.isReady = false;
  received.receive(scored('evt_3', OURS));
  await eventually(async () => assert.deepEqual(announced, ['global:1']));
});

t.test(
  'in Redis, changes of others are left to them, unless they do not report them as applied',
  async (t) => {
    const { unapplied, received, projection, confirmed, announced } = await open(t, 'redis');
    received.receive(scored('evt_1', THEIRS));
    unapplied.applied('global:1', 'evt_1');
    received.receive(scored('evt_2', THEIRS));
    t.same(announced, [], 'nobody reads before it is applied');
    await eventually(async () => assert(confirmed.length > 0));
    await nextTurn();
    t.same(confirmed, ['evt_2']);
    t.same(announced, ['global:1']);
    t.same(projection.done, []);
  },
);

t.test(
  'a name is announced when it is known here, even if its writer has announced the board before',
  async (t) => {
    const { unapplied, names, received, announced } = await open(t, 'redis');
    unapplied.applied('global:1', 'chg_1');
    received.receive(renamed('chg_1', THEIRS));
    t.same(announced, ['global:1']);
    t.same(await names.of(['usr_1']), new Map([['usr_1', 'Countess']]));
  },
);

t.test('a change of a board that is not ready is announced at once, for reads of PostgreSQL', async (t) => {
  const { received, announced } = await open(t, 'redis');
  received.receive(scored('evt_1', THEIRS, 'laps:1'));
  t.same(announced, ['laps:1']);
});

t.test('a board whose change could not be confirmed is compared with PostgreSQL', async (t) => {
  const { received, projection, errors, failConfirming } = await open(t, 'redis');
  failConfirming(new Error('Redis is away'));
  received.receive(scored('evt_1', THEIRS));
  await eventually(async () => assert.equal(projection.loads, 2));
  t.match(errors, [{ message: 'Redis is away' }]);
});

t.test('nothing is confirmed of a leaderboard that was deleted meanwhile', async (t) => {
  const { received, projection, confirmed, errors, failConfirming } = await open(t, 'redis');
  failConfirming(new Problem('not-found', 'There is no leaderboard "global".'));
  received.receive(erased('chg_1', THEIRS));
  await eventually(async () => assert.deepEqual(confirmed, ['chg_1']));
  await nextTurn();
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
