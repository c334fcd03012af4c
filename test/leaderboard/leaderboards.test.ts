import { EventEmitter, once } from 'node:events';
import t, { type Test } from 'tap';
import { DisplayNames } from '../../src/access/display-names.js';
import { Users } from '../../src/access/users.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { newId } from '../../src/ids.js';
import { Leaderboards } from '../../src/leaderboard/leaderboards.js';
import { MemoryLeaderboard } from '../../src/leaderboard/memory-leaderboard.js';
import { ScoreLedger } from '../../src/ledger/score-ledger.js';
import { BoardRows, type Hold, slowDatabase } from './board-rows.js';

/** The boards of a service with three players, and a load that waits until the test lets it go on. */
async function openBoards(t: Test) {
  const { pool } = await BoardRows.open(t);
  const { database, hold } = slowDatabase(pool);
  const catalog = new Catalog(pool);
  await catalog.seedDemoActions();
  await catalog.load();
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const leaderboards = new Leaderboards({
    catalog,
    names: new DisplayNames(pool),
    database: pool,
    project: (key) => new MemoryLeaderboard(key, database),
    onError,
  });
  t.teardown(() => leaderboards.close());
  const changes = new EventEmitter();
  leaderboards.onChange((id) => changes.emit('change', id));
  const ledger = new ScoreLedger({ pool, leaderboards, instance: newId('svc'), onError });
  const users = new Users(pool);
  const players = [
    await users.createGuest('Ada'),
    await users.createGuest('Bob'),
    await users.createGuest('Cleo'),
  ];
  const idOf = (n: number) => players[n]?.id ?? '';
  const score = (n: number, points: number) =>
    ledger.record({
      tokenId: newId('tok'),
      userId: idOf(n),
      actionId: 'finish-level',
      points,
      metadata: null,
      tokenExpiresAt: Date.now() / 1000 + 60,
      issuedBy: null,
      signingKey: 'key_00000000',
      limits: null,
    });
  /** Starts the load, and gives back when it has read its rows but does not have them yet. */
  const startLoad = async (): Promise<Hold> => {
    const load = hold();
    leaderboards.follow();
    await load.reached;
    return load;
  };
  const finish = async (load: Hold) => {
    const announced = once(changes, 'change');
    load.release();
    t.same(await announced, ['global'], 'the end of the load is announced');
  };
  return { pool, catalog, leaderboards, users, changes, errors, hold, idOf, score, startLoad, finish };
}

const ranking = async (leaderboards: Leaderboards) =>
  (await leaderboards.page('global', 10)).items.map(({ rank, displayName, score }) => [
    rank,
    displayName,
    score,
  ]);

t.test(
  'while a board loads, reads come from PostgreSQL with right ranks and receipts have none',
  async (t) => {
    const { leaderboards, idOf, score, startLoad, finish } = await openBoards(t);
    await score(0, 10);
    const load = await startLoad();
    const [receipt] = (await score(1, 20)).leaderboards;
    t.match(receipt, { id: 'global', score: 20, previousScore: null, rank: null, previousRank: null });
    await score(2, 20);

    const expected = [
      [1, 'Bob', 20],
      [2, 'Cleo', 20],
      [3, 'Ada', 10],
    ];
    t.same(await ranking(leaderboards), expected);
    t.match(await leaderboards.entry('global', idOf(0)), {
      entry: { rank: 3, score: 10 },
      total: 3,
      scoreAbove: 20,
    });
    t.same(await leaderboards.standing('global', idOf(2)), { rank: 2, score: 20, total: 3 });
    t.same(await leaderboards.standing('global', newId('usr')), { rank: null, score: null, total: 3 });
    t.equal(await leaderboards.total('global'), 3);
    const around = await leaderboards.around('global', idOf(0), 1);
    t.same(
      around?.items.map(({ rank }) => rank),
      [2, 3],
    );
    const many = await leaderboards.many('global', [idOf(0), idOf(1)]);
    t.same(
      many.items.map(({ rank }) => rank),
      [1, 3],
    );

    await finish(load);
    t.same(await ranking(leaderboards), expected, 'and the same from memory');
    t.match((await score(0, 15)).leaderboards, [{ score: 25, rank: 1, previousRank: 3 }]);
  },
);

