import assert from 'node:assert/strict';
import t, { type Test } from 'tap';
import { Catalog } from '../../src/catalog/catalog.js';
import { ChangeFeed } from '../../src/changes/change-feed.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';

const act = { actor: 'svc_1', reason: null };
const BOARD = { id: 'level-1', title: 'Level 1', sort: 'desc', operator: 'best' } as const;
const ACTION = {
  id: 'pass',
  title: 'Pass',
  points: { min: 1, max: 9 },
  leaderboards: ['level-1'],
  issuer: 'server',
  minDurationMs: 0,
} as const;
const action = { ...ACTION, leaderboards: [...ACTION.leaderboards] };

/** A pool that counts what it is asked, and can hold answers back. */
function openCountingPool(t: Test, databaseUrl: string) {
  const pool = openPool(t, databaseUrl);
  const counts = { asked: 0, answered: 0 };
  let held: Promise<void> | undefined;
  const query = pool.query.bind(pool);
  const counted = async (...args: Parameters<typeof query>) => {
    counts.asked++;
    const answer = await query(...args);
    counts.answered++;
    await held;
    return answer;
  };
  const counting = new Proxy(pool, {
    get: (target, key) => (key === 'query' ? counted : Reflect.get(target, key, target)),
  });
  /** Answers of PostgreSQL are handed on when the returned function is called. */
  const hold = (): (() => void) => {
    let release = () => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  };
  return { pool, counting, counts, hold };
}

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const opened = openCountingPool(t, databaseUrl);
  // The actions of a test are all there are.
  await opened.pool.query('DELETE FROM action_leaderboards');
  await opened.pool.query('DELETE FROM actions');
  return { databaseUrl, ...opened, catalog: new Catalog(opened.counting, 'here') };
}

/** Another instance, and what it hears. */
async function openOther(t: Test, databaseUrl: string) {
  const { counting, counts } = openCountingPool(t, databaseUrl);
  const catalog = new Catalog(counting, 'there');
  const fail = (error: unknown) => t.fail(String(error));
  const feed = new ChangeFeed({
    databaseUrl,
    instance: 'there',
    database: openPool(t, databaseUrl),
    onError: fail,
    onLost: fail,
    onBack: () => {},
  });
  feed.listen({ onChange: (change) => catalog.follow(change), onResync: () => catalog.forgetAll() });
  await feed.start();
  t.teardown(() => feed.close());
  return { counts, catalog };
}

t.test('a definition is read once, for all who ask, until it changes', async (t) => {
  const { catalog, counts } = await open(t);
  await catalog.putLeaderboard(BOARD, act);
  await catalog.putAction(action, act);
  counts.asked = 0;
  const [first, second] = await Promise.all([catalog.leaderboard('global'), catalog.leaderboard('global')]);
  t.equal(first, second);
  t.same(await catalog.action('pass'), action);
  t.same(await catalog.actions(), [action]);
  for (let n = 0; n < 3; n++) {
    await catalog.leaderboard('global');
    await catalog.action('pass');
    await catalog.actions();
    await catalog.limits('pass');
  }
  t.equal(counts.asked, 4, 'two leaderboards, the action and the list of actions');
});

t.test('the writer of a change reads what it has changed, and nothing else', async (t) => {
  const { pool, catalog, counts } = await open(t);
  await pool.query(
    "INSERT INTO leaderboards (id, title, sort, operator) SELECT 'b' || n, 'B', 'desc', 'best' FROM generate_series(1, 50) n",
  );
  for (let n = 1; n <= 50; n++) await catalog.leaderboard(`b${n}`);
  counts.asked = 0;
  t.match(await catalog.putLeaderboard({ ...BOARD, id: 'b7' }, act), { id: 'b7', title: 'Level 1' });
  for (let n = 1; n <= 50; n++) await catalog.leaderboard(`b${n}`);
  t.equal(counts.asked, 1);
});

t.test('what does not exist is remembered as well, until it is made', async (t) => {
  const { databaseUrl, catalog } = await open(t);
  const other = await openOther(t, databaseUrl);
  for (let n = 0; n < 3; n++) {
    await t.rejects(other.catalog.leaderboard('level-1'), { code: 'not-found' });
    t.equal(await other.catalog.action('pass'), null);
    t.equal(await other.catalog.limits('pass'), null);
  }
  t.equal(other.counts.asked, 2);
  await catalog.putLeaderboard(BOARD, act);
  await catalog.putAction(action, act);
  await eventually(async () => {
    assert.equal((await other.catalog.leaderboard('level-1')).title, BOARD.title);
    assert.deepEqual(await other.catalog.action('pass'), action);
  });
});

