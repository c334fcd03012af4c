import type pg from 'pg';
import t, { type Test } from 'tap';
import { Users } from '../../src/access/users.js';
import { CHANGES_CHANNEL, type Change, parseChange } from '../../src/changes/change.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool, prepare } from '../ledger/game-server.js';
import { newLedger, submission } from '../ledger/ledgers.js';
import { during } from '../ledger/waiting.js';

async function open(t: Test) {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const pool = openPool(t, databaseUrl);
  return { pool, user, users: new Users(pool, 'writer'), ...newLedger(pool) };
}

/** What is announced while `work` runs. */
async function announced<T>(
  pool: pg.Pool,
  work: () => Promise<T>,
): Promise<{ result: T; changes: Change[] }> {
  const client = await pool.connect();
  const changes: Change[] = [];
  client.on('notification', ({ payload = '' }) => {
    const change = parseChange(payload);
    if (change !== null) changes.push(change);
  });
  try {
    await client.query(`LISTEN ${CHANGES_CHANNEL}`);
    const result = await work();
    await client.query('SELECT');
    return { result, changes };
  } finally {
    client.release(true);
  }
}

const texts = (boards: readonly { readonly text: string }[]) => boards.map(({ text }) => text).sort();

t.test('a rename names the boards on which the user stands, and no other', async (t) => {
  const { pool, user, users, ledger } = await open(t);
  await ledger.record(submission(user, 5));
  await pool.query('UPDATE leaderboards SET season = 2');
  await ledger.record(submission(user, 5));
  await pool.query("UPDATE scores SET score = NULL, sort_key = NULL WHERE leaderboard_id = 'best-race'");
  const { result, changes } = await announced(pool, () => users.rename(user, 'Ada'));
  t.match(result.user, { id: user, displayName: 'Ada' });
  t.same(texts(result.boards), ['global:1', 'global:2', 'latest-race:1', 'latest-race:2']);
  t.match(changes, [
    { type: 'user-renamed', id: result.changeId, writer: 'writer', userId: user, displayName: 'Ada' },
  ]);
  const [change] = changes;
  t.same(change && 'boards' in change && [...change.boards].sort(), texts(result.boards));
});

t.test('a user on no board is renamed and erased by one announcement', async (t) => {
  const { pool, user, users } = await open(t);
  const works = {
    'user-renamed': () => users.rename(user, 'Ada'),
    'user-erased': () => users.erase(user),
  };
  for (const [type, work] of Object.entries(works)) {
    const { result, changes } = await announced<{ changeId: string; boards: readonly unknown[] }>(pool, work);
    t.same(result.boards, []);
    t.match(changes, [{ type, id: result.changeId, boards: [] }]);
    t.equal(changes.length, 1);
  }
});

t.test('an erased user leaves every board, in parts that a notification can carry', async (t) => {
  const { pool, user, users } = await open(t);
  await pool.query(`
    INSERT INTO leaderboards (id, title, sort, operator)
    SELECT 'level-' || n, 'Level', 'desc', 'best' FROM generate_series(1, 200) n`);
  await pool.query(
    'INSERT INTO scores SELECT id, s, uuid_of($1), 1, -1, now(), 1 FROM leaderboards, generate_series(1, 2) s',
    [user],
  );
  const [other = ''] = await addPlayers(pool, 1);
  await pool.query("INSERT INTO scores VALUES ('global', 1, uuid_of($1), 1, -1, now(), 1)", [other]);
  const { result, changes } = await announced(pool, () => users.erase(user));
  t.equal(result.boards.length, 2 * 203);
  const parts = changes.flatMap((change) => (change.type === 'user-erased' ? [change.boards] : []));
  t.equal(parts.length, Math.ceil((2 * 203) / 64));
  t.same(parts.flat().sort(), texts(result.boards));
  t.same(new Set(changes.map(({ id }) => id)), new Set([result.changeId]));
  const { rows } = await pool.query("SELECT typeid('usr', user_id) AS id FROM scores");
  t.same(rows, [{ id: other }]);
});

t.test('a rename that waits for a batch names the board that it made', async (t) => {
  const { pool, user, users } = await open(t);
  const score = async (client: pg.ClientBase) => {
    await client.query('SELECT FROM users WHERE id = uuid_of($1) FOR NO KEY UPDATE', [user]);
    await client.query("INSERT INTO scores VALUES ('global', 1, uuid_of($1), 1, -1, now(), 1)", [user]);
  };
  const { boards } = await during(pool, score, 1, () => users.rename(user, 'Ada'));
  t.same(texts(boards), ['global:1']);
});
