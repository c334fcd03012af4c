import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { boardKey } from '../../src/board-key.js';
import type { VersionedEntry } from '../../src/leaderboard/entry.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { BoardLost, BoardRedis, keysOf, RedisProjection } from '../../src/leaderboard/redis-projection.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { BoardRows, inOrder, interrupted, slowDatabase } from './board-rows.js';

/** Three pages of PostgreSQL, and several scripts a page. */
const ENTRIES = 4_100;
const CHANGE = 'evt_1';

const scores = await BoardRows.open(t);
const server = await RedisServer.start(t);
const redis = await connectTestRedis(t, server.url);
const boardRedis = new BoardRedis(redis, randomUUID());
const reconciler = new Reconciler(scores.pool, boardRedis);

const userOf = BoardRows.userOf;
const entry = (n: number, version = 10): VersionedEntry => ({
  userId: userOf(n),
  score: (n * version * 7919) % 1_000,
  achievedAt: 1_781_136_000_000 + (n % 7) + version,
  version,
});
const textOf = ({ achievedAt, version }: VersionedEntry): string => `00${achievedAt}:${version}`;
const memberOf = ({ achievedAt, userId }: VersionedEntry): string => `00${achievedAt}${userId}`;

async function fullBoard(t: Test, entries = ENTRIES) {
  const key = scores.newBoard('desc');
  await scores.write(
    key,
    Array.from({ length: entries }, (_, n) => entry(n)),
  );
  t.same(await reconciler.reconcile(key), { drift: entries, isBuilt: true }, 'all of a lost board differs');
  const board = new RedisProjection(
    key,
    boardRedis,
    async () => {},
    () => {},
  );
  return { key, board };
}

/** Both keys of the board hold what PostgreSQL holds, entry by entry, and nothing else. */
async function checkAgreement({ key, sort }: Board): Promise<void> {
  const { rows } = await scores.pool.query<VersionedEntry & { achievedAt: Date }>(
    `SELECT typeid('usr', user_id) AS "userId", score, achieved_at AS "achievedAt", version FROM scores
     WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL`,
    [key.leaderboard, key.season],
  );
  const truth = inOrder(
    sort,
    rows.map((row) => ({ ...row, achievedAt: Number(row.achievedAt) })),
  );
  const [rank = '', entries = ''] = keysOf(key).board;
  const ranked = await redis.zrange(rank, '0', '-1', 'WITHSCORES');
  assert.deepEqual(
    ranked.slice(0, -2),
    truth.flatMap((entry) => [memberOf(entry), String(0 - entry.score)]),
  );
  const { '~epoch': epoch, '~version': _, ...held } = await redis.hgetall(entries);
  assert.deepEqual(ranked.slice(-2), [`~${epoch}`, 'inf']);
  assert.deepEqual(held, Object.fromEntries(truth.map((entry) => [entry.userId, textOf(entry)])));
}

t.test('what differs is counted to the entry, and set right', async (t) => {
  const { key } = await fullBoard(t);
  const [rank = '', entries = ''] = keysOf(key.key).board;
  const [stranger, other] = [entry(9_001), entry(9_002)];
  let version = 10;
  const tamper: Record<string, () => Promise<unknown>> = {
    'a score in Redis': () => redis.zadd(rank, 123, memberOf(entry(1))),
    'a member taken from the ranking': () => redis.zrem(rank, memberOf(entry(2))),
    'a member put into the ranking': () => redis.zadd(rank, 1, 'anything'),
    'an entry without its text': () => redis.hdel(entries, userOf(3)),
    'an entry that is older': () =>
      redis
        .multi()
        .zrem(rank, memberOf(entry(4)))
        .zadd(rank, 5, memberOf(entry(4, 9)))
        .hset(entries, userOf(4), textOf(entry(4, 9)))
        .exec(),
    'an entry that is newer than the truth': () => redis.hset(entries, userOf(5), textOf(entry(5, 11))),
    'an entry of nonsense': () => redis.hset(entries, userOf(6), 'nonsense'),
    'a stranger among the entries': () => redis.hset(entries, stranger.userId, textOf(stranger)),
    'a stranger with rank and entry': () =>
      redis.multi().zadd(rank, 7, memberOf(other)).hset(entries, other.userId, textOf(other)).exec(),
    'a row that is gone from PostgreSQL': () => scores.delete(key, userOf(8)),
    'a row that has lost its score': () => scores.write(key, [{ ...entry(7, ++version), score: null }]),
    'a row that Redis has not heard of': () => scores.write(key, [entry(9_009)]),
    'a row that Redis has only in its old state': () => scores.write(key, [entry(10, 11)]),
  };
  const check = async (what: string, drift: number) => {
    t.equal((await reconciler.reconcile(key))?.drift, drift, what);
    await checkAgreement(key);
    t.equal((await reconciler.reconcile(key))?.drift, 0, `nothing is left to do after ${what}`);
  };
  for (const [what, change] of Object.entries(tamper)) {
    await change();
    await check(what, 1);
  }
  await scores.write(key, [entry(7, ++version), entry(8), entry(10)]);
  await reconciler.reconcile(key);
  for (const change of Object.values(tamper)) await change();
  // The row of 9,009 is there already.
  await check('all of them at once', Object.keys(tamper).length - 1);
});