t.test('other instances follow each change, and forget nothing but what has changed', async (t) => {
  const { databaseUrl, catalog } = await open(t);
  const other = await openOther(t, databaseUrl);
  const removed: string[] = [];
  other.catalog.onRemoved((id) => removed.push(id));
  await catalog.putLeaderboard(BOARD, act);
  await catalog.putAction(action, act);
  await other.catalog.leaderboard('level-1');
  await other.catalog.leaderboard('global');
  t.equal(await other.catalog.limits('pass'), null);

  await catalog.putLeaderboard({ ...BOARD, maxPointsPerMinute: 100 }, act);
  const boards = [{ id: 'level-1', maxPointsPerMinute: 100 }];
  await eventually(async () =>
    assert.deepEqual(await other.catalog.limits('pass'), { cooldownMs: null, dailyLimit: null, boards }),
  );
  await catalog.putAction({ ...action, cooldownMs: 5 }, act);
  await eventually(async () => assert.equal((await other.catalog.limits('pass'))?.cooldownMs, 5));
  t.match(await other.catalog.actions(), [{ id: 'pass', cooldownMs: 5 }]);

  await catalog.setFrozen('level-1', true, act);
  await eventually(async () => assert((await other.catalog.leaderboard('level-1')).frozenAt));
  await catalog.setFrozen('level-1', false, act);
  await eventually(async () => assert(!(await other.catalog.leaderboard('level-1')).frozenAt));

  await catalog.deleteAction('pass', act);
  await eventually(async () => assert.equal(await other.catalog.action('pass'), null));
  t.same(await other.catalog.actions(), []);
  t.same(removed, []);
  await catalog.deleteLeaderboard('level-1', act);
  await eventually(async () => assert.deepEqual(removed, ['level-1']));
  await t.rejects(other.catalog.leaderboard('level-1'), { code: 'not-found' });
  const ofGlobal = other.counts.asked;
  await other.catalog.leaderboard('global');
  t.equal(other.counts.asked, ofGlobal, 'global was never forgotten');
});

t.test('a read that was under way when its definition changed is not kept', async (t) => {
  const { catalog, pool, counts, hold } = await open(t);
  await catalog.putLeaderboard(BOARD, act);
  await catalog.putAction(action, act);
  catalog.forgetAll();
  counts.answered = 0;
  const release = hold();
  const old = Promise.all([catalog.leaderboard('level-1'), catalog.action('pass'), catalog.actions()]);
  await eventually(async () => assert.equal(counts.answered, 3));
  await pool.query("UPDATE leaderboards SET title = 'New' WHERE id = 'level-1'");
  await pool.query("UPDATE actions SET title = 'New' WHERE id = 'pass'");
  const change = { id: 'chg_1', writer: 'there' };
  catalog.follow({ type: 'leaderboard', leaderboard: 'level-1', removed: false, ...change });
  catalog.follow({ type: 'action', action: 'pass', ...change });
  release();
  t.match(await old, [{ title: 'Level 1' }, { title: 'Pass' }, [{ title: 'Pass' }]]);
  t.match(await catalog.leaderboard('level-1'), { title: 'New' });
  t.match(await catalog.action('pass'), { title: 'New' });
  t.match(await catalog.actions(), [{ title: 'New' }]);
});

t.test('a read that fails is not kept', async (t) => {
  const { catalog, pool } = await open(t);
  await pool.query('ALTER TABLE leaderboards RENAME TO elsewhere');
  await pool.query('ALTER TABLE actions RENAME TO elsewhere_too');
  await t.rejects(catalog.leaderboard('global'));
  await t.rejects(catalog.actions());
  await pool.query('ALTER TABLE elsewhere RENAME TO leaderboards');
  await pool.query('ALTER TABLE elsewhere_too RENAME TO actions');
  t.match(await catalog.leaderboard('global'), { id: 'global' });
  t.same(await catalog.actions(), []);
});

t.test('after changes may have been missed everything is read again', async (t) => {
  const { catalog, pool } = await open(t);
  await catalog.leaderboard('global');
  await catalog.actions();
  await pool.query("UPDATE leaderboards SET title = 'New'");
  await pool.query("INSERT INTO actions VALUES ('pass', 'Pass', 1, 9, 'server', 0)");
  t.match(await catalog.leaderboard('global'), { title: 'Global' });
  catalog.forgetAll();
  t.match(await catalog.leaderboard('global'), { title: 'New' });
  t.match(await catalog.actions(), [{ id: 'pass' }]);
});

t.test('what was deleted while changes were missed is found, also if the first try fails', async (t) => {
  const { databaseUrl, catalog, pool } = await open(t);
  const other = new Catalog(openPool(t, databaseUrl), 'there');
  const removed: string[] = [];
  other.onRemoved((id) => removed.push(id));
  for (const id of ['gone', 'again', 'stays']) {
    await catalog.putLeaderboard({ ...BOARD, id }, act);
    await other.leaderboard(id);
  }
  for (const id of ['gone', 'again']) await catalog.deleteLeaderboard(id, act);
  await catalog.putLeaderboard({ ...BOARD, id: 'again' }, act);
  other.forgetAll();
  await pool.query('ALTER TABLE leaderboards RENAME TO elsewhere');
  await t.rejects(other.checkRemovals());
  await pool.query('ALTER TABLE elsewhere RENAME TO leaderboards');
  t.same(removed, []);
  await other.checkRemovals();
  t.same(removed.sort(), ['again', 'gone']);
  t.match(await other.leaderboard('again'), { season: 2 });
  other.forgetAll();
  await other.checkRemovals();
  t.equal(removed.length, 2, 'once');
});