t.test('a user who is erased while a board loads is gone from every read', async (t) => {
  const { leaderboards, users, idOf, score, startLoad, finish } = await openBoards(t);
  await score(0, 10);
  await score(1, 20);
  const load = await startLoad();
  await users.erase(idOf(1));
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
  await leaderboards.erase(idOf(1));
  await finish(load);
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
  t.equal(await leaderboards.entry('global', idOf(1)), null);
});

t.test('a load that fails is reported and tried again', async (t) => {
  const { pool, leaderboards, errors, changes, score } = await openBoards(t);
  await score(0, 10);
  await pool.query('ALTER TABLE scores RENAME TO scores_away');
  leaderboards.follow();
  while (errors.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.match(errors[0], { message: /scores/ });
  await pool.query('ALTER TABLE scores_away RENAME TO scores');
  await once(changes, 'change');
  t.same(await ranking(leaderboards), [[1, 'Ada', 10]]);
});

t.test('no load is tried again after the end', async (t) => {
  const { pool, leaderboards, errors } = await openBoards(t);
  await pool.query('ALTER TABLE scores RENAME TO scores_away');
  leaderboards.follow();
  leaderboards.close();
  await pool.query('SELECT pg_sleep(0.05)');
  t.same(errors, [], 'nor is its failure news');
});

t.test('a rename is announced, changes the version and shows', async (t) => {
  const { leaderboards, users, changes, idOf, score, startLoad, finish } = await openBoards(t);
  await score(0, 10);
  await finish(await startLoad());
  const { version } = await leaderboards.page('global', 1);
  await users.rename(idOf(0), 'Countess');
  const announced = once(changes, 'change');
  await leaderboards.rename(idOf(0), 'Countess');
  t.same(await announced, ['global']);
  const state = await leaderboards.page('global', 1);
  t.equal(state.items[0]?.displayName, 'Countess');
  t.ok(state.version > version);
});

t.test('a board that is added gets its own projection, and those there are stay as they are', async (t) => {
  const { catalog, leaderboards, changes, score, startLoad, finish } = await openBoards(t);
  await score(0, 10);
  await finish(await startLoad());
  const { epoch } = await leaderboards.page('global', 1);
  await t.rejects(leaderboards.page('laps', 1), { code: 'not-found' });
  await catalog.putLeaderboard(
    { id: 'laps', title: 'Laps', sort: 'asc', operator: 'best' },
    { actor: 'svc_1', reason: null },
  );
  const loaded = once(changes, 'change');
  leaderboards.follow();
  t.match(await leaderboards.page('laps', 1), { leaderboard: 'laps', total: 0, items: [] });
  t.same(await loaded, ['laps']);
  t.equal((await leaderboards.page('global', 1)).epoch, epoch);
});

t.test('a new season is a new, empty board; changes of the old one do not reach it', async (t) => {
  const { pool, catalog, leaderboards, idOf, score, startLoad, finish } = await openBoards(t);
  await score(0, 10);
  await finish(await startLoad());
  await pool.query("UPDATE leaderboards SET season = 2 WHERE id = 'global'");
  await catalog.load();
  const load = await startLoad();
  await finish(load);
  t.match(await leaderboards.page('global', 1), { season: 2, total: 0, items: [] });
  const late = { leaderboardId: 'global', season: 1, userId: idOf(0), score: 99, achievedAt: 0, version: 9 };
  t.same(await leaderboards.apply([late]), [{ previousRank: null, rank: null }]);
  t.match(await leaderboards.page('global', 1), { season: 2, total: 0, items: [] });
});