t.test(
  'strangers are found also where a database that was set back has rows that are held back',
  async (t) => {
    for (const cameBack of [false, true]) {
      const { key, board } = await fullBoard(t);
      await board.apply(CHANGE, [{ ...entry(1, 12), score: null }]);
      if (cameBack) await board.apply(CHANGE, [entry(1, 13)]);
      await board.apply(CHANGE, [entry(9_001)]);
      t.equal((await board.page(1)).total, cameBack ? ENTRIES + 1 : ENTRIES);
      t.equal((await reconciler.reconcile(key))?.drift, cameBack ? 2 : 1);
      const left = await board.many([userOf(1), userOf(9_001)]);
      t.equal(left.entries.length, 0, 'the one is unknown, the other has left the board');
      t.equal((await board.page(1)).total, ENTRIES - 1);
      t.equal((await reconciler.reconcile(key))?.drift, 0);
    }
  },
);

t.test('a board of which Redis has lost a key, or all, is not read and built anew', async (t) => {
  const { key, board } = await fullBoard(t);
  const [rank = '', entries = ''] = keysOf(key.key).board;
  const reads: (() => Promise<unknown>)[] = [
    () => board.page(10),
    () => board.around(userOf(1), 3),
    () => board.many([userOf(1)]),
  ];
  for (const lose of [() => redis.del(rank), () => redis.del(entries), () => redis.call('FLUSHALL')]) {
    await lose();
    await redis.zadd(rank, 5, 'what comes after the loss');
    for (const read of reads) await t.rejects(read(), BoardLost);
    t.same(await board.apply(CHANGE, [entry(1, 1)]), null);
    t.equal((await reconciler.reconcile(key))?.drift, ENTRIES);
    await checkAgreement(key);
  }
});

t.test('a lost board is gone before the next is built, and one that is read stays until then', async (t) => {
  const { key } = await fullBoard(t, 20);
  const { board: keys } = keysOf(key.key);
  const [rank = '', entries = ''] = keys;
  const keysWhileBuilt = async (): Promise<Set<number>> => {
    const found = new Set<number>();
    const database = interrupted(scores.pool, async () => void found.add(await redis.exists(keys)));
    t.equal(await new Reconciler(database, boardRedis).build(key), 20);
    await checkAgreement(key);
    return found;
  };
  t.same(await keysWhileBuilt(), new Set([2]), 'a board that others read meanwhile');
  for (const lose of [
    () => redis.del(rank),
    () => redis.del(entries),
    () => redis.hset(entries, '~epoch', 'another'),
    () => redis.set(rank, 'something else'),
    () => redis.set(entries, 'something else'),
  ]) {
    await lose();
    t.same(await keysWhileBuilt(), new Set([0]), String(lose));
  }
});

t.test('a newcomer while a board is compared does not make it look for strangers', async (t) => {
  const { key, board } = await fullBoard(t);
  const searches = async () => /cmdstat_hscan:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
  const before = await searches();
  let queries = 0;
  const database = interrupted(scores.pool, async () => {
    // The first takes the lock, the second reads a page.
    if (++queries !== 2) return;
    await scores.write(key, [entry(9_000)]);
    await board.apply(CHANGE, [entry(9_000)]);
  });
  t.equal((await new Reconciler(database, boardRedis).reconcile(key))?.drift, 0);
  t.equal((await board.page(1)).total, ENTRIES + 1);
  t.equal(await searches(), before);
});

t.test('of two reconcilers one works and the other leaves it alone', async (t) => {
  const { key } = await fullBoard(t);
  const { database, hold } = slowDatabase(scores.pool);
  const held = hold();
  const first = new Reconciler(database, boardRedis).reconcile(key);
  await held.reached;
  t.equal(await reconciler.reconcile(key), null);
  const elsewhere = scores.newBoard('asc');
  t.equal(
    (await reconciler.reconcile({ ...elsewhere, key: boardKey('another', 1) }))?.drift,
    0,
    'other boards are free',
  );
  held.release();
  t.same(await first, { drift: 0, isBuilt: false });
  t.equal((await reconciler.reconcile(key))?.drift, 0, 'the lock is free again');
});

