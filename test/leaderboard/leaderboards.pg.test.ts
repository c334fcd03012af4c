import { EventEmitter, once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { DisplayNames } from '../../src/access/display-names.js';
import { Users } from '../../src/access/users.js';
import { boardKey } from '../../src/board-key.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { seedDemoActions } from '../../src/catalog/demo-actions.js';
import { UnappliedChanges } from '../../src/changes/unapplied-changes.js';
import { newId } from '../../src/ids.js';
import { BoardNames } from '../../src/leaderboard/board-names.js';
import { Leaderboards } from '../../src/leaderboard/leaderboards.js';
import { MemoryProjection } from '../../src/leaderboard/memory-projection.js';
import { OpenBoards } from '../../src/leaderboard/open-boards.js';
import { EntryMetadata } from '../../src/leaderboard/public-metadata.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { ScoreLedger } from '../../src/ledger/score-ledger.js';
import { BoardRows, slowDatabase } from './board-rows.js';

const GLOBAL = boardKey('global', 1);
const WRITER = 'instance-1';
const act = { actor: 'svc_1', reason: null };

/** The boards of a service with three players, whose loads can be held up. */
async function openBoards(t: Test) {
  const { pool } = await BoardRows.open(t);
  const { database, hold } = slowDatabase(pool);
  const catalog = new Catalog(pool, WRITER);
  await seedDemoActions(pool);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const erased = new Tombstones();
  const boards = new OpenBoards({
    database: pool,
    project: (board) => new MemoryProjection(board, database, erased),
    maxBytes: 2 ** 24,
    onError,
  });
  const unapplied = new UnappliedChanges(onError);
  const names = new DisplayNames(pool);
  const feed = { isCurrent: true, heardAll: async () => {} };
  const leaderboards = new Leaderboards({
    catalog,
    boards,
    names,
    metadata: new EntryMetadata(pool),
    database: pool,
    erased,
    unapplied,
    feed,
    onError,
  });
  t.teardown(() => {
    boards.close();
    void unapplied.close();
  });
  const changes = new EventEmitter();
  boards.onChange(({ text }) => changes.emit('change', text));
  const ledger = new ScoreLedger({ pool, leaderboards, turnPages: () => {}, writer: WRITER, onError });
  const users = new Users(pool, WRITER);
  const players = [
    await users.createGuest('Ada'),
    await users.createGuest('Bob'),
    await users.createGuest('Cleo'),
  ];
  const idOf = (n: number) => players[n]?.id ?? '';
  const score = async (n: number, points: number) => {
    const { leaderboards } = await ledger.record({
      tokenId: newId('tok'),
      userId: idOf(n),
      actionId: 'finish-level',
      points,
      metadata: null,
      tokenExpiresAt: Date.now() / 1000 + 60,
      tokenIssuedAt: null,
      expectedSeasons: null,
      issuedBy: null,
      signingKey: 'key_00000000',
      limits: null,
    });
    return leaderboards[0];
  };
  /** Awaits that the projection of `global` is ready. */
  const ready = async () => {
    while (boards.peek(GLOBAL)?.isReady !== true) await nextTurn();
  };
  return { pool, catalog, leaderboards, boards, users, changes, errors, hold, idOf, score, ready, feed };
}

const ranking = async (leaderboards: Leaderboards) =>
  (await leaderboards.page(GLOBAL, 10)).items.map(({ rank, displayName, score }) => [
    rank,
    displayName,
    score,
  ]);

t.test(
  'the first receipts of a cold board have the right ranks, and so have reads while it loads',
  async (t) => {
    const { leaderboards, boards, hold, idOf, score, ready } = await openBoards(t);
    const load = hold();
    t.match(await score(0, 10), {
      id: 'global',
      score: 10,
      previousScore: null,
      rank: 1,
      previousRank: null,
    });
    await load.reached;
    t.match(await score(1, 20), { rank: 1, previousRank: null });
    t.match(await score(2, 20), { rank: 2, previousRank: null });
    t.match(await score(0, 5), { score: 15, rank: 3, previousRank: 3 });

    const expected = [
      [1, 'Bob', 20],
      [2, 'Cleo', 20],
      [3, 'Ada', 15],
    ];
    t.equal(boards.peek(GLOBAL)?.isReady, false);
    t.same(await ranking(leaderboards), expected);
    t.match(await leaderboards.entry(GLOBAL, idOf(0)), {
      entry: { rank: 3, score: 15 },
      total: 3,
      scoreAbove: 20,
    });
    const tied = { rank: 2, sharedRank: 1, score: 20, total: 3 };
    t.same(await leaderboards.live.userRank(GLOBAL, idOf(2)), tied);
    const absent = { rank: null, sharedRank: null, score: null, total: 3 };
    t.same(await leaderboards.live.userRank(GLOBAL, newId('usr')), absent);
    t.same(await leaderboards.totals([GLOBAL]), [3]);
    const around = await leaderboards.around(GLOBAL, idOf(0), 1);
    t.same(
      around?.items.map(({ rank }) => rank),
      [2, 3],
    );
    const many = await leaderboards.many(GLOBAL, [idOf(0), idOf(1)]);
    t.same(
      many.items.map(({ rank }) => rank),
      [1, 3],
    );

    load.release();
    await ready();
    t.same(await ranking(leaderboards), expected, 'and the same from memory');
    t.match(await score(0, 10), { score: 25, rank: 1, previousRank: 3 });
  },
);

t.test('a user who is erased while a board loads is gone from every read', async (t) => {
  const { leaderboards, users, hold, idOf, score, ready } = await openBoards(t);
  const load = hold();
  await score(0, 10);
  await score(1, 20);
  await load.reached;
  const { changeId, boards } = await users.erase(idOf(1));
  t.same(
    boards.map(({ text }) => text),
    ['global:1'],
  );
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
  await leaderboards.erase(changeId, idOf(1), boards);
  load.release();
  await ready();
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
  t.equal(await leaderboards.entry(GLOBAL, idOf(1)), null);
});

t.test('a load that fails is reported and tried again', async (t) => {
  const { pool, leaderboards, boards, errors, score, ready } = await openBoards(t);
  await score(0, 10);
  await ready();
  await pool.query('ALTER TABLE scores RENAME TO scores_away');
  boards.reload(GLOBAL);
  while (errors.length === 0) await nextTurn();
  t.match(errors[0], { message: /scores/ });
  await pool.query('ALTER TABLE scores_away RENAME TO scores');
  await ready();
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
});

t.test('a load that fails after the end is neither repeated nor reported', async (t) => {
  const { pool, boards, errors, score, ready } = await openBoards(t);
  await score(0, 10);
  await ready();
  await pool.query('ALTER TABLE scores RENAME TO scores_away');
  boards.reload(GLOBAL);
  boards.close();
  await pool.query('SELECT pg_sleep(0.05)');
  t.same(errors, []);
});

t.test('a rename is announced on the boards of the user alone, changes the version and shows', async (t) => {
  const { catalog, leaderboards, users, changes, idOf, score, ready } = await openBoards(t);
  await catalog.putLeaderboard({ id: 'laps', title: 'Laps', sort: 'asc', operator: 'best' }, act);
  await leaderboards.page(boardKey('laps', 1), 1);
  await score(0, 10);
  await ready();
  const { version } = await leaderboards.page(GLOBAL, 1);
  const announced: string[] = [];
  const { changeId, boards } = await users.rename(idOf(0), 'Countess');
  changes.on('change', (text) => announced.push(text));
  await leaderboards.rename(changeId, idOf(0), 'Countess', boards);
  t.same(announced, ['global:1']);
  const state = await leaderboards.page(GLOBAL, 1);
  t.equal(state.items[0]?.displayName, 'Countess');
  t.ok(state.version > version);

  const nobody = await users.rename(idOf(1), 'Robert');
  t.same(nobody.boards, [], 'a user without entries changes no board');
});

t.test('boards that nobody has open cost a rename, an erasure and a correction nothing', async (t) => {
  const { pool, leaderboards, changes, idOf } = await openBoards(t);
  const cold = Array.from({ length: 20_000 }, (_, n) => boardKey(`level-${n}`, 1));
  const queries = t.capture(pool, 'query');
  let announced = 0;
  changes.on('change', () => announced++);
  await leaderboards.rename(newId('chg'), idOf(0), 'Countess', cold);
  await leaderboards.erase(newId('chg'), idOf(0), cold);
  const removed = { userId: idOf(0), score: null, achievedAt: 0, version: 2 };
  await leaderboards.apply(
    newId('chg'),
    cold.map((board) => ({ board, ...removed })),
  );
  t.same(queries(), [], 'no definition is read');
  t.equal(announced, 0, 'they are announced when the changes come back from PostgreSQL');
});

t.test('only the boards that a batch has changed are visited, whatever else is open', async (t) => {
  const { catalog, leaderboards, changes, score, ready } = await openBoards(t);
  for (let n = 0; n < 20; n++) {
    await catalog.putLeaderboard({ id: `level-${n}`, title: 'Level', sort: 'asc', operator: 'best' }, act);
    const opened = once(changes, 'change');
    await leaderboards.page(boardKey(`level-${n}`, 1), 1);
    await opened;
  }
  await score(0, 10);
  await ready();
  const announced: string[] = [];
  changes.on('change', (text) => announced.push(text));
  await score(1, 10);
  t.same(announced, ['global:1']);
});

t.test('a leaderboard that sorts otherwise now is projected again', async (t) => {
  const { catalog, leaderboards, changes } = await openBoards(t);
  const laps = boardKey('laps', 1);
  await t.rejects(leaderboards.page(laps, 1), { code: 'not-found' });
  await catalog.putLeaderboard({ id: 'laps', title: 'Laps', sort: 'asc', operator: 'best' }, act);
  const loaded = once(changes, 'change');
  await leaderboards.page(laps, 1);
  t.same(await loaded, ['laps:1']);
  const { epoch } = await leaderboards.page(laps, 1);
  await catalog.putLeaderboard({ id: 'laps', title: 'Laps', sort: 'desc', operator: 'best' }, act);
  const again = once(changes, 'change');
  await leaderboards.page(laps, 1);
  await again;
  t.not((await leaderboards.page(laps, 1)).epoch, epoch);
});

t.test(
  'a stream is not shown less than PostgreSQL has shown it, once the projection answers again',
  async (t) => {
    const { pool, leaderboards, boards, hold, idOf, score, ready, feed } = await openBoards(t);
    await score(0, 10);
    await ready();
    boards.reload(GLOBAL);
    const load = hold();
    const shown = async () => (await leaderboards.live.page(GLOBAL, 10)).items[0]?.score;
    t.equal(await shown(), 10);
    await load.reached;
    // Another instance commits a change, which has not been heard when the load is over.
    await pool.query(
      'UPDATE scores SET score = 30, sort_key = -30, version = version + 1 WHERE user_id = uuid_of($1)',
      [idOf(0)],
    );
    t.equal(await shown(), 30);
    t.equal((await leaderboards.live.userRank(GLOBAL, idOf(0))).score, 30);
    const echo = new EventEmitter();
    feed.heardAll = async () => void (await once(echo, 'heard'));
    load.release();
    await ready();
    const [next, rank] = [shown(), leaderboards.live.userRank(GLOBAL, idOf(0))];
    t.equal((await leaderboards.page(GLOBAL, 10)).items[0]?.score, 10, 'the projection is behind');
    await boards
      .peek(GLOBAL)
      ?.apply('evt_1', [{ userId: idOf(0), score: 30, achievedAt: Date.now(), version: 1_000 }]);
    echo.emit('heard');
    t.equal(await next, 30);
    t.equal((await rank).score, 30);
    feed.heardAll = async () => void t.fail('it has caught up');
    t.equal(await shown(), 30);
  },
);

t.test(
  'the names of a board that was loaded are read with few queries, and its readers need none',
  async (t) => {
    const rows = await BoardRows.open(t);
    const users = Array.from({ length: 2_500 }, (_, n) => BoardRows.userOf(n));
    const board = rows.newBoard('desc');
    await rows.write(
      board,
      users.map((userId, score) => ({ userId, score, achievedAt: 0, version: 1 })),
    );
    const projection = new MemoryProjection(board, rows.pool, new Tombstones());
    await projection.load();
    const read = new EventEmitter();
    let queries = 0;
    const names = new DisplayNames({
      query: async (text: string, values: unknown[]) => {
        if (++queries === 3) setImmediate(() => read.emit('all'));
        return rows.pool.query(text, values);
      },
    });
    const boardNames = new BoardNames({ names, isOpen: () => true, onError: (error) => t.error(error) });
    const all = once(read, 'all');
    boardNames.read(projection);
    await all;
    await boardNames.close();
    t.equal((await names.of(users)).size, users.length);
    t.equal(queries, 3, 'a thousand with each');
  },
);
