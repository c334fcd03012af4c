import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import type { VersionedEntry } from '../../src/leaderboard/entry.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { RedisBoards } from '../../src/leaderboard/redis-boards.js';
import { BoardRedis, keysOf, type RedisProjection } from '../../src/leaderboard/redis-projection.js';
import { Tombstones } from '../../src/leaderboard/tombstones.js';
import { eventually } from '../api.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { BoardRows } from './board-rows.js';

const scores = await BoardRows.open(t);
const server = await RedisServer.start(t);

const entry = (n: number, version = 10): VersionedEntry => ({
  userId: BoardRows.userOf(n),
  score: 100 - n,
  achievedAt: 1_781_136_000_000,
  version,
});

/** The boards of one instance, of which one is open and ready. */
async function openInstance(t: Test, board: Board) {
  const client = await connectTestRedis(t, server.url);
  const subscriber = await connectTestRedis(t, server.url);
  const redis = new BoardRedis(client, randomUUID());
  const erased = new Tombstones();
  const open: RedisProjection[] = [];
  const reloaded: string[] = [];
  const applied: string[] = [];
  const changed: string[] = [];
  const boards = new RedisBoards({
    redis,
    subscriber,
    reconciler: new Reconciler(scores.pool, redis),
    erased,
    syncIntervalMs: 3_600_000,
    open: () => open,
    find: ({ text }) => open.find(({ board }) => board.key.text === text),
    reload: ({ text }) => reloaded.push(text),
    reloadAll: () => {
      for (const projection of open) projection.markStale();
      reloaded.push('all');
    },
    onChange: ({ text }) => changed.push(text),
    onApplied: ({ text }, changeId) => applied.push(`${text} ${changeId}`),
    onReconciled: () => {},
    onError: (error) => t.fail(String(error)),
  });
  t.teardown(() => boards.close());
  const projection = boards.project(board);
  open.push(projection);
  await projection.load();
  return { client, boards, projection, erased, reloaded, applied, changed };
}

async function openBoard(entries = 3) {
  const board = scores.newBoard('desc');
  await scores.write(
    board,
    Array.from({ length: entries }, (_, n) => entry(n)),
  );
  return board;
}

const work = (...entries: VersionedEntry[]) => ({ type: 'entries' as const, entries });

t.test('an instance receives what others have applied, and not its own messages', async (t) => {
  const board = await openBoard();
  const [one, two] = [await openInstance(t, board), await openInstance(t, board)];
  await one.projection.apply('evt_1', [entry(1, 11)]);
  await two.projection.apply('evt_2', [entry(1, 12)]);
  const { text } = board.key;
  await eventually(async () => {
    assert.deepEqual(two.applied, [`${text} evt_1`]);
    assert.deepEqual(one.applied, [`${text} evt_2`]);
  });
});

t.test('of instances that confirm a change one does, and each part of it is confirmed', async (t) => {
  const board = await openBoard();
  const [one, two] = [await openInstance(t, board), await openInstance(t, board)];
  const [first, second] = [work(entry(1, 11), entry(2, 11)), work(entry(0, 11))];
  const { version } = await one.projection.page(1);
  for (const part of [first, second]) {
    await one.boards.confirm(board, 'evt_1', part);
    await two.boards.confirm(board, 'evt_1', part);
  }
  t.equal((await one.projection.page(1)).version, version + 2);
  await one.boards.confirm(board, 'chg_1', { type: 'rename', userId: entry(1).userId });
  await two.boards.confirm(board, 'chg_1', { type: 'rename', userId: entry(1).userId });
  t.equal((await one.projection.page(1)).version, version + 3);
  await two.boards.confirm(board, 'chg_2', { type: 'erase', userId: entry(1).userId });
  await one.boards.confirm(board, 'chg_2', { type: 'erase', userId: entry(1).userId });
  t.equal((await one.projection.page(1)).version, version + 4);
  t.equal(await one.projection.placement(entry(1).userId), null);
});

t.test('a confirmation changes nothing that its writer has applied, and undoes nothing newer', async (t) => {
  const board = await openBoard();
  const { boards, projection } = await openInstance(t, board);
  await projection.apply('evt_1', [entry(1, 11)]);
  await projection.apply('evt_2', [{ ...entry(2, 12), score: 500 }]);
  const before = await projection.page(10);
  await boards.confirm(board, 'evt_1', work(entry(1, 11), entry(2, 11)));
  t.same(await projection.page(10), before);
});

t.test('a confirmation does not bring back an erased user, whatever Redis has lost', async (t) => {
  const board = await openBoard();
  const { client, boards, projection, erased } = await openInstance(t, board);
  const [gone, other] = [entry(8), entry(9)];
  erased.add(gone.userId, Number.POSITIVE_INFINITY);
  await projection.erase('chg_1', gone.userId);
  await client.del(keysOf(board.key).tombstones);
  await boards.confirm(board, 'evt_1', work(gone, other));
  await boards.confirm(board, 'evt_2', work(gone));
  t.ok(await projection.placement(other.userId));
  t.equal(await projection.placement(gone.userId), null);
});

t.test('a board that is not in Redis needs no confirmation', async (t) => {
  const board = await openBoard();
  const { client, boards, projection } = await openInstance(t, board);
  await client.unlink(...keysOf(board.key).board);
  await boards.confirm(board, 'evt_1', work(entry(1, 11)));
  t.equal(await client.exists(...keysOf(board.key).board), 0);
  await t.rejects(projection.page(1));
});

t.test('a Redis that has lost its data is noticed while nobody reads', async (t) => {
  const { client, reloaded, boards, projection } = await openInstance(t, await openBoard());
  t.equal(await boards.isReady(), true);
  await client.flushall();
  await eventually(async () => assert.deepEqual(reloaded, ['all']));
  t.equal(await boards.isReady(), false, 'a board that was ready is missed');
  await projection.load();
  t.equal(await boards.isReady(), true);
});

t.test('a board that is opened for the first time is not missed', async (t) => {
  const { boards, projection } = await openInstance(t, await openBoard());
  projection.wasReady = false;
  projection.markStale();
  t.equal(await boards.isReady(), true);
});