// Few changes are left for the end of the build, many are dealt with before.
for (const [isLost, changed] of [
  [true, 60],
  [false, 400],
] as const) {
  t.test(
    `nothing that commits while a board is built is missing, and ${isLost ? 'no part of it' : 'the old one'} is read till then`,
    async (t) => {
      const { key, board } = await fullBoard(t);
      const { epoch } = await board.page(1);
      if (isLost) await redis.del(...keysOf(key.key).board);
      const late: VersionedEntry[] = [];
      let version = 10;
      let total = ENTRIES;
      const erased = new Set<string>();
      const database = interrupted(scores.pool, async () => {
        version++;
        const changes = Array.from({ length: changed }, (_, i) =>
          entry((i * 73 + version * 11) % ENTRIES, version),
        );
        const newcomers = [entry(5_000 + version, version), entry(6_000 + version, version)];
        const made = [...changes, ...newcomers].filter(({ userId }) => !erased.has(userId));
        await scores.write(key, made);
        // In two halves, of which the second is told late, and the first twice, and then its old state.
        await board.apply(CHANGE, late.splice(0));
        const half = made.splice(0, changed / 2);
        await board.apply(CHANGE, half);
        await board.apply(CHANGE, half);
        await board.apply(
          CHANGE,
          half.map(({ userId }) => ({ ...entry(1, 1), userId })),
        );
        late.push(...made);
        const leaving = erased.size / 2;
        for (const user of [userOf(leaving), userOf(ENTRIES - 1 - leaving)]) {
          erased.add(user);
          await scores.delete(key, user);
          await board.erase(CHANGE, user);
        }
        if (isLost) await t.rejects(board.page(1), BoardLost);
        else t.equal((await board.page(1)).epoch, epoch);
        total =
          (await scores.pool.query('SELECT FROM scores WHERE season = $1', [key.key.season])).rowCount ?? 0;
      });
      await new Reconciler(database, boardRedis).build(key);
      t.ok(version >= 13, 'between all pages');
      await board.apply(CHANGE, late);
      await checkAgreement(key);
      const page = await board.page(1);
      t.not(page.epoch, epoch);
      t.equal(page.total, total);
      t.equal((await reconciler.reconcile(key))?.drift, 0);
    },
  );
}

/** The lock of one that has failed goes with its connection, a moment later. */
async function reconcileAfterFailure(key: Board): Promise<number> {
  return (await reconciler.reconcile(key))?.drift ?? reconcileAfterFailure(key);
}

t.test('a board that is lost while it is built does not come up in part', async (t) => {
  // The second is lost when all of it was loaded.
  for (const entries of [ENTRIES, 0]) {
    const { key, board } = await fullBoard(t, entries);
    const tag = `scoreboard:{${key.key.text}}`;
    for (const lost of [`${tag}:rank:*`, `${tag}:entries:*`, keysOf(key.key).changes]) {
      await redis.del(...keysOf(key.key).board);
      const database = interrupted(scores.pool, async () => {
        await redis.del(lost, ...(await redis.keys(lost)));
      });
      await t.rejects(new Reconciler(database, boardRedis).reconcile(key), BoardLost);
      await t.rejects(board.page(1), BoardLost);
      t.equal(await reconcileAfterFailure(key), entries);
      await checkAgreement(key);
    }
  }
});

t.test('a build that another has overtaken gives up and leaves the board alone', async (t) => {
  const { key, board } = await fullBoard(t);
  const { database, hold } = slowDatabase(scores.pool);
  const held = hold();
  const overtaken = new Reconciler(database, boardRedis).build(key);
  await held.reached;
  await reconciler.build(key);
  const { epoch } = await board.page(1);
  held.release();
  await t.rejects(overtaken, BoardLost);
  t.equal((await board.page(1)).epoch, epoch);
  await checkAgreement(key);
});

t.test('nothing goes on waiting for a build that was given up', async (t) => {
  const { key, board } = await fullBoard(t);
  const { database, hold } = slowDatabase(scores.pool);
  const held = hold();
  const givenUp = new Reconciler(database, boardRedis);
  const build = givenUp.build(key);
  await held.reached;
  givenUp.close();
  held.release();
  await t.rejects(build, { name: 'AbortError' });
  await board.apply(CHANGE, [entry(1, 11)]);
  t.equal(await redis.exists(keysOf(key.key).changes), 1);
  await scores.write(key, [entry(1, 11)]);
  t.equal((await reconciler.reconcile(key))?.drift, 0);
  t.same(
    (await redis.keys(`scoreboard:{${key.key.text}}:*`)).sort(),
    keysOf(key.key).board.sort(),
    'only the board itself is left',
  );
});
